/* Writing gzip, by zlib; a file of its own, so that a program that only reads never links it. The header has
 * no time and no name: the same bytes every time. */
#include <zlib.h>

#include "format/compress.h"

int gzip_all(const void *data, size_t n, int level, Buf *ret)
{
    z_stream z = {0};
    if (n > UINT32_MAX / 2) /* zlib counts in unsigned int, and its bound is above n */
        return -EFBIG;
    if (deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    size_t bound = deflateBound(&z, n);
    z.next_in = (Bytef *)data;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)buf_reserve(ret, bound);
    z.avail_out = (uInt)bound;
    int r = deflate(&z, Z_FINISH);
    ret->len += bound - z.avail_out;
    ret->data[ret->len] = '\0';
    deflateEnd(&z);
    return r == Z_STREAM_END ? 0 : -EFBIG;
}
