#pragma once
/* A directory's whole contents copied as they are: owners, modes, times, hard links, holes, extended
 * attributes, ACLs, labels, flags such as "immutable", device nodes. One file system; what is mounted below
 * is a failure. */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef enum TreeCopy {
    TREE_COPY_PLAIN,
    /* Into memory: what a tmpfs cannot hold (attributes of users, flags) goes into attributes that it can. */
    TREE_COPY_SAVE,
    TREE_COPY_RESTORE, /* and out of them again */
} TreeCopy;

typedef struct TreeCopyCounts {
    uint64_t files, bytes;
} TreeCopyCounts;

/* From one open directory into another, the directories' own attributes too. `to` is empty but for what a new
 * file system brings along (lost+found). */
int tree_copy(int from, int to, TreeCopy how, TreeCopyCounts *ret, Error *e);

/* One name at a time, for who decides himself what goes where. */
typedef struct TreeCopier TreeCopier;
TreeCopier *tree_copier_new(void);
void tree_copier_free(TreeCopier *c);
DEFINE_CLEANUP(TreeCopier *, tree_copier_free);
#define _cleanup_tree_copier_ _cleanup_(tree_copier_freep)
/* A regular file (sharing its extents where the file system can) or a symlink, under a name that is not there
 * yet. Killed or after a failure the name may be there, half written. Owner, attributes, mode; not flags. The
 * times too with `dated`, else it is as new as it is. -EINVAL: neither file nor symlink. */
int tree_copy_one(TreeCopier *c, int from, const char *name, int to, const char *as, bool dated);
