#pragma once
/* An OSTree repository of the mode "bare", as an open directory: where an object lies, reading what trees are
 * made of, following a path through a commit, who may change it. Nothing here writes. Reading takes no lock;
 * what is read is held against its checksum. */
#include "base/error.h"
#include "update/ostree_object.h"

typedef enum ObjectKind { OBJECT_FILE, OBJECT_TREE, OBJECT_DIRMETA, OBJECT_COMMIT } ObjectKind;

enum {
    OBJECT_NAME_SIZE = OSTREE_CHECKSUM_TEXT + 8,
    OBJECT_PLACE_SIZE = OBJECT_NAME_SIZE + 16,
    REPO_METADATA_MAX = 128 << 20, /* as libostree */
    REPO_DIRECTORIES = 256,        /* objects/00 to objects/ff */
    REPO_DEPTH_MAX = 200,          /* of a tree that is walked */
};

/* -EMEDIUMTYPE: no repository, or not a bare one. */
int repo_open(int dirfd, const char *path, Error *e);
/* A descriptor that holds the lock of who changes the repository until it is closed. libostree's own: a
 * record lock of the open file. -EBUSY: somebody else has it. */
int repo_lock(int repo, Error *e);

/* "3b841d….dirmeta", and where that lies: "objects/3b/841d….dirmeta". */
void object_name(ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], char out[OBJECT_NAME_SIZE]);
void object_place(const char *name, char out[OBJECT_PLACE_SIZE]);
/* From the two halves of a place; false for what is none of the four kinds. */
bool object_parse(const char *directory, const char *name, ObjectKind *ret_kind,
                  uint8_t ret[OSTREE_CHECKSUM]);

bool repo_has(int repo, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM]);
/* -ENOENT; more than `max` bytes is -EFBIG, contents that do not have the checksum -EBADMSG. Not for files.
 */
int repo_read(int repo, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], size_t max, Buf *ret,
              Error *e);
/* The same of a file that is not in its place (yet). */
int repo_read_as(int dirfd, const char *path, const uint8_t checksum[OSTREE_CHECKSUM], size_t max, Buf *ret,
                 Error *e);
int repo_read_commit(int repo, Arena *a, const uint8_t checksum[OSTREE_CHECKSUM], OstreeCommit *ret,
                     Error *e);
int repo_read_tree(int repo, Arena *a, const uint8_t checksum[OSTREE_CHECKSUM], OstreeTree *ret, Error *e);
int repo_read_dirmeta(int repo, Arena *a, const uint8_t checksum[OSTREE_CHECKSUM], OstreeMeta *ret, Error *e);

/* The contents of a regular file, not verified; -ELOOP: it is a symlink. */
int repo_open_file(int repo, const uint8_t checksum[OSTREE_CHECKSUM]);

typedef struct RepoEntry {
    bool directory;
    uint8_t checksum[OSTREE_CHECKSUM]; /* of the file, or of the directory's tree */
    uint8_t meta[OSTREE_CHECKSUM];     /* of a directory */
} RepoEntry;
/* "" is the commit's root. No link is followed. -ENOENT, -ENOTDIR; -EINVAL for a path with "." or "..". */
int repo_find(int repo, const uint8_t commit[OSTREE_CHECKSUM], const char *path, RepoEntry *ret, Error *e);

/* Every ref with its commit, in no particular order; links among them (libostree's aliases) are followed. A
 * negative answer ends it. */
typedef int (*RepoRefVisit)(void *context, const char *name, const uint8_t commit[OSTREE_CHECKSUM], Error *e);
int repo_refs_each(int repo, RepoRefVisit visit, void *context, Error *e);

/* Every name below objects/, also of what is none: `directory` "3b", `name` "841d….file", `dirfd` holds it.
 */
typedef struct RepoName {
    int dirfd;
    const char *directory, *name;
} RepoName;
typedef int (*RepoNameVisit)(void *context, const RepoName *n, Error *e);
int repo_names_each(int repo, RepoNameVisit visit, void *context, Error *e);
/* A commit of which libostree has pulled a part only. */
bool repo_is_partial(int repo, const uint8_t commit[OSTREE_CHECKSUM]);
