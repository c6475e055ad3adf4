/* The stream of a watch, cut into pieces at the places that its first byte says: lines and events are the
 * same however it was cut. */
#include <stdlib.h>
#include <string.h>

#include "kube/kube_answer.h"
#include "kube/line_queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(LineQueue *q, Buf *all)
{
    const char *line;
    size_t n;
    while (line_queue_next(q, &line, &n)) {
        _cleanup_arena_ Arena *a = arena_new();
        KubeEvent event;
        Error e = ERROR_INIT;
        int r = kube_event_read(a, (KubeBytes){line, n}, &event, &e);
        if (!n || n > q->max || memchr(line, '\n', n) || (r < 0 && !e.text[0]))
            abort();
        buf_add(all, line, n);
        buf_add_char(all, '\n');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_buf_ Buf whole = BUF_INIT, pieces = BUF_INIT;
    LineQueue one = {.max = 512}, many = {.max = 512};
    size_t step = size ? data[0] % 31 + 1 : 1;
    int r = line_queue_add(&one, data, size), k = 0;
    take(&one, &whole);
    for (size_t at = 0; k >= 0 && at < size; at += step) {
        k = line_queue_add(&many, data + at, size - at < step ? size - at : step);
        take(&many, &pieces);
    }
    if ((r < 0) != (k < 0))
        abort();
    if (r >= 0 && (whole.len != pieces.len || (whole.len && memcmp(whole.data, pieces.data, whole.len))))
        abort();
    line_queue_done(&one);
    line_queue_done(&many);
    return 0;
}
