#pragma once
/* The filesystem that a boot loader reads its entries from, where it is not part of the root: looked for on
 * all block devices, mounted for this process alone. BASALT_SYSFS stands in for /sys. */
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

typedef struct BootPartition {
    const char *device; /* "/dev/vda3" */
    const char *format; /* "ext4" */
    const char *why;    /* "labelled boot": for a person */
} BootPartition;

/* In the order in which they are to be tried: what is labelled `boot`, extended boot loader partitions, EFI
 * system partitions. None is no failure. */
int boot_partitions_find(Arena *a, BootPartition **ret, size_t *ret_n, Error *e);
/* Its top directory, writable; nobody else sees the mount, and closing the descriptor ends it. */
int boot_partition_mount(const BootPartition *p, Error *e);
