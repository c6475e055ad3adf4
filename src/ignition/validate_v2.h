#pragma once
/* The rules of spec 2.0 to 2.4, as the last line that read them (0.35) had them, with its words. What it
 * called "deprecated" is a warning. Every rule is asked; a finding does not stop those of the same object. */
#include "format/report.h"
#include "ignition/config.h"

/* As ign_config_validate(), for a config whose version is a 2.x. */
void ign_config_validate_v2(const IgnConfig *c, const PathStep *path, Report *r);
/* The rules for the contents of a file alone. */
void ign_source_validate_v2(const IgnResource *s, IgnVersion version, const PathStep *path, Report *r);
