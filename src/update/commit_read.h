#pragma once
/* Commits and directories of a repository, read one at a time, verified (object_store_read()) and within
 * bounds. */
#include "update/object_store.h"

enum {
    COMMIT_METADATA_MAX = 10 << 20, /* of a dirtree or dirmeta, as ostree-ext has it */
    COMMIT_OBJECT_MAX = 20 << 20,   /* of a commit: the manifest and config of an image are in it */
};

int commit_read(const ObjectStore *s, const uint8_t commit[OSTREE_CHECKSUM], Arena *a, OstreeCommit *ret,
                Error *e);
int commit_read_tree(const ObjectStore *s, const uint8_t tree[OSTREE_CHECKSUM], Arena *a, OstreeTree *ret,
                     Error *e);
/* 1: the file at a path below a directory; 0: there is none. */
int commit_find_file(const ObjectStore *s, const uint8_t tree[OSTREE_CHECKSUM], const char *path,
                     uint8_t ret[OSTREE_CHECKSUM], Error *e);
