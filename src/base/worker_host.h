#pragma once
/* Where workers come from. A host is forked while the program has one thread; it gives up its rights
 * (sandbox.h) and from then on forks a worker for each task: no thread of the program has to fork, and no
 * task meets a process that has done another. All of them end with the program. What they hand over is a
 * stranger's, see ring.h. */
#include "base/worker.h"

typedef struct WorkerHostOptions {
    const char *what;   /* for messages: "a process that unpacks layers" */
    void (*load)(void); /* with all rights: libraries that workers will need. NULL allowed */
    Sandbox rights;
} WorkerHostOptions;

typedef struct WorkerHost WorkerHost;
int worker_host_new(const WorkerHostOptions *o, WorkerHost **ret, Error *e);
void worker_host_free(WorkerHost *h); /* after its workers */
DEFINE_CLEANUP(WorkerHost *, worker_host_free);
unsigned worker_host_lacks(const WorkerHost *h); /* SandboxLack */

/* The starter's end of a worker. */
typedef struct Worker {
    int process; /* a pidfd */
    int bell;
    Ring in, out; /* in: written here */
    bool told;    /* the verdict is there */
    WorkerVerdict verdict;
    const char *what;
} Worker;
#define WORKER_NONE ((Worker){.process = -EBADF, .bell = -EBADF})

/* By any thread. */
int worker_start(WorkerHost *h, const WorkerTask *task, Worker *ret, Error *e);
/* Takes what rang; -EIO: it ended without a verdict. */
int worker_listen(Worker *w, Error *e);
void worker_stop(Worker *w); /* it has ended when this returns */

/* For who does nothing else meanwhile: all of it, or < 0, after which only stop it. */
typedef struct WorkerWait {
    int64_t limit_ms;               /* without a byte: -ETIMEDOUT; 0: none */
    bool (*stopped)(void *context); /* asked now and then; true: -ECANCELED. NULL allowed */
    void *context;
    int64_t since, asked; /* 0 in the beginning */
} WorkerWait;
int worker_send(Worker *w, const void *data, size_t n, WorkerWait *wait, Error *e);
int worker_receive(Worker *w, void *to, size_t n, WorkerWait *wait, Error *e);
int worker_still_wanted(WorkerWait *wait, Error *e); /* when there is no need to wait, too */
