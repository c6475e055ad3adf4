/* The first byte chooses the kind and how the rest is cut into pieces: the cut must not change the outcome.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/compress.h"

enum { OUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int in_pieces(Compression kind, const uint8_t *data, size_t size, size_t piece, Buf *out)
{
    _cleanup_(inflater_freep)
    Inflater *i = NULL;
    int r = inflater_new(kind, OUT_MAX, buf_collect, out, &i, NULL);
    for (size_t at = 0; r >= 0 && at < size; at += piece)
        r = inflater_feed(i, data + at, size - at < piece ? size - at : piece, NULL);
    return r < 0 ? r : inflater_finish(i, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_buf_ Buf whole = BUF_INIT, pieces = BUF_INIT;
    if (!size)
        return 0;
    Compression kind = data[0] & 1 ? COMPRESSION_ZSTD : COMPRESSION_GZIP;
    size_t piece = 1 + (data[0] >> 1);
    int r = inflate_all(kind, data + 1, size - 1, OUT_MAX, &whole, NULL);
    int k = in_pieces(kind, data + 1, size - 1, piece, &pieces);
    /* libzstd compares a frame's declared size only where it has the frame whole. */
    if ((r < 0) != (k < 0) && kind == COMPRESSION_GZIP)
        abort();
    if (r >= 0 && k >= 0 &&
        (whole.len != pieces.len || (whole.len && memcmp(whole.data, pieces.data, whole.len) != 0)))
        abort();
    return 0;
}
