#pragma once
/* The machine's own devices, looked at as they are now, and image files in their stead. */
#include "system/block_device.h"
#include "system/device_facts.h"

/* Its context is NULL; it keeps nothing, and may be used by several threads. Names are resolved
 * (device_wait.h). */
extern const Inspector device_inspector;

/* One device or image file by its real path. A path without a device: exists is false. `view` may be NULL. */
int device_inspect(Arena *a, const BlockView *view, const char *real, unsigned what, DeviceFacts *ret,
                   Error *e);
