#pragma once
/* What is mounted in this mount namespace: /proc/self/mountinfo, line by line. Strings live in the arena,
 * with the kernel's escapes (\040) undone. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

typedef struct MountEntry {
    uint64_t id, parent;
    dev_t device;      /* anonymous for btrfs: mount_entry_is_of() */
    const char *root;  /* the part of the filesystem that is mounted: "/" for all of it */
    const char *point; /* as seen from this process' root */
    const char *type, *source;
} MountEntry;

typedef struct MountTable {
    MountEntry *entries; /* in the kernel's order: what was mounted later comes later */
    size_t n;
} MountTable;

int mount_table_read(Arena *a, MountTable *ret, Error *e);
/* -EBADMSG names the line that is none. */
int mount_table_parse(Arena *a, const char *text, MountTable *ret, Error *e);
const MountEntry *mount_table_find(const MountTable *t, uint64_t id); /* NULL: none */
/* The whole filesystem of this block device is what is mounted there. */
bool mount_entry_is_of(const MountEntry *m, dev_t device);
/* The mount that an open directory lies in, and whether it is where that mount begins. */
int mount_of_fd(int fd, uint64_t *ret_id, bool *ret_top);
