#pragma once
/* A delta (delta.h) becomes objects of a repository, as its bytes arrive. Every object is held against the
 * name that the tree above it has for it, from the new root on, before the next one is read: what is not of
 * the new tree cannot be put, and at the end nothing of it is missing. Memory: a few MiB, and twice the
 * directories of the images. */
#include "format/patch_apart.h"
#include "update/delta.h"

typedef struct DeltaApplyOptions {
    const ContentDigest *from, *to;          /* manifests, which the delta must be of */
    const uint8_t *tree, *meta;              /* of the old image, which is in the store, whole */
    bool has_base;                           /* the new image encapsulates a commit */
    WorkerHost *workers;                     /* whose process unpacks (layer_worker.h); NULL: this one */
    uint64_t max;                            /* bytes of new files */
    bool (*room)(void *, uint64_t, Error *); /* is there so much? Asked before anything is put. NULL: yes */
    void *context;
} DeltaApplyOptions;

typedef struct DeltaApply DeltaApply;
/* Everything given outlives it. */
int delta_apply_new(ObjectStore *s, const DeltaApplyOptions *o, DeltaApply **ret, Error *e);
void delta_apply_free(DeltaApply *d);
DEFINE_CLEANUP(DeltaApply *, delta_apply_free);
/* -EBADMSG: it is none, is damaged, or is of other images; -EFBIG. The store may have got objects even so:
 * the caller gives its session up (object_store_free()). */
int delta_apply_feed(DeltaApply *d, const void *data, size_t n, Error *e);
/* -EBADMSG: cut off. Then the store has the whole tree ret->to_tree, ret->to_meta. */
int delta_apply_finish(DeltaApply *d, DeltaHead *ret, Error *e);
