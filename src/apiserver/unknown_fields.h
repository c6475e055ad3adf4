#pragma once
/* Fields that a built-in kind does not have: taken away, and told when `unknown` is not NULL (warnings,
 * `unknown field "spec.x"`). */
#include "format/report.h"
#include "kube/kube.h"

enum { UNKNOWN_DEPTH_MAX = 64 };

void unknown_fields_drop(const KubeKind *kind, Node *object, Report *unknown);
