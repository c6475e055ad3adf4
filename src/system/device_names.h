#pragma once
/* What the links below /dev would point to, for a machine on which nothing makes them: no udev, or not yet.
 * The answer comes from sysfs and from the signatures on the devices. Only reads. */
#include "base/arena.h"

/* The kernel's name (as in /sys/class/block) of the device that `path` would stand for; NULL: none. */
const char *device_name_find(Arena *a, const char *path);
