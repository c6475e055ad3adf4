#pragma once
/* What runs in the two processes of a layer. The first inflates: compressed bytes in, the archive out. The
 * second reads the archive: its bytes in, frames out (layer_frame.h). Between them is the starter, which
 * holds the archive's bytes against their digest in a copy that neither can change; so what the second says
 * is said of the archive that the digest names, and a layer that takes over the first can do no more than be
 * refused. */
#include "base/worker_host.h"
#include "format/compress.h"

enum {
    WORKER_INPUT = 256 << 10,
    WORKER_ARCHIVE = 1 << 20, /* twice: as it is inflated, and as it is read */
    WORKER_FRAMES = 256 << 10,
};

int worker_inflate(WorkerEnd *w, Error *e);
int worker_tar(WorkerEnd *w, Error *e);
WorkerTask worker_inflate_task(Compression kind, uint64_t max);
WorkerTask worker_tar_task(void);

/* The host of all layers of an import, or of a delta. */
int layer_host_new(uid_t uid, gid_t gid, WorkerHost **ret, Error *e);
