#pragma once
/* The rules that several fields of an install config make together: networks apart from each other, one
 * platform, pools alike, a domain that is not too long. */
#include "format/report.h"

void install_rules_check(Arena *a, const Node *document, Report *r);
