/* Positions only grow, so that written - taken is what is in the ring. The waiting side sets its flag before
 * it looks for the last time, the moving side looks at the flag after it has moved, both in one order for
 * all: one of them sees the other. A flag is taken down by whoever rings. */
#include "base/ring.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

struct RingControl {
    _Atomic uint64_t written, taken;
    _Atomic uint32_t writer_waits, reader_waits, ended;
};

enum { CONTROL_SIZE = 4096 };

static int map(const int fds[2], bool writes, Ring *r, Error *e)
{
    r->control = mmap(NULL, CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    if (r->control == MAP_FAILED)
        r->control = NULL;
    r->data = mmap(NULL, r->size, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, fds[1], 0);
    if (r->data == MAP_FAILED)
        r->data = NULL;
    return r->control && r->data ? 0 : error_errno(e, -errno, "memory for two processes");
}

static int make(size_t size, int *ret, Error *e)
{
    *ret = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*ret < 0 || ftruncate(*ret, (off_t)size) < 0 ||
        fcntl(*ret, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
        return error_errno(e, -errno, "memory for two processes");
    return 0;
}

int ring_new(size_t size, bool writes, int bell, Ring *ret, int ret_fds[2], Error *e)
{
    Ring ring = {.size = size, .bell = bell, .writes = writes};
    int fds[2] = {-EBADF, -EBADF};
    int r = make(CONTROL_SIZE, &fds[0], e);

    if (r >= 0)
        r = make(size, &fds[1], e);
    if (r >= 0)
        r = map(fds, writes, &ring, e);
    if (r >= 0 && fcntl(fds[1], F_ADD_SEALS, (writes ? F_SEAL_FUTURE_WRITE : 0) | F_SEAL_SEAL) < 0)
        r = error_errno(e, -errno, "memory that only one process can write to");
    if (r < 0) {
        ring_done(&ring);
        closep(&fds[0]);
        closep(&fds[1]);
        return r;
    }
    *ret = ring;
    memcpy(ret_fds, fds, sizeof(fds));
    return 0;
}

int ring_attach(const int fds[2], size_t size, bool writes, int bell, Ring *ret, Error *e)
{
    *ret = (Ring){.size = size, .bell = bell, .writes = writes};
    return map(fds, writes, ret, e);
}

void ring_done(Ring *r)
{
    if (r->control)
        munmap(r->control, CONTROL_SIZE);
    if (r->data)
        munmap(r->data, r->size);
    r->control = NULL;
    r->data = NULL;
}

/* ---- positions ---- */

static int look(Ring *r)
{
    const uint64_t other = r->writes ? atomic_load_explicit(&r->control->taken, memory_order_acquire)
                                     : atomic_load_explicit(&r->control->written, memory_order_acquire);
    if (r->writes ? other < r->taken || other > r->written : other < r->written || other - r->taken > r->size)
        return -EBADMSG;
    if (r->writes)
        r->taken = other;
    else
        r->written = other;
    return 0;
}

static size_t there(const Ring *r)
{
    const size_t filled = (size_t)(r->written - r->taken);
    return r->writes ? r->size - filled : filled;
}

ssize_t ring_piece(Ring *r, uint8_t **ret)
{
    if (look(r) < 0)
        return -EBADMSG;
    const size_t at = (size_t)(r->writes ? r->written : r->taken) & (r->size - 1), n = there(r);
    *ret = r->data + at;
    return (ssize_t)(n < r->size - at ? n : r->size - at);
}

/* ---- bells ---- */

/* A bell that is full has rung. */
static void ring_bell(const Ring *r)
{
    (void)!send(r->bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void wake(Ring *r, size_t least)
{
    _Atomic uint32_t *waits = r->writes ? &r->control->reader_waits : &r->control->writer_waits;

    atomic_thread_fence(memory_order_seq_cst);
    if (!atomic_load_explicit(waits, memory_order_relaxed))
        return;
    (void)look(r);                               /* what cannot be is found when it matters */
    const size_t for_other = r->size - there(r); /* what is not ours to use is theirs */
    if (for_other >= least && atomic_exchange(waits, 0))
        ring_bell(r);
}

void ring_move(Ring *r, size_t n)
{
    if (r->writes)
        atomic_store_explicit(&r->control->written, r->written += n, memory_order_release);
    else
        atomic_store_explicit(&r->control->taken, r->taken += n, memory_order_release);
    wake(r, r->size / 2);
}

void ring_flush(Ring *r)
{
    wake(r, 1);
}

void ring_end(Ring *r)
{
    atomic_store(&r->control->ended, 1);
    wake(r, 0);
}

bool ring_ended(Ring *r)
{
    return atomic_load(&r->control->ended) && look(r) >= 0 && there(r) == 0;
}

bool ring_wait_begin(Ring *r)
{
    atomic_store(r->writes ? &r->control->writer_waits : &r->control->reader_waits, 1);
    atomic_thread_fence(memory_order_seq_cst);
    return look(r) < 0 || there(r) > 0;
}
