#pragma once
/* What is different between the trees of two commits. Only what has another checksum is walked, so that the
 * work goes with the difference. */
#include "base/error.h"
#include "update/ostree_object.h"

enum { TREE_DIFF_MAX = 1 << 21 };

typedef enum TreeDiffKind { TREE_ADDED, TREE_REMOVED, TREE_MODIFIED } TreeDiffKind;
enum { TREE_TYPE = 1, TREE_CONTENTS = 2, TREE_META = 4 }; /* meta: owner, mode, extended attributes */

typedef struct TreeDiffRow {
    const char *path; /* "usr/lib/os-release", "" for the root */
    TreeDiffKind kind;
    unsigned what; /* of TREE_MODIFIED; a directory for itself has TREE_META only */
    bool from_directory, to_directory;
    uint8_t from[OSTREE_CHECKSUM],
        to[OSTREE_CHECKSUM]; /* of files, and metadata of directories; zero: none */
} TreeDiffRow;

/* In the order of the paths, a directory before what is in it; of what was added and removed every file. */
typedef struct TreeDiff {
    TreeDiffRow *rows;
    size_t n, added, removed, modified;
} TreeDiff;

/* A file object that is not there counts as TREE_CONTENTS; missing trees are -ENOENT. -E2BIG. */
int tree_diff(int repo, Arena *a, const uint8_t from[OSTREE_CHECKSUM], const uint8_t to[OSTREE_CHECKSUM],
              TreeDiff *ret, Error *e);
