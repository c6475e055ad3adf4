#pragma once
/* Writing Ignition configs: the installer thinks in spec 2.2.0, whose exact shape is its contract; any other
 * version is made of that by translation. */
#include "ignition/version.h"
#include "installer/asset.h"

/* `json` is a 2.2.0 config. Appends it as it is, or in the wanted version. */
int ignition_output(Arena *a, const char *json, IgnVersion version, Buf *out, Error *e);
