#pragma once
/* A directory's whole contents copied as they are: owners, modes, times, hard links, holes, extended
 * attributes, ACLs, labels, flags such as "immutable", device nodes. One file system; what is mounted below
 * is a failure. */
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
