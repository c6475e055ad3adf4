#pragma once
/* One meaning in any version. Lifting keeps what a config does: 2.x's defaults (overwrite true for files, append,
 * filesystem names, networkd units) become what the newest spec writes for the same result. Lowering refuses
 * what the older version cannot say, and names the field.
 * Rules: coreos/ignition config/v3_x/translate; coreos/ign-converter translate/; spec2x config/translate. */
#include "format/report.h"
#include "ignition/config.h"

/* Any version to the newest; findings have the positions of the original. -EINVAL when 2.x says what the
 * newest spec cannot do (with a finding that names it). */
int ign_config_lift(Arena *a, const IgnConfig *c, IgnConfig **ret, Report *r);
/* The newest to `to` (2.2 to 2.4, 3.0 to 3.6). -EINVAL with a finding for each field that stands in the way. */
int ign_config_lower(Arena *a, const IgnConfig *newest, IgnVersion to, IgnConfig **ret, Report *r);
