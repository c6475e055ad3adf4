/* Three lengths, the base, the frame; back come the bytes, or the worker's verdict that there are none. */
#include "format/patch_apart.h"

#define MEMORY_MAX (UINT64_C(1) << 30)

enum { RING_IN = 1 << 20, RING_OUT = 1 << 20, STALL_MS = 120000 };

typedef struct Lengths {
    uint64_t base, frame, n;
} Lengths;

struct PatchApart {
    Worker worker;
};

static int run(WorkerEnd *w, Error *e)
{
    _cleanup_(patcher_freep)
    Patcher *p = NULL;
    _cleanup_buf_ Buf base = BUF_INIT, frame = BUF_INIT, to = BUF_INIT;
    Lengths l;
    int r = patcher_new(&p, e);

    if (r >= 0)
        r = worker_confine(w, MEMORY_MAX, NULL, 0, e);
    while (r >= 0 && worker_read(w, &l, sizeof(l))) {
        if (!worker_read(w, buf_reserve(&base, l.base), l.base) ||
            !worker_read(w, buf_reserve(&frame, l.frame), l.frame))
            return 0;
        r = patcher_apply(p, (PatchBytes){base.data, l.base}, (PatchBytes){frame.data, l.frame},
                          buf_reserve(&to, l.n), l.n, e);
        if (r >= 0)
            worker_output(w, to.data, l.n);
    }
    return r;
}

int patch_apart_new(WorkerHost *host, PatchApart **ret, Error *e)
{
    const WorkerTask task = {.run = run, .in = RING_IN, .out = RING_OUT};
    _cleanup_(patch_apart_freep)
    PatchApart *p = calloc(1, sizeof(*p));

    if (!p)
        abort();
    p->worker = WORKER_NONE;
    int r = worker_start(host, &task, &p->worker, e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(p);
    return 0;
}

void patch_apart_free(PatchApart *p)
{
    if (!p)
        return;
    worker_stop(&p->worker);
    free(p);
}

int patch_apart_apply(PatchApart *p, PatchBytes base, PatchBytes frame, void *to, size_t n, Error *e)
{
    const Lengths l = {base.n, frame.n, n};
    WorkerWait wait = {.limit_ms = STALL_MS};

    if (base.n > PATCH_BYTES_MAX || n > PATCH_BYTES_MAX || frame.n > PATCH_FRAME_MAX)
        return error_set(e, EBADMSG, "a patch of more bytes than are taken");
    int r = worker_send(&p->worker, &l, sizeof(l), &wait, e);
    if (r >= 0)
        r = worker_send(&p->worker, base.data, base.n, &wait, e);
    if (r >= 0)
        r = worker_send(&p->worker, frame.data, frame.n, &wait, e);
    return r < 0 ? r : worker_receive(&p->worker, to, n, &wait, e);
}
