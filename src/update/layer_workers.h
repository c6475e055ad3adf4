#pragma once
/* The processes that layers are unpacked in. A host is forked while the program has one thread; it gives up
 * its rights (sandbox.h) and from then on forks a worker for each task, so that no layer meets a process that
 * has read another, and no thread of the program has to fork. All of them end with the program, and with
 * this. */
#include "update/layer_worker.h"

typedef struct LayerWorkers LayerWorkers;
typedef struct LayerWorkersOptions {
    uid_t uid; /* who they are, when root starts them */
    gid_t gid;
} LayerWorkersOptions;

int layer_workers_new(const LayerWorkersOptions *o, LayerWorkers **ret, Error *e);
void layer_workers_free(LayerWorkers *w); /* after all that it has started */
DEFINE_CLEANUP(LayerWorkers *, layer_workers_free);
unsigned layer_workers_lack(const LayerWorkers *w); /* SandboxLack */

/* The starter's end of a worker. */
typedef struct Worker {
    int process; /* a pidfd */
    int bell;
    Ring in, out; /* in: written here */
    bool told;    /* the verdict is there */
    WorkerVerdict verdict;
} Worker;
#define WORKER_NONE ((Worker){.process = -EBADF, .bell = -EBADF})

/* By any thread. */
int worker_start(LayerWorkers *w, const WorkerTask *task, Worker *ret, Error *e);
/* Takes what rang; -EIO: it ended without a verdict. */
int worker_listen(Worker *w, Error *e);
void worker_stop(Worker *w); /* it has ended when this returns */
