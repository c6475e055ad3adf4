/* Both loop over what is in the ring and let those who push do the rest. They allocate, wait for their bell
 * and exit; whatever else they try ends them. */
#include "update/layer_worker.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/sandbox.h"
#include "update/layer_frame.h"

#define MEMORY_MAX (UINT64_C(1) << 30) /* of which zstd may want 128 MiB for its window */

int worker_confine(const WorkerEnd *w, Error *e)
{
    static const SandboxCall calls[] = {
        {SYS_recvfrom, {{0, UINT32_MAX, WORKER_BELL}}},
        {SYS_sendto, {{0, UINT32_MAX, WORKER_BELL}}},
        {SYS_futex},
        {SYS_brk},
        {SYS_mmap, {{2, PROT_EXEC, 0}, {3, MAP_ANONYMOUS, MAP_ANONYMOUS}}},
        {SYS_mprotect, {{2, PROT_EXEC, 0}}},
        {SYS_munmap},
        {SYS_mremap},
        {SYS_madvise},
        {SYS_clock_gettime},
        {SYS_restart_syscall},
        {SYS_rt_sigreturn},
        {SYS_exit},
        {SYS_exit_group},
    };
    int r = sandbox_limit(MEMORY_MAX, e);
    if (r < 0 || w->lacks & SANDBOX_LACKS_FILTER)
        return r;
    return sandbox_filter(calls, ELEMENTS(calls), e);
}

/* ---- waiting ---- */

static void sleep_for_bell(const WorkerEnd *w)
{
    char byte;
    ssize_t n = recv(w->bell, &byte, 1, 0);
    if (n == 0 || (n < 0 && errno != EINTR))
        _exit(0);
}

static void wait_for(WorkerEnd *w, Ring *what)
{
    if (ring_wait_begin(what) || ring_ended(&w->in))
        return;
    ring_flush(&w->in);
    ring_flush(&w->out);
    sleep_for_bell(w);
}

static size_t piece(Ring *r, uint8_t **ret)
{
    ssize_t n = ring_piece(r, ret);
    if (n < 0)
        _exit(1); /* the starter does not do that */
    return (size_t)n;
}

size_t worker_input(WorkerEnd *w, const uint8_t **ret)
{
    uint8_t *p;
    size_t n;

    while ((n = piece(&w->in, &p)) == 0) {
        if (ring_ended(&w->in))
            return 0;
        wait_for(w, &w->in);
    }
    *ret = p;
    return n;
}

void worker_output(WorkerEnd *w, const void *data, size_t n)
{
    for (const uint8_t *from = data; n > 0;) {
        uint8_t *to;
        size_t room = piece(&w->out, &to);
        if (room == 0) {
            wait_for(w, &w->out);
            continue;
        }
        room = room < n ? room : n;
        memcpy(to, from, room);
        ring_move(&w->out, room);
        from += room;
        n -= room;
    }
}

void worker_tell(const WorkerEnd *w, int code, const Error *e)
{
    WorkerVerdict v = {.code = code < 0 ? code : 0};
    snprintf(v.text, sizeof(v.text), "%s", code < 0 ? e->text : "");
    (void)!send(w->bell, &v, sizeof(v), MSG_NOSIGNAL);
}

/* ---- inflating ---- */

static int put_archive(void *context, const void *data, size_t n)
{
    worker_output(context, data, n);
    return 0;
}

int worker_inflate(WorkerEnd *w, Error *e)
{
    _cleanup_(inflater_freep)
    Inflater *i = NULL;
    const uint8_t *p;
    size_t n;
    int r = inflater_new(w->task->compression, w->task->max, put_archive, w, &i, e);

    if (r >= 0)
        r = worker_confine(w, e);
    while (r >= 0 && (n = worker_input(w, &p)) > 0) {
        r = inflater_feed(i, p, n, e);
        ring_move(&w->in, n);
    }
    return r < 0 ? r : inflater_finish(i, e);
}

/* ---- reading the archive ---- */

typedef struct Telling {
    WorkerEnd *end;
    Buf frame;
    const uint8_t *piece; /* that is being read, and where it is in the archive */
    uint64_t offset;
} Telling;

static int put_frame(Telling *t)
{
    worker_output(t->end, t->frame.data, t->frame.len);
    t->frame.len = 0;
    return 0;
}

static int tell_entry(void *context, const TarEntry *entry, Error *e _unused_)
{
    Telling *t = context;
    frame_entry(entry, &t->frame);
    return put_frame(t);
}

static int tell_data(void *context, const void *data, size_t n, Error *e _unused_)
{
    Telling *t = context;
    frame_data(t->offset + (uint64_t)((const uint8_t *)data - t->piece), n, &t->frame);
    return put_frame(t);
}

static int tell_end(void *context, Error *e _unused_)
{
    Telling *t = context;
    frame_end(&t->frame);
    return put_frame(t);
}

int worker_tar(WorkerEnd *w, Error *e)
{
    static const TarSink sink = {tell_entry, tell_data, tell_end};
    Telling t = {.end = w};
    _cleanup_(tar_reader_freep)
    TarReader *reader = tar_reader_new(&sink, &t);
    size_t n;
    int r = worker_confine(w, e);

    while (r >= 0 && (n = worker_input(w, &t.piece)) > 0) {
        r = tar_reader_feed(reader, t.piece, n, e);
        t.offset += n;
        ring_move(&w->in, n);
    }
    if (r >= 0)
        r = tar_reader_finish(reader, e);
    buf_done(&t.frame);
    return r;
}
