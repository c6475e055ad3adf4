#pragma once
/* The delta (delta.h) between two commits of a repository. Memory: some 100 MiB, whatever the images; the
 * same bytes each time from the same images and libzstd. */
#include "update/delta.h"

typedef struct DeltaMakeSide {
    ContentDigest manifest;
    uint8_t commit[OSTREE_CHECKSUM];
} DeltaMakeSide;

typedef struct DeltaMakeOptions {
    DeltaMakeSide from, to;
    const uint8_t *base; /* the commit that `to` encapsulates; NULL: none */
    int (*write)(void *context, const void *data, size_t n, Error *e);
    bool (*cancelled)(void *context); /* NULL allowed */
    void *context;
} DeltaMakeOptions;

typedef struct DeltaCounts {
    uint64_t size;           /* of the stream */
    uint64_t files, patched; /* new regular files, those of them that are made out of old ones */
    uint64_t content;        /* their bytes */
    uint64_t objects;        /* directories and their metadata */
} DeltaCounts;

/* -EFBIG: the images have more in them than deltas take. */
int delta_make(const ObjectStore *s, const DeltaMakeOptions *o, DeltaCounts *ret, Error *e);
