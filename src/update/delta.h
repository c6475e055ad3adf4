#pragma once
/* What one image has beyond another, as a stream of bytes that is fetched instead of layers. Both sides walk
 * trees in one order (delta_walk()), so that hardly anything is named: what comes next is what the walk of
 * the new tree meets next and the old tree does not have.
 *
 *   head      DELTA_HEAD_SIZE bytes, below
 *   plan      one frame (format/patch.h) whose prefix is the old image's directories, one after the other as
 *             they were met. In it, as the walk meets them: metadata objects, each as its length and its
 *             bytes; of a file owner, group and mode (big-endian, 4 bytes each) and attributes (a(ayay)),
 *             with their length before; then of a symlink the length and the text of its target, of a
 *             regular file its size and 0, or 1 + the number of the old image's file that it is made out of
 *   contents  frames, each behind its length (little-endian, 4 bytes): first all files made out of none, as
 *             one run of bytes, DELTA_PIECE at a time and without a prefix; then each of the others, a
 *             DELTA_PIECE at a time, with delta_base_range() of the old file for prefix
 *
 * Lengths and sizes in the plan are LEB128. Nothing follows. Empty files have no contents. The commit is not
 * in it: who applies a delta has manifest and config, and makes the commit of them and the new tree as an
 * import of layers would. */
#include "oci/content_digest.h"
#include "update/checksum_set.h"
#include "update/object_store.h"

#define DELTA_ARTIFACT_TYPE   "application/vnd.basalt.delta.v1"
#define DELTA_MEDIA_TYPE      DELTA_ARTIFACT_TYPE "+zstd"
#define DELTA_ANNOTATION_FROM "basalt.delta.from" /* digests of manifests */
#define DELTA_ANNOTATION_TO   "basalt.delta.to"
#define DELTA_ANNOTATION_SIZE "basalt.delta.size" /* of the stream, in decimal digits */

enum {
    DELTA_HEAD_SIZE = 460,
    DELTA_PLAN_MAX = 16 << 20,  /* unpacked; of the old image's directories too */
    DELTA_FILES_MAX = 1 << 19,  /* new ones */
    DELTA_PIECE = 2 << 20,      /* of contents in a frame */
    DELTA_BASE_MAX = 8 << 20,   /* of an old file as a prefix */
    DELTA_META_MAX = 256 << 10, /* of a file: owner, mode, attributes */
};
#define DELTA_SIZE_MAX    (UINT64_C(1) << 33) /* of the stream */
#define DELTA_CONTENT_MAX (UINT64_C(1) << 40)

typedef struct DeltaHead {
    ContentDigest from, to; /* manifests */
    uint8_t from_tree[OSTREE_CHECKSUM], from_meta[OSTREE_CHECKSUM];
    uint8_t to_tree[OSTREE_CHECKSUM], to_meta[OSTREE_CHECKSUM];
    bool has_base;
    uint8_t base[OSTREE_CHECKSUM]; /* the commit that the new image encapsulates */
    uint64_t content;              /* bytes of new regular files */
    uint32_t files;                /* new ones, symlinks too */
    uint32_t plan, plan_packed;    /* bytes of it */
} DeltaHead;
void delta_head_encode(const DeltaHead *h, Buf *out);
/* From DELTA_HEAD_SIZE bytes; -EBADMSG. */
int delta_head_decode(const void *data, DeltaHead *ret, Error *e);

/* Where of an old file the prefix of a piece is taken from. */
typedef struct DeltaRange {
    uint64_t at;
    size_t n;
} DeltaRange;
DeltaRange delta_base_range(uint64_t old_size, uint64_t new_size, uint64_t piece_at);

/* A walk from a directory, parents first, files before directories, by name; of what `known` has nothing is
 * met again. */
typedef struct DeltaKnown {
    ChecksumSet trees, metas, files;
} DeltaKnown;
void delta_known_done(DeltaKnown *k);
typedef struct DeltaWalk {
    DeltaKnown *known;
    /* A tree or dirmeta that is met for the first time: its bytes, good by their checksum. */
    int (*object)(void *context, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], Buf *ret,
                  Error *e);
    /* A file or symlink, by each path in a directory that is met. */
    int (*file)(void *context, const char *path, const uint8_t checksum[OSTREE_CHECKSUM], bool fresh,
                Error *e);
    void *context;
} DeltaWalk;
int delta_walk(const DeltaWalk *w, const uint8_t tree[OSTREE_CHECKSUM], const uint8_t meta[OSTREE_CHECKSUM],
               Error *e);

/* The old image. */
typedef struct DeltaSource {
    DeltaKnown known;
    Buf directories; /* the plan's prefix */
} DeltaSource;
#define DELTA_SOURCE_INIT ((DeltaSource){0})
void delta_source_done(DeltaSource *d);
/* -ENOENT: something of it is not in the repository; -EFBIG: more directories than DELTA_PLAN_MAX. Of `visit`
 * file() and context count; NULL allowed. */
int delta_source_read(const ObjectStore *s, const uint8_t tree[OSTREE_CHECKSUM],
                      const uint8_t meta[OSTREE_CHECKSUM], const DeltaWalk *visit, DeltaSource *ret,
                      Error *e);
