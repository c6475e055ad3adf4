#pragma once
/* Partition tables on a disk or in an image file, by libfdisk (loaded when first used; it never prints and
 * never asks). Reading judges: a sound GPT, one that its backup stands in for, one that is damaged beyond
 * belief, another kind of table, none. Writing makes one edit real, whole or not at all, whenever the power
 * goes; partitions that the edit does not name keep every bit of theirs. */
#include "base/arena.h"
#include "system/device_facts.h"
#include "system/table_image.h"

/* What is on the disk is no failure, whatever it is. */
int partition_table_read(Arena *a, int disk, const TableGeometry *g, PartitionTable *ret, Error *e);

typedef enum TableAction { TABLE_DELETE, TABLE_RESIZE, TABLE_CREATE } TableAction;
typedef struct TableStep {
    TableAction action;
    Partition partition; /* DELETE: its number; RESIZE: number and size; CREATE: all; guid NULL: random */
} TableStep;
enum { PARTITION_BOOT_CODE = 440 };
typedef struct TableEdit {
    bool new_table;        /* in place of whatever is there */
    bool wipe;             /* with new_table: boot code and foreign signatures go too */
    const char *disk_guid; /* of a new table; NULL: random */
    const void *boot_code; /* of a new table: PARTITION_BOOT_CODE bytes, with its first sector; NULL: none */
    const TableStep *steps;
    size_t n; /* deletions first */
} TableEdit;
/* Without steps and new table: writes what was repaired. */
int partition_table_write(int disk, const TableGeometry *g, const TableEdit *edit, const TableHooks *hooks,
                          Error *e);

/* Leaves no table at all, nor what stands for one. */
int partition_table_erase(int disk, const TableGeometry *g, const TableHooks *hooks, Error *e);

/* The limits of a new table. */
void partition_table_blank(const TableGeometry *g, PartitionTable *ret);
