#pragma once
/* Bytes from one process to another through memory that both see, of which one does not trust the other. Each
 * side keeps its own position to itself; the other's is read once and held against what is possible. What a
 * reader is pointed to may change under its eyes when the writer is not to be trusted: copy first, look then.
 * Of a ring whose writer is the trusted side the reader cannot even write to the bytes.
 *
 * A side that finds nothing to do says that it waits, looks once more, and sleeps until its bell rings: a
 * message on a socket of the pair's own, which may carry other things too. The other rings when a good part
 * of the ring is there to be read or filled, or when it goes to sleep itself (ring_flush). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

typedef struct RingControl RingControl;
typedef struct Ring {
    RingControl *control;
    uint8_t *data;
    size_t size;
    uint64_t written, taken; /* the own one, and the other's as last seen */
    int bell;                /* a socket, borrowed */
    bool writes;
} Ring;

/* The trusted side's end and two descriptors for the other (control, data). `size` is a power of two and
 * whole pages. */
int ring_new(size_t size, bool writes, int bell, Ring *ret, int ret_fds[2], Error *e);
/* The other end; the descriptors can be closed then. */
int ring_attach(const int fds[2], size_t size, bool writes, int bell, Ring *ret, Error *e);
void ring_done(Ring *r);

/* The longest piece in one place that can be read, or filled: how long, where; -EBADMSG: the other side says
 * what cannot be. */
ssize_t ring_piece(Ring *r, uint8_t **ret);
void ring_move(Ring *r, size_t n); /* so much of it was read, or filled */

/* No more will be written. A reader that trusts the writer asks, last after ring_wait_begin(). */
void ring_end(Ring *r);
bool ring_ended(Ring *r);

/* True when there is something already, so that nobody should sleep. */
bool ring_wait_begin(Ring *r);
void ring_flush(Ring *r);
