#pragma once
/* The names of a file system, in memory: of one layer while it arrives, of a whole image while its layers are
 * merged. What a name stands for is in the repository already, a checksum is all that is kept of it: some
 * seventy bytes a name. Paths are relative, without "." or "..", without a slash at either end ("" is the
 * root); missing parents are made, as directories that only stand in for one (FILE_TREE_IMPLIED): where a
 * lower layer has the directory, that one stays as it is. */
#include "update/object_store.h"

enum { FILE_TREE_NODES_MAX = 1 << 21, FILE_TREE_NAMES_MAX = 128 << 20 };

typedef enum FileTreeKind { FILE_TREE_NOTHING, FILE_TREE_FILE, FILE_TREE_DIRECTORY, FILE_TREE_LINK } FileTreeKind;
typedef uint32_t FileTreeNode; /* 0 is the root; FILE_TREE_NO_NODE: none */
#define FILE_TREE_NO_NODE UINT32_MAX

typedef struct FileTree FileTree;
FileTree *file_tree_new(void); /* with a root that is implied */
void file_tree_free(FileTree *t);
DEFINE_CLEANUP(FileTree *, file_tree_free);

/* -ENOTDIR: below something that is no directory; -EISDIR: a directory stands there; -EEXIST: a file stands
 * where a directory should; -E2BIG: too many names. Files and links replace each other. */
int file_tree_add_file(FileTree *t, const char *path, const uint8_t checksum[OSTREE_CHECKSUM]);
int file_tree_add_directory(FileTree *t, const char *path, const uint8_t dirmeta[OSTREE_CHECKSUM]);
int file_tree_add_link(FileTree *t, const char *path, const char *target); /* to be resolved at the merge */

/* One step, for who walks two trees at once; the same codes. _replace takes away what stands there. */
FileTreeNode file_tree_lookup(const FileTree *t, const char *path);
FileTreeNode file_tree_child(const FileTree *t, FileTreeNode parent, const char *name);
int file_tree_replace_file(FileTree *t, FileTreeNode parent, const char *name,
                           const uint8_t checksum[OSTREE_CHECKSUM]);
int file_tree_replace_directory(FileTree *t, FileTreeNode parent, const char *name,
                                const uint8_t dirmeta[OSTREE_CHECKSUM] /* NULL: implied */, FileTreeNode *ret);
void file_tree_remove(FileTree *t, FileTreeNode n); /* with all below it */
void file_tree_empty(FileTree *t, FileTreeNode n);  /* a directory */
void file_tree_set_meta(FileTree *t, FileTreeNode n, const uint8_t dirmeta[OSTREE_CHECKSUM]);

FileTreeKind file_tree_kind(const FileTree *t, FileTreeNode n); /* of none: FILE_TREE_NOTHING */
const char *file_tree_name(const FileTree *t, FileTreeNode n);  /* until the next change */
const uint8_t *file_tree_checksum(const FileTree *t, FileTreeNode n);
const char *file_tree_target(const FileTree *t, FileTreeNode n); /* of a link */
bool file_tree_implied(const FileTree *t, FileTreeNode n);
FileTreeNode file_tree_first(const FileTree *t, FileTreeNode n), file_tree_next(const FileTree *t, FileTreeNode n);
size_t file_tree_count(const FileTree *t); /* of names, the root too */
void file_tree_path(const FileTree *t, FileTreeNode n, Buf *out);

/* Writes the dirtrees; links are left out. Implied directories are root's, 0755. */
int file_tree_store(const FileTree *t, ObjectStore *s, uint8_t ret_tree[OSTREE_CHECKSUM],
                    uint8_t ret_meta[OSTREE_CHECKSUM], Error *e);
