#pragma once
/* The names of a file system, in memory: of one layer while it arrives, of a whole image while its layers are
 * merged. What a name stands for is in the repository already, its checksum is all that is kept of it: some
 * eighty bytes a name. Paths are relative, without "." or "..", without a slash at either end ("" is the
 * root); missing parents are made, as directories that only stand in for one ("implied"): where a lower layer
 * has the directory, that one stays as it is. */
#include "update/object_store.h"

enum { FILE_TREE_NODES_MAX = 1 << 21, FILE_TREE_NAMES_MAX = 128 << 20 };

typedef enum FileTreeKind {
    FILE_TREE_NOTHING,
    FILE_TREE_FILE,
    FILE_TREE_DIRECTORY,
    FILE_TREE_LINK
} FileTreeKind;
typedef uint32_t FileTreeNode; /* FILE_TREE_ROOT; FILE_TREE_NONE: there is none */
#define FILE_TREE_ROOT UINT32_C(0)
#define FILE_TREE_NONE UINT32_MAX

typedef struct FileTree FileTree;
FileTree *file_tree_new(void); /* with a root that is implied */
void file_tree_free(FileTree *t);
DEFINE_CLEANUP(FileTree *, file_tree_free);

/* -ENOTDIR: below something that is no directory; -EISDIR: a directory stands there; -EEXIST: something else
 * stands where a directory should; -E2BIG: more names than there may be. Files and links replace each other.
 */
int file_tree_add_file(FileTree *t, const char *path, const uint8_t checksum[OSTREE_CHECKSUM]);
int file_tree_add_directory(FileTree *t, const char *path, const uint8_t dirmeta[OSTREE_CHECKSUM]);
int file_tree_add_link(FileTree *t, const char *path, const char *target); /* to be resolved at the merge */

/* The same by one step, in the place of whatever stands there. */
int file_tree_put_file(FileTree *t, FileTreeNode parent, const char *name,
                       const uint8_t checksum[OSTREE_CHECKSUM]);
/* One that is there stays with what is in it; dirmeta NULL: it is implied, or stays as it is. */
int file_tree_put_directory(FileTree *t, FileTreeNode parent, const char *name,
                            const uint8_t dirmeta[OSTREE_CHECKSUM], FileTreeNode *ret);
void file_tree_set_root(FileTree *t, const uint8_t dirmeta[OSTREE_CHECKSUM]);
void file_tree_remove(FileTree *t, FileTreeNode n); /* with all below it; not the root */
void file_tree_empty(FileTree *t, FileTreeNode n);

FileTreeNode file_tree_find(const FileTree *t, const char *path);
FileTreeNode file_tree_child(const FileTree *t, FileTreeNode parent, const char *name);
FileTreeNode file_tree_first(const FileTree *t, FileTreeNode parent); /* of its children, in no order */
FileTreeNode file_tree_next(const FileTree *t, FileTreeNode n);
FileTreeNode file_tree_walk(const FileTree *t, FileTreeNode n);       /* the next of all, parents first */
FileTreeKind file_tree_kind(const FileTree *t, FileTreeNode n);       /* of none: FILE_TREE_NOTHING */
const char *file_tree_name(const FileTree *t, FileTreeNode n);        /* until the next change */
const uint8_t *file_tree_checksum(const FileTree *t, FileTreeNode n); /* a directory's: of its dirmeta */
const char *file_tree_target(const FileTree *t, FileTreeNode n);      /* of a link; until the next change */
bool file_tree_implied(const FileTree *t, FileTreeNode n);
void file_tree_path(const FileTree *t, FileTreeNode n, Buf *out);

/* Writes the dirtrees. Links are left out; implied directories are root's, 0755. */
int file_tree_store(const FileTree *t, ObjectStore *s, uint8_t ret_tree[OSTREE_CHECKSUM],
                    uint8_t ret_meta[OSTREE_CHECKSUM], Error *e);
