/* The first byte says into what pieces the rest is cut: the cut must not change what is read, nor whether. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "format/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int entry(void *context, const TarEntry *t, Error *e)
{
    (void)e;
    if (strlen(t->path) > TAR_PATH_MAX || strlen(t->link) > TAR_PATH_MAX || (t->size && t->type != TAR_FILE))
        abort();
    buf_addf(context, "%d %o %u %u %llu %s %s", t->type, t->mode, t->uid, t->gid, (unsigned long long)t->size,
             t->path, t->link);
    for (size_t i = 0; i < t->n_xattrs; i++) {
        buf_add_str(context, t->xattrs[i].name);
        buf_add(context, t->xattrs[i].value, t->xattrs[i].n);
    }
    return 0;
}

static int contents(void *context, const void *data, size_t n, Error *e)
{
    (void)e;
    buf_add(context, data, n);
    return 0;
}

static int end(void *context, Error *e)
{
    (void)e;
    buf_add_str(context, ".");
    return 0;
}

static int read_in_pieces(const uint8_t *data, size_t size, size_t piece, Buf *out)
{
    static const TarSink sink = {entry, contents, end};
    _cleanup_(tar_reader_freep)
    TarReader *r = tar_reader_new(&sink, out);
    int k = 0;

    for (size_t at = 0; k >= 0 && at < size; at += piece)
        k = tar_reader_feed(r, data + at, size - at < piece ? size - at : piece, NULL);
    return k < 0 ? k : tar_reader_finish(r, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_buf_ Buf whole = BUF_INIT, pieces = BUF_INIT;

    if (size == 0)
        return 0;
    int r = read_in_pieces(data + 1, size - 1, size, &whole);
    int k = read_in_pieces(data + 1, size - 1, 1 + data[0], &pieces);
    if (r != k ||
        (r >= 0 && (whole.len != pieces.len || (whole.len && memcmp(whole.data, pieces.data, whole.len)))))
        abort();
    return 0;
}
