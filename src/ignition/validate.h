#pragma once
/* The rules of the spec beyond shape: what a value may be and which values go together. Each rule is a row
 * (a check on a type) with the versions it holds for. Source of the rules: coreos/ignition config/v3_x/types,
 * config/validate and config/shared/errors; config/v2_x/types of the 0.35 line. */
#include "format/report.h"
#include "ignition/config.h"

/* Adds what is wrong with `c`, by the rules of c->version; `path` as in parse.h. */
void ign_config_validate(const IgnConfig *c, const PathStep *path, Report *r);
