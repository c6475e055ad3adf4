#pragma once
/* The kernel's partitions of a disk made those of its table, one by one (BLKPG): what already is as the table
 * says is not touched, so other partitions of the disk may be in use; the kernel needs no parser of its own.
 */
#include "base/arena.h"
#include "base/error.h"
#include "system/block_device.h"
#include "system/device_facts.h"
#include "system/table_image.h"

/* Does the kernel have exactly the table's partitions? */
bool kernel_partitions_agree(const DeviceFacts *disk, const PartitionTable *table);
/* `disk` is looked at anew (its kernel list and holders are replaced). -EBUSY names who holds the partition.
 * 1: something was changed. A disk of device-mapper keeps its partitions by udev's rules: nothing is done
 * there. */
int kernel_partitions_update(Arena *a, int fd, DeviceFacts *disk, const PartitionTable *table,
                             const TableHooks *hooks, Error *e);
