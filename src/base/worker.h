#pragma once
/* A process without rights that does one task, seen from inside: a ring of input, a ring of output, a bell, a
 * verdict at the end. It is forked by a host (worker_host.h), and trusts who has started it; not the other
 * way round. */
#include "base/ring.h"
#include "base/sandbox.h"

enum {
    WORKER_BELL = 3, /* its descriptor, the only one but for three of /dev/null */
    WORKER_ARGUMENT_MAX = 64,
};

typedef struct WorkerEnd WorkerEnd;
typedef struct WorkerTask {
    int (*run)(WorkerEnd *w, Error *e); /* of this program; what it returns becomes the verdict */
    size_t in, out;                     /* sizes of the rings */
    uint64_t argument[WORKER_ARGUMENT_MAX / 8];
} WorkerTask;

struct WorkerEnd {
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

/* After what needs files, before the first byte of input: no more than to compute, to allocate up to
 * `memory`, to ring, and the calls given. */
int worker_confine(const WorkerEnd *w, uint64_t memory, const SandboxCall *more, size_t n_more, Error *e);

/* Waits for input, and takes it away with ring_move(&w->in); 0: there is no more. The process ends when the
 * starter is gone. */
size_t worker_input(WorkerEnd *w, const uint8_t **ret);
bool worker_read(WorkerEnd *w, void *to, size_t n); /* all of it; false: it ends before */
void worker_output(WorkerEnd *w, const void *data, size_t n);
void worker_flush(WorkerEnd *w); /* before it waits for anything else */
void worker_tell(const WorkerEnd *w, int code, const Error *e);
