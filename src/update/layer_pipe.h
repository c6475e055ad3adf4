#pragma once
/* A layer from compressed bytes to the events of its archive, as layer_unpack.h, in processes without rights
 * (layer_worker.h) or in this one. What comes out is to be trusted in the same way: after finish, not before.
 */
#include "update/layer_unpack.h"
#include "update/layer_worker.h"

enum { LAYER_STALL_MS = 120000 }; /* workers that do nothing for so long are given up */

typedef struct LayerPipeOptions {
    LayerUnpackOptions unpack;
    WorkerHost *workers;            /* NULL: here */
    bool (*stopped)(void *context); /* asked while it waits; true: -ECANCELED. NULL allowed */
    void *context;
    const WorkerTask *inflate, *tar; /* other code in their place, for tests; NULL: as it is */
} LayerPipeOptions;

typedef struct LayerPipe LayerPipe;
int layer_pipe_new(const LayerPipeOptions *o, const TarSink *sink, void *context, LayerPipe **ret, Error *e);
void layer_pipe_free(LayerPipe *p);
DEFINE_CLEANUP(LayerPipe *, layer_pipe_free);
int layer_pipe_feed(LayerPipe *p, const void *data, size_t n, Error *e);
int layer_pipe_finish(LayerPipe *p, Error *e);
