#pragma once
/* What is known of one block device, as data: the plans of the disks stage are made of these facts alone, so
 * that a plan can be made for a machine that is not at hand (`plan --inspect`), for an image file, and in
 * tests. Sizes are bytes, places in a partition table are sectors of the device. Strings live in the arena
 * of the look; NULL is "it has none". */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/* Who keeps a device, or a part of it, busy. */
typedef enum HolderKind {
    HOLDER_MOUNT,
    HOLDER_SWAP,
    HOLDER_LVM,
    HOLDER_DM,
    HOLDER_MD,
    HOLDER_OTHER
} HolderKind;
typedef struct DeviceHolder {
    HolderKind kind;
    unsigned partition; /* 0: the device itself */
    const char *what;   /* mount point, mapped name, array, volume group: for a person */
} DeviceHolder;

typedef struct Partition {
    unsigned number;
    uint64_t start, size;         /* sectors */
    const char *label;            /* UTF-8, "" without */
    const char *guid, *type_guid; /* capitals */
    uint64_t attributes;
} Partition;

/* A partition as the kernel has it now, whatever the table says. */
typedef struct KernelPartition {
    unsigned number, major, minor;
    uint64_t start, size; /* bytes */
    const char *name;     /* of its node: "vda3" */
} KernelPartition;

typedef enum TableKind {
    TABLE_NONE,    /* nothing that is a table */
    TABLE_GPT,     /* sound, perhaps by its backup (then `repaired` says what was wrong) */
    TABLE_DAMAGED, /* signs of a GPT, but neither copy can be believed */
    TABLE_OTHER,   /* DOS, BSD, …: `name` */
} TableKind;
typedef struct PartitionTable {
    TableKind kind;
    const char *name, *guid, *repaired;
    uint64_t first_usable, last_usable; /* sectors, both included */
    unsigned max_partitions;
    Partition *partitions; /* by number */
    size_t n;
} PartitionTable;

/* A signature on the device itself. */
typedef struct Superblock {
    const char *type; /* libblkid's TYPE: "ext4", "crypto_LUKS", "linux_raid_member", "LVM2_member" */
    const char *usage, *label, *uuid, *version;
    bool ambivalent; /* several contradicting ones; `type` is then what a tolerant look found, or NULL */
    bool clean;      /* not even a partition table or a damaged signature: there is nothing to wipe */
    bool unfinished; /* a filesystem that was cut in the making: nothing of anyone is in it */
} Superblock;

typedef struct RaidFacts { /* of a member; that a device is an array is no fact of its own */
    bool member;
    const char *uuid, *name, *level; /* name without the host part; "raid1" */
    const char *metadata;            /* "1.2" */
    unsigned devices;                /* places in the array, spares not counted */
    int role;                        /* its place; -1: a spare, or failed */
    uint64_t events;                 /* 0 or 1: as mdadm makes it, before the array first runs */
    const char *array;               /* "md127": the array in the kernel that has it, superblock or not */
    bool active;                     /* that array runs */
    const char *const *members;      /* device numbers "8:1" of that array; ends with NULL */
} RaidFacts;

typedef struct LuksFacts {
    unsigned version; /* 0: no container */
    const char *label, *uuid, *subsystem;
    bool discard;              /* persistent allow-discards */
    bool opened;               /* a mapping of it exists: */
    const char *mapping;       /* its name */
    const char *const *tokens; /* types, "clevis"; ends with NULL */
    const char *policy;        /* what its Clevis token is bound with, see clevis_policy.h */
} LuksFacts;

typedef struct LvmVolume {
    const char *name;
    uint64_t size; /* bytes, like granularity: what LVM rounds sizes of this volume up to */
    uint64_t granularity;
    const char *const *tags; /* ends with NULL */
} LvmVolume;
typedef struct LvmFacts {                     /* of a physical volume */
    const char *group, *group_uuid, *pv_uuid; /* without a group only pv_uuid */
    uint64_t seqno;                           /* of the group's metadata on this device */
    unsigned group_devices;                   /* how many it has in all */
    uint64_t extent_size;
    const LvmVolume *volumes; /* those that a person sees, by name */
    size_t n_volumes;
} LvmFacts;

typedef struct DeviceFacts {
    const char *path; /* as it was asked for */
    const char *real; /* with links followed: /dev/vda; of an image file its path */
    bool exists;      /* false: nothing else is said; a plan takes it as one that will be empty */
    unsigned major, minor;
    uint64_t size;
    unsigned sector_size, physical_sector_size; /* bytes */
    uint64_t alignment_offset;
    bool read_only, is_partition, rotational;
    const DeviceHolder *holders;
    size_t n_holders;
    PartitionTable table;
    Superblock superblock;
    RaidFacts raid;
    LuksFacts luks;
    LvmFacts lvm;
    bool kernel_known; /* a device of the running machine: what the kernel has is known, */
    const KernelPartition *kernel;
    size_t n_kernel;
} DeviceFacts;

/* Parts of a look that cost something. The rest is always there. */
enum {
    LOOK_TABLE = 1,
    LOOK_SUPERBLOCK = 2,
    LOOK_HOLDERS = 4,
    LOOK_RAID = 8,
    LOOK_LUKS = 16,
    LOOK_LVM = 32,
    LOOK_ALL = 63,
};

/* Who looks: the machine (device_inspect.h), an image file, a JSON document, a test. A device that is not
 * there is no failure: exists is false. */
typedef struct Inspector {
    int (*look)(void *context, Arena *a, const char *path, unsigned what, DeviceFacts *ret, Error *e);
    void *context;
} Inspector;
static inline int inspector_look(const Inspector *i, Arena *a, const char *path, unsigned what,
                                 DeviceFacts *ret, Error *e)
{
    return i->look(i->context, a, path, what, ret, e);
}
