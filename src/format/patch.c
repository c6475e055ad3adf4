/* The window is made as large as both sides together, so that every byte of the other side can be referred
 * to. The frame says neither how large it is nor what it was made from: whoever keeps it knows both. Apart
 * from the bounds nothing is checked of what comes out; that is for a checksum to do. */
#include "format/patch.h"

#include <zstd.h>

#include "base/library.h"

enum { WINDOW_LOG_MIN = 10, WINDOW_LOG_MAX = 25, QUICK_HASH_LOG_MAX = 20 };

struct Patcher {
    ZSTD_CCtx *maker; /* made when one is needed */
    ZSTD_DCtx *reader;
    ZSTD_CCtx *(*maker_new)(void);
    size_t (*maker_free)(ZSTD_CCtx *);
    size_t (*maker_set)(ZSTD_CCtx *, ZSTD_cParameter, int);
    size_t (*maker_prefix)(ZSTD_CCtx *, const void *, size_t);
    size_t (*make)(ZSTD_CCtx *, void *, size_t, const void *, size_t);
    size_t (*bound)(size_t);
    ZSTD_DCtx *(*reader_new)(void);
    size_t (*reader_free)(ZSTD_DCtx *);
    size_t (*reader_prefix)(ZSTD_DCtx *, const void *, size_t);
    size_t (*read)(ZSTD_DCtx *, void *, size_t, const void *, size_t);
    unsigned (*is_error)(size_t);
};

int patcher_new(Patcher **ret, Error *e)
{
    _cleanup_(patcher_freep)
    Patcher *p = calloc(1, sizeof(*p));
    if (!p)
        abort();
    const LibrarySymbol rows[] = {{"ZSTD_createCCtx", &p->maker_new},
                                  {"ZSTD_freeCCtx", &p->maker_free},
                                  {"ZSTD_CCtx_setParameter", &p->maker_set},
                                  {"ZSTD_CCtx_refPrefix", &p->maker_prefix},
                                  {"ZSTD_compress2", &p->make},
                                  {"ZSTD_compressBound", &p->bound},
                                  {"ZSTD_createDCtx", &p->reader_new},
                                  {"ZSTD_freeDCtx", &p->reader_free},
                                  {"ZSTD_DCtx_refPrefix", &p->reader_prefix},
                                  {"ZSTD_decompressDCtx", &p->read},
                                  {"ZSTD_isError", &p->is_error}};
    int r = library_load("libzstd.so.1", "a patch", rows, ELEMENTS(rows), e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(p);
    return 0;
}

void patcher_free(Patcher *p)
{
    if (!p)
        return;
    if (p->maker)
        p->maker_free(p->maker);
    if (p->reader)
        p->reader_free(p->reader);
    free(p);
}

static int window_log(size_t n)
{
    int log = WINDOW_LOG_MIN;
    while (log < WINDOW_LOG_MAX && (size_t)1 << log < n)
        log++;
    return log;
}

/* The quick level's own table would hardly know anything of a large other side. 0: the level's own. */
static int hash_log(int level, int window)
{
    if (level != PATCH_LEVEL_QUICK)
        return 0;
    return window < QUICK_HASH_LOG_MAX ? window : QUICK_HASH_LOG_MAX;
}

int patcher_make(Patcher *p, int level, PatchBytes base, PatchBytes bytes, Buf *out, Error *e)
{
    if (base.n > PATCH_BYTES_MAX || bytes.n > PATCH_BYTES_MAX)
        return error_set(e, EFBIG, "more than %d bytes in one patch", PATCH_BYTES_MAX);
    if (!p->maker && !(p->maker = p->maker_new()))
        abort();
    const size_t bound = p->bound(bytes.n);
    const int window = window_log(base.n + bytes.n);
    char *to = buf_reserve(out, bound);
    bool failed = p->is_error(p->maker_set(p->maker, ZSTD_c_compressionLevel, level)) ||
                  p->is_error(p->maker_set(p->maker, ZSTD_c_windowLog, window)) ||
                  p->is_error(p->maker_set(p->maker, ZSTD_c_hashLog, hash_log(level, window))) ||
                  p->is_error(p->maker_set(p->maker, ZSTD_c_contentSizeFlag, 0)) ||
                  p->is_error(p->maker_prefix(p->maker, base.data, base.n));
    size_t n = failed ? 0 : p->make(p->maker, to, bound, bytes.data, bytes.n);
    if (failed || p->is_error(n))
        return error_set(e, EIO, "libzstd makes no patch");
    out->len += n;
    out->data[out->len] = '\0';
    return 0;
}

int patcher_apply(Patcher *p, PatchBytes base, PatchBytes frame, void *to, size_t n, Error *e)
{
    if (!p->reader && !(p->reader = p->reader_new()))
        abort();
    if (base.n > PATCH_BYTES_MAX || n > PATCH_BYTES_MAX || frame.n > PATCH_FRAME_MAX ||
        p->is_error(p->reader_prefix(p->reader, base.data, base.n)))
        return error_set(e, EBADMSG, "a patch of more bytes than are taken");
    size_t is = p->read(p->reader, to, n, frame.data, frame.n);
    if (p->is_error(is) || is != n)
        return error_set(e, EBADMSG, "a patch does not make the %zu bytes that it should", n);
    return 0;
}
