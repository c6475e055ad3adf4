/* One buffer with a start that moves; what has been taken is dropped when more comes in. Memory that one long
 * line or a burst needed is given back once all is taken. */
#include "kube/line_queue.h"

#include <string.h>

enum { KEPT = 16 << 10 };

void line_queue_done(LineQueue *q)
{
    buf_done(&q->bytes);
    q->start = q->seen = q->open = 0;
}

static void drop_taken(LineQueue *q)
{
    if (q->start == q->bytes.len && q->bytes.size > KEPT) {
        line_queue_done(q);
        return;
    }
    if (!q->start)
        return;
    memmove(q->bytes.data, q->bytes.data + q->start, q->bytes.len - q->start);
    q->bytes.len -= q->start;
    q->seen -= q->start;
    q->start = 0;
}

bool line_queue_ready(LineQueue *q)
{
    while (q->seen < q->bytes.len) {
        const char *end = memchr(q->bytes.data + q->seen, '\n', q->bytes.len - q->seen);
        if (!end) {
            q->seen = q->bytes.len;
            return false;
        }
        q->seen = (size_t)(end - q->bytes.data);
        if (q->seen > q->start)
            return true;
        q->start = ++q->seen;
    }
    return false;
}

int line_queue_add(LineQueue *q, const void *data, size_t n)
{
    const char *p = data, *last = p + n;
    size_t open = q->open;
    for (const char *end; (end = memchr(p, '\n', (size_t)(last - p))); p = end + 1, open = 0)
        if (open + (size_t)(end - p) > q->max)
            return -EFBIG;
    open += (size_t)(last - p);
    if (open > q->max)
        return -EFBIG;
    drop_taken(q);
    buf_add(&q->bytes, data, n);
    q->open = open;
    return 0;
}

int line_queue_next(LineQueue *q, const char **ret, size_t *n)
{
    if (!line_queue_ready(q)) {
        if (q->start == q->bytes.len)
            drop_taken(q);
        return 0;
    }
    *ret = q->bytes.data + q->start;
    *n = q->seen - q->start;
    q->start = ++q->seen;
    return 1;
}

int line_queue_rest(LineQueue *q, const char **ret, size_t *n)
{
    if (line_queue_ready(q) || q->start == q->bytes.len)
        return 0;
    *ret = q->bytes.data + q->start;
    *n = q->bytes.len - q->start;
    q->start = q->seen = q->bytes.len;
    q->open = 0;
    return 1;
}
