#pragma once
/* Filesystems that carry something for a first boot: found by label or by type, opened without a mount point
 * (the mount belongs to a descriptor and goes with it, whatever happens), read-only. udev's links are used
 * where there are any; without udev every block device is looked at, by libblkid. Places of the outside as in
 * platform.h. */
#include "base/arena.h"
#include "base/error.h"

/* A descriptor of the filesystem's root, for base/file.h's root_*(). -ENOENT: no such filesystem, now. */
int drive_open_label(Arena *a, const char *label, Error *e);

typedef struct DriveDevice {
    const char *path, *type; /* "ext4", "udf", …; "" when it is a directory of a test */
} DriveDevice;
int drive_open(const DriveDevice *d, Error *e);

/* Every block device with a filesystem, until `each` returns other than 0, which is then returned. */
int drive_each(Arena *a, int (*each)(void *context, const DriveDevice *d, const char *label), void *context);
