#pragma once
/* Signatures on a device or an image file, by libblkid, which is loaded at the first call. Everything goes by
 * an open descriptor. Safe in threads. */
#include <stdint.h>

#include "system/device_facts.h"

/* What is on it. Nothing at all is no failure: type is NULL then. When several signatures contradict each
 * other `ambivalent` is set and a tolerant look decides. */
int superblock_read(Arena *a, int fd, Superblock *ret, Error *e);
/* The same of a part of it, such as a partition in an image file. */
int superblock_read_part(Arena *a, int fd, uint64_t offset, uint64_t size, Superblock *ret, Error *e);

/* How the table of the whole disk names the partition that fd is; NULL where it is none. */
typedef struct PartitionEntry {
    const char *label, *guid; /* guid in lower case, as libblkid has it */
} PartitionEntry;
int superblock_partition_entry(Arena *a, int fd, PartitionEntry *ret, Error *e);

/* Overwrites every signature that can be found, of filesystems, containers and partition tables, the copies
 * at the end too, and waits until that is on the disk. Returns how many there were. */
int superblock_wipe(int fd, Error *e);
