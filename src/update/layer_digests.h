#pragma once
/* What a layer is held against on its way: the size and the digest of the blob, the diff_id of the archive in
 * it. For layer_unpack.c and layer_pipe.c, which go the same way in one process and in three. */
#include "update/layer_unpack.h"

typedef struct LayerDigests {
    const LayerUnpackOptions *options; /* borrowed */
    Digest *blob, *archive;            /* blob NULL: verified by others */
    uint64_t size;
} LayerDigests;

int layer_digests_begin(LayerDigests *d, const LayerUnpackOptions *o, Error *e);
void layer_digests_done(LayerDigests *d);
/* -EBADMSG: more than the blob has. */
int layer_digests_blob(LayerDigests *d, const void *data, size_t n, Error *e);
int layer_digests_blob_end(LayerDigests *d, Error *e); /* -EBADMSG */
void layer_digests_archive(LayerDigests *d, const void *data, size_t n);
int layer_digests_archive_end(LayerDigests *d, Error *e); /* -EBADMSG */
