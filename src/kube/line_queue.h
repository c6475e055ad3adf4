#pragma once
/* Lines out of bytes that come in pieces. Who is slow to take them can tell by `full` that no more are
 * wanted; a line past the maximum is an error, so that a sender can fill no memory. */
#include <stdbool.h>

#include "base/buf.h"

typedef struct LineQueue {
    Buf bytes;
    size_t start, seen; /* of the next line; up to where there is no line end */
    size_t open;        /* length of the last line, whose end has not come */
    size_t max;         /* of one line, without its end */
} LineQueue;

void line_queue_done(LineQueue *q);
int line_queue_add(LineQueue *q, const void *data, size_t n); /* -EFBIG */
/* 1 with the next line, that the next call of any of these may move; empty ones are passed over. 0: none yet.
 */
int line_queue_next(LineQueue *q, const char **ret, size_t *n);
bool line_queue_ready(LineQueue *q);
/* 1 with the rest that has no line end, when nothing is to come any more. */
int line_queue_rest(LineQueue *q, const char **ret, size_t *n);
static inline size_t line_queue_waiting(const LineQueue *q)
{
    return q->bytes.len - q->start;
}
