#pragma once
/* What runs in the two processes of a layer, and how they speak with the one that has started them. The first
 * inflates: compressed bytes in, the archive out. The second reads the archive: its bytes in, frames out
 * (layer_frame.h). Between them is the starter, which holds the archive's bytes against their digest in a
 * copy that neither can change; so what the second says is said of the archive that the digest names, and a
 * layer that takes over the first can do no more than be refused. */
#include <sys/types.h>

#include "base/ring.h"
#include "format/compress.h"

enum {
    WORKER_BELL = 3, /* its descriptor, the only one but for three of /dev/null */
    WORKER_INPUT = 256 << 10,
    WORKER_ARCHIVE = 1 << 20, /* twice: as it is inflated, and as it is read */
    WORKER_FRAMES = 256 << 10,
};

typedef struct WorkerEnd WorkerEnd;
typedef struct WorkerTask {
    int (*run)(WorkerEnd *w, Error *e); /* of this program; what it returns becomes the verdict */
    size_t in, out;                     /* sizes of the rings */
    Compression compression;            /* of worker_inflate() */
    uint64_t max;
} WorkerTask;

struct WorkerEnd { /* a worker's end */
    const WorkerTask *task;
    unsigned lacks; /* as sandbox_enter() has it */
    int bell;
    Ring in, out;
};

/* The last message of a worker; any shorter one is a bell. */
typedef struct WorkerVerdict {
    int32_t code; /* 0, or -errno and a text */
    char text[ERROR_TEXT_MAX];
} WorkerVerdict;

int worker_inflate(WorkerEnd *w, Error *e);
int worker_tar(WorkerEnd *w, Error *e);
/* For the likes of them: waits for input; 0: there is no more. Puts all of it out. The process ends when the
 * starter is gone. */
size_t worker_input(WorkerEnd *w, const uint8_t **ret);
void worker_output(WorkerEnd *w, const void *data, size_t n);
/* After what needs files or other calls, before the first byte of input. */
int worker_confine(const WorkerEnd *w, Error *e);
void worker_tell(const WorkerEnd *w, int code, const Error *e);
