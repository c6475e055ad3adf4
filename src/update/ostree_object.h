#pragma once
/* The objects of an OSTree repository as bytes, and the checksums that name them. Formats: libostree
 * src/libostree/ostree-core.h (OSTREE_FILEMETA_…, OSTREE_TREE_GVARIANT_FORMAT,
 * OSTREE_DIRMETA_GVARIANT_FORMAT, OSTREE_COMMIT_GVARIANT_FORMAT), serialised as GVariant ("GVariant
 * Specification", Allison Karlitskaya), numbers of metadata in network order. Nothing here touches a file. */
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "format/digest.h"

enum { OSTREE_CHECKSUM = 32, OSTREE_CHECKSUM_TEXT = 2 * OSTREE_CHECKSUM + 1 };
bool ostree_checksum_read(const char *text, uint8_t ret[OSTREE_CHECKSUM]); /* 64 digits and nothing else */

typedef struct OstreeXattr {
    const char *name;
    const void *value;
    size_t n;
} OstreeXattr;

/* Whose a file or directory is. The attributes are sorted by name, as ostree_xattrs_sort() leaves them. */
typedef struct OstreeMeta {
    uint32_t uid, gid, mode; /* mode with its type */
    const OstreeXattr *xattrs;
    size_t n_xattrs;
} OstreeMeta;
void ostree_xattrs_sort(OstreeXattr *xattrs, size_t n);

/* What the checksum of a file is made of, before its contents; `target` is a symlink's, else NULL. */
void ostree_file_header(const OstreeMeta *m, const char *target, Buf *out);

void ostree_dirmeta_encode(const OstreeMeta *m, Buf *out);
/* -EBADMSG as below, and where it is not a directory's. */
int ostree_dirmeta_decode(Arena *a, const void *data, size_t n, OstreeMeta *ret);
/* Attributes alone, as exported objects have them beside a file: a(ayay). */
int ostree_xattrs_decode(Arena *a, const void *data, size_t n, OstreeMeta *ret);

typedef struct OstreeFileRow {
    const char *name;
    uint8_t checksum[OSTREE_CHECKSUM];
} OstreeFileRow;
typedef struct OstreeDirectoryRow {
    const char *name;
    uint8_t tree[OSTREE_CHECKSUM], meta[OSTREE_CHECKSUM];
} OstreeDirectoryRow;
typedef struct OstreeTree { /* both by name, in the order of strcmp() */
    OstreeFileRow *files;
    size_t n_files;
    OstreeDirectoryRow *directories;
    size_t n_directories;
} OstreeTree;
void ostree_tree_encode(const OstreeTree *t, Buf *out);
/* -EBADMSG for anything but a normal form with names that may stand in a directory, in order. Names and rows
 * live in the arena. */
int ostree_tree_decode(Arena *a, const void *data, size_t n, OstreeTree *ret);
/* The row of a name, or NULL. */
const OstreeFileRow *ostree_tree_file(const OstreeTree *t, const char *name);
const OstreeDirectoryRow *ostree_tree_directory(const OstreeTree *t, const char *name);

typedef struct OstreeCommit {
    const char *const *metadata; /* key, text, key, text, NULL; sorted by key */
    const uint8_t *parent;       /* NULL: none */
    const char *subject, *body;
    uint64_t timestamp; /* seconds */
    uint8_t tree[OSTREE_CHECKSUM], meta[OSTREE_CHECKSUM];
} OstreeCommit;
void ostree_commit_encode(const OstreeCommit *c, Buf *out);
/* -EBADMSG as above. Metadata values that are no text are left out. */
int ostree_commit_decode(Arena *a, const void *data, size_t n, OstreeCommit *ret);
const char *ostree_commit_text(const OstreeCommit *c, const char *key); /* NULL: it has none of that name */
