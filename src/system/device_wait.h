#pragma once
/* Devices by the names that configs have for them. A name may appear only after an earlier step made what it
 * stands for (/dev/disk/by-label/x, /dev/md/x, /dev/mapper/x); with udev the link is waited for; without,
 * what it would point to is looked for in sysfs and by its signatures. systemd is not needed. */
#include "base/arena.h"
#include "base/error.h"

enum { DEVICE_WAIT_SEC = 90 };

/* The device that the name stands for now, such as /dev/vda3. -ENOENT: none. */
int device_resolve(Arena *a, const char *path, const char **ret, Error *e);
/* The same, with patience; says in the log what is waited for once that takes more than two seconds.
 * -ETIMEDOUT names what did not come. */
int device_wait(Arena *a, const char *path, unsigned timeout_sec, const char **ret, Error *e);
/* Lets udev finish with what was just changed, where udev runs; else nothing to do. */
int device_settle(Error *e);
/* Has udev look at this device (/dev/vda3) again, and waits until it has, where udev runs. */
int device_retrigger(const char *device, Error *e);
/* A block device node for major:minor, found in /dev or, where nothing makes nodes, made (0600). `name` is
 * the kernel's, as in sysfs. */
int device_node(Arena *a, unsigned major, unsigned minor, const char *name, const char **ret, Error *e);
