#pragma once
/* In which order the items of the disks stage can be made: an item comes after those that give what it needs.
 * Made from names alone, and from what those names stand for now. */
#include "provision/storage.h"

/* What a name stands for now: /dev/vda3; NULL: nothing yet. */
typedef struct StorageNames {
    const char *(*real)(void *context, Arena *a, const char *name);
    void *context;
} StorageNames;

typedef struct StorageEdges {
    size_t *items; /* indices of the items that this one comes after */
    size_t n, size;
} StorageEdges;

typedef struct StorageGraph {
    StorageItem *items; /* borrowed */
    size_t n;
    StorageEdges *after; /* of each item */
    size_t *order;       /* every item once, none before those that it comes after */
} StorageGraph;

/* `kinds` says which kind is earlier than which. Cycles, and a device that two items use, are refused: in the
 * reports of the items concerned, the return is then false and there is no order. */
bool storage_graph_make(const StorageKind *const *kinds, Arena *a, StorageItem *items, size_t n,
                        const StorageNames *names, StorageGraph *ret);
/* The number of the partition that `name` means on the disk `disk`; 0: it means none of its partitions. Both
 * by their text: /dev/vda and /dev/vda3, /dev/disk/by-id/x and /dev/disk/by-id/x-part3. */
unsigned storage_partition_of(const char *disk, const char *name);
