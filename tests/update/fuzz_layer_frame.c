/* Frames of anybody: what gets through holds what TarEntry promises, and the bytes of a file are as many as
 * its entry says and in order. In one piece and in small ones it is the same. */
#include <stdlib.h>
#include <string.h>

#include "update/layer_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Seen {
    uint64_t calls, left, position;
    bool in_file;
} Seen;

static void must(bool good)
{
    if (!good)
        abort();
}

static int entry(void *context, const TarEntry *one, Error *e)
{
    Seen *s = context;
    size_t bytes = 0;
    (void)e;

    must(!s->in_file && one->type <= TAR_FIFO && one->mode <= 07777);
    must(*one->path && strlen(one->path) <= TAR_PATH_MAX && strlen(one->link) <= TAR_PATH_MAX);
    must(one->n_xattrs <= TAR_XATTRS_MAX && (one->type == TAR_FILE || one->size == 0));
    for (size_t i = 0; i < one->n_xattrs; i++) {
        const uint8_t *value = one->xattrs[i].value;
        must(*one->xattrs[i].name);
        for (size_t k = 0; k < one->xattrs[i].n; k++)
            bytes += value[k] + 1U; /* all of it is there */
    }
    must(bytes <= (size_t)FRAME_ENTRY_MAX * 256);
    s->in_file = one->type == TAR_FILE;
    s->left = one->size;
    s->calls++;
    return 0;
}

static int bytes_of_file(void *context, uint64_t offset, uint64_t n, Error *e)
{
    Seen *s = context;
    (void)e;
    must(s->in_file && n > 0 && n <= s->left && offset >= s->position && offset + n > offset);
    s->left -= n;
    s->position = offset + n;
    s->calls++;
    return 0;
}

static int end(void *context, Error *e)
{
    Seen *s = context;
    (void)e;
    must(s->in_file && s->left == 0);
    s->in_file = false;
    s->calls++;
    return 0;
}

static int read_frames(const uint8_t *data, size_t size, size_t piece, Seen *seen)
{
    static const FrameSink sink = {entry, bytes_of_file, end};
    _cleanup_(frame_reader_freep)
    FrameReader *r = frame_reader_new(&sink, seen);
    int k = 0;

    for (size_t n; k >= 0 && size > 0; data += n, size -= n) {
        n = size < piece ? size : piece;
        k = frame_reader_feed(r, data, n, NULL);
    }
    return k < 0 ? k : frame_reader_finish(r, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Seen whole = {0}, pieces = {0};
    int r = read_frames(data, size, SIZE_MAX, &whole);

    must(read_frames(data, size, 7, &pieces) == r && pieces.calls == whole.calls);
    return 0;
}
