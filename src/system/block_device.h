#pragma once
/* A disk, a partition or an image file: what it is, and who keeps it or a part of it busy. All of it comes
 * from the open device, from sysfs and from /proc; nothing is written. */
#include "base/arena.h"
#include "base/error.h"
#include "system/device_facts.h"

typedef struct BlockView {
    const char *sysfs, *proc;   /* NULL: /sys and /proc; tests have their own */
    unsigned image_sector_size; /* of an image file, which cannot say; 0: 512 */
} BlockView;

/* path, real, exists, numbers, sizes, read_only, is_partition, rotational; with LOOK_HOLDERS the holders and
 * the kernel's partitions. A path without a device is no failure (exists is false); what is neither a block
 * device nor a regular file is -ENOTBLK. `view` may be NULL. */
int block_device_look(Arena *a, const BlockView *view, const char *path, unsigned what, DeviceFacts *ret,
                      Error *e);
/* The kernel's partitions of the disk, by number. Empty for anything but a disk. */
int block_device_partitions(Arena *a, const BlockView *view, DeviceFacts *disk, Error *e);
/* Is it a device of device-mapper (multipath)? */
bool block_device_is_mapped(Arena *a, const DeviceFacts *f);
/* "a mount at /boot", "swap", "LVM volume group vg0", "mapped device luks-root", "array md127", … */
const char *device_holder_text(Arena *a, const DeviceHolder *h);
/* The holder of this part (0: of the device itself), or NULL. */
const DeviceHolder *device_holder_of(const DeviceFacts *f, unsigned partition);
