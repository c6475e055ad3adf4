#pragma once
/* The disks stage as data: one item for each disk, array, volume group, encrypted volume and filesystem of
 * the config, tied together by the names of the devices that they need and give. Each kind of item is a row
 * of a table (storage_kinds): it names its devices, plans from facts alone, and makes a plan real. The order
 * follows from the names (storage_graph.h): arrays on volumes on partitions, or the other way round. */
#include <pthread.h>

#include "base/arena.h"
#include "base/command.h"
#include "format/report.h"
#include "ignition/config.h"
#include "provision/resource.h"
#include "provision/state.h"
#include "system/device_facts.h"

/* One thing that an item does, as `plan` shows it. */
typedef enum StorageVerb {
    STORAGE_KEEP,     /* is as declared */
    STORAGE_CREATE,   /* is not there */
    STORAGE_CHANGE,   /* in place, what is in it stays */
    STORAGE_RECREATE, /* what was there goes */
    STORAGE_DELETE,
} StorageVerb;
typedef struct StorageChange {
    StorageVerb verb;
    const char *noun;   /* what it is, as a summary counts it: "partition"; NULL: not counted; static */
    unsigned partition; /* of a disk's changes: one that means this partition alone; 0: all of the disk */
    const char *object; /* "partition 3 of /dev/vda", "ext4 filesystem on /dev/vda3" */
    const char *detail; /* "start 2048, size 204800 sectors, label 'root'"; never a secret; NULL: nothing */
} StorageChange;
typedef struct StorageChanges {
    StorageChange *items;
    size_t n, size;
} StorageChanges;
bool storage_changes_any(const StorageChanges *l); /* something but STORAGE_KEEP */
const char *storage_verb_name(StorageVerb v);

/* Called before every step that changes a device, from any thread, for tests that interrupt; a negative
 * return ends the work with that code. */
typedef struct StorageHooks {
    int (*step)(void *context, const char *what);
    void *context;
} StorageHooks;

typedef struct StorageContext {
    const IgnConfig *config;
    Fetcher *fetcher; /* not for two threads at a time: storage_fetch() */
    State *state;     /* likewise: storage_keep_key() */
    const Inspector *inspector;
    const StorageHooks *hooks; /* NULL: none */
    const char *alias_dir;     /* where stable names of devices are kept: /run/ignition/dev_aliases */
    bool offline;              /* plan only: nothing may be fetched */
    unsigned wait_sec;         /* for a device that is not there; 0: DEVICE_WAIT_SEC */
    pthread_mutex_t lock;      /* of fetcher and state; storage_context_init() */
} StorageContext;
void storage_context_init(StorageContext *c);

typedef struct StorageItem {
    const struct StorageKind *kind;
    const void *object;    /* IgnDisk, IgnRaid, IgnVolumeGroup, IgnLuks, IgnFilesystem */
    const char *json_path; /* "$.storage.disks.0" */
    const char *name;      /* for people: "disk /dev/vda" */
    Arena *arena;          /* its own: items are worked on at the same time */
    StringList needs;      /* names of devices that must be there before */
    StringList gives;      /* names that are there, or mean something new, after it */
    DeviceFacts *facts;    /* of needs, in their order, as last looked at */
    void *plan;            /* the kind's own */
    StorageChanges changes;
    Report report; /* refusals: with position in the config */
} StorageItem;

typedef struct StorageKind {
    const char *name;    /* "disk", "raid", "volume group", "luks", "filesystem" */
    const char *section; /* "storage.disks" */
    const IgnList *(*objects)(const IgnStorage *s);
    size_t object_size;
    unsigned look; /* what a plan wants to know of the devices that it needs */
    /* Fills name, needs, gives. Pure. */
    void (*describe)(StorageItem *item);
    /* From item->object and item->facts to item->plan and item->changes. Pure: no device is touched. What is
     * not as declared and may not be changed goes into item->report. */
    void (*plan)(const StorageContext *c, StorageItem *item);
    /* Makes the plan real, and waits until what it gives is there. May be asked again after a power cut. */
    int (*apply)(StorageContext *c, StorageItem *item, Error *e);
} StorageKind;
extern const StorageKind storage_disk, storage_raid, storage_volume_group, storage_luks, storage_filesystem;
extern const StorageKind *const storage_kinds[]; /* in the order of the stage; ends with NULL */

/* Copies object and detail into the arena of the item. */
void storage_change_add(StorageItem *item, StorageChange change);
/* A refusal: an error at the field of the item's object (NULL: at the object). */
void storage_refuse(StorageItem *item, const char *field, const char *format, ...) _printf_(3, 4);
/* Before each step that changes something. */
int storage_step(StorageContext *c, const char *format, ...) _printf_(2, 3);
/* The fetcher and the state, one thread at a time. */
int storage_fetch(StorageContext *c, const IgnResource *r, size_t max, Buf *ret, Error *e);
void storage_keep_key(StorageContext *c, const char *volume, const char *contents);
