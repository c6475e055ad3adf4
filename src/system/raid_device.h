#pragma once
/* What is known of members of md arrays, without mdadm and without md in the kernel: superblocks
 * are read and checked here (0.90 little-endian, 1.0, 1.1, 1.2), the rest is in sysfs. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "system/device_facts.h"

enum { RAID_SUPERBLOCK_SIZE = 4096 };

typedef struct RaidSuperblock {
    unsigned major_version, minor_version; /* 0.90, 1.0 to 1.2 */
    char uuid[36];                         /* as mdadm writes it: four times eight digits, with colons */
    char name[33];                         /* with the host's: "any:data"; "" in 0.90 */
    int level;                             /* as the kernel counts: -1 is linear */
    unsigned devices;
    int role; /* -1: none */
    uint64_t events, created;
} RaidSuperblock;

/* Bytes that were read at `sector` (of 512 bytes) of a device. False: no superblock that belongs there, or a
 * damaged one. */
bool raid_superblock_parse(const uint8_t bytes[RAID_SUPERBLOCK_SIZE], uint64_t sector, RaidSuperblock *ret);
/* All places where one can be; that of the youngest array counts. Fills what a member knows of itself; its
 * name without the host's. 1: it is a member. */
int raid_member_read(Arena *a, int fd, uint64_t size, RaidFacts *ret, Error *e);
/* Adds the array in the kernel that has the device, if there is one (then 1): `array`, `active`, `members`.
 * sysfs: a directory descriptor of /sys. */
int raid_running_read(Arena *a, int sysfs, unsigned major, unsigned minor, RaidFacts *ret);

/* "raid1" for "1", "mirror" and "raid1"; NULL: no level. */
const char *raid_level_name(const char *word);
