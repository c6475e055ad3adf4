/* It sleeps in one place, and wakes the other side before it does. */
#include "base/worker.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

int worker_confine(const WorkerEnd *w, uint64_t memory, const SandboxCall *more, size_t n_more, Error *e)
{
    static const SandboxCall always[] = {
        {SYS_recvfrom, .only = {{0, UINT32_MAX, WORKER_BELL}}},
        {SYS_sendto, .only = {{0, UINT32_MAX, WORKER_BELL}}},
        {SYS_futex},
        {SYS_brk},
        {SYS_mmap, .only = {{2, PROT_EXEC, 0}, {3, MAP_ANONYMOUS, MAP_ANONYMOUS}}},
        {SYS_mprotect, .only = {{2, PROT_EXEC, 0}}},
        {SYS_munmap},
        {SYS_mremap},
        {SYS_madvise},
        {SYS_clock_gettime},
        {SYS_restart_syscall},
        {SYS_rt_sigreturn},
        {SYS_exit},
        {SYS_exit_group},
    };
    SandboxCall calls[SANDBOX_CALLS_MAX];

    if (n_more > SANDBOX_CALLS_MAX - ELEMENTS(always))
        return error_set(e, E2BIG, "too many system calls");
    memcpy(calls, always, sizeof(always));
    if (n_more)
        memcpy(calls + ELEMENTS(always), more, n_more * sizeof(*more));
    int r = sandbox_limit(memory, n_more > 0, e);
    if (r < 0 || w->lacks & SANDBOX_LACKS_FILTER)
        return r;
    return sandbox_filter(calls, ELEMENTS(always) + n_more, e);
}

static void sleep_for_bell(const WorkerEnd *w)
{
    char byte;
    ssize_t n = recv(w->bell, &byte, 1, 0);
    if (n == 0 || (n < 0 && errno != EINTR))
        _exit(0);
}

void worker_flush(WorkerEnd *w)
{
    ring_flush(&w->in);
    ring_flush(&w->out);
}

static void wait_for(WorkerEnd *w, Ring *what)
{
    if (ring_wait_begin(what) || ring_ended(&w->in))
        return;
    worker_flush(w);
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

bool worker_read(WorkerEnd *w, void *to, size_t n)
{
    const uint8_t *p;

    for (char *at = to; n > 0;) {
        const size_t there = worker_input(w, &p), piece = there < n ? there : n;
        if (there == 0)
            return false;
        memcpy(at, p, piece);
        ring_move(&w->in, piece);
        at += piece;
        n -= piece;
    }
    return true;
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
