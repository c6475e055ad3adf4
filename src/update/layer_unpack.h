#pragma once
/* A layer from compressed bytes to the events of its tar archive, with everything on the way that can be held
 * against something: size and digest of the blob, how much it may unpack to, diff_id, the archive itself.
 * Knows no repository; what takes the events (TarSink) may sit in another process. One call of feed for every
 * piece that arrives. */
#include "format/tar.h"
#include "oci/manifest.h"

/* What a layer unpacks to at most when nothing else is said: so much, and so many times its own size. */
#define LAYER_UNPACKED_FREE (UINT64_C(4) << 30)
enum { LAYER_UNPACKED_RATIO = 64 };

typedef struct LayerUnpackOptions {
    const Descriptor *blob; /* its media type says how it is compressed */
    const ContentDigest *diff_id;
    bool verified; /* whoever feeds holds the bytes against the blob's size and digest */
    uint64_t max;  /* of the archive; 0: as above */
} LayerUnpackOptions;

uint64_t layer_unpack_max(const LayerUnpackOptions *o); /* what the archive may have */

typedef struct LayerUnpack LayerUnpack;
/* -ENOTSUP: no layer that can be read. All that is given outlives it. */
int layer_unpack_new(const LayerUnpackOptions *o, const TarSink *sink, void *context, LayerUnpack **ret,
                     Error *e);
void layer_unpack_free(LayerUnpack *u);
DEFINE_CLEANUP(LayerUnpack *, layer_unpack_free);
int layer_unpack_feed(LayerUnpack *u, const void *data, size_t n, Error *e);
/* -EBADMSG with which digest is wrong, or that the layer is cut off. Until this returns 0 nothing that came
 * out is to be trusted. */
int layer_unpack_finish(LayerUnpack *u, Error *e);
