/* gzip by ISA-L (four times zlib's speed, and inflating is what bounds a fetch), zstd by libzstd; each loaded
 * when a stream of its kind is first met, so that a provisioner whose config compresses nothing maps neither.
 * A stream is a series of members: after each the decoder starts again, and what is neither a member nor the
 * end is refused. What is unpacked goes to the sink in pieces of at most PIECE bytes, what is plain as it
 * came; the total is limited, which stops bombs. */
#include "format/compress.h"

#include <isa-l/igzip_lib.h>
#include <string.h>
#include <zstd.h>

#include "base/library.h"

enum { PIECE = 128 << 10 };

typedef struct Decoder {
    const char *name;
    int (*open)(Inflater *i, Error *e);
    void (*close)(Inflater *i);
    /* Takes from *p, gives to i->out; 1 at the end of a member. */
    int (*step)(Inflater *i, const uint8_t **p, size_t *n, size_t *ret_out, Error *e);
} Decoder;

struct Inflater {
    const Decoder *decoder;
    InflateSink sink;
    void *context;
    uint64_t left;
    bool within; /* a member has begun and not ended */
    bool any;
    void *state;
    union {
        struct {
            void (*init)(struct inflate_state *);
            int (*inflate)(struct inflate_state *);
        } isal;
        struct {
            void *(*create)(void);
            size_t (*free)(void *);
            size_t (*decompress)(void *, ZSTD_outBuffer *, ZSTD_inBuffer *);
            unsigned (*is_error)(size_t);
        } zstd;
    };
    const uint8_t *out; /* the piece to give */
    uint8_t *buffer;    /* of a decoder that needs one */
};

static uint8_t *piece_begin(Inflater *i)
{
    if (!i->buffer && !(i->buffer = malloc(PIECE)))
        abort();
    i->out = i->buffer;
    return i->buffer;
}

/* ---- gzip ---- */

static int gzip_open(Inflater *i, Error *e)
{
    const LibrarySymbol rows[] = {{"isal_inflate_init", &i->isal.init}, {"isal_inflate", &i->isal.inflate}};
    int r = library_load("libisal.so.2", "gzip data", rows, ELEMENTS(rows), e);
    if (r < 0)
        return r;
    i->state = calloc(1, sizeof(struct inflate_state));
    if (!i->state)
        abort();
    return 0;
}

static void gzip_close(Inflater *i)
{
    free(i->state);
}

static int gzip_step(Inflater *i, const uint8_t **p, size_t *n, size_t *ret_out, Error *e)
{
    struct inflate_state *s = i->state;
    if (!i->within) {
        i->isal.init(s);
        s->crc_flag = ISAL_GZIP; /* header read, CRC and length checked */
    }
    uint32_t chunk = *n > UINT32_MAX ? UINT32_MAX : (uint32_t)*n;
    s->next_in = (uint8_t *)*p;
    s->avail_in = chunk;
    s->next_out = piece_begin(i);
    s->avail_out = PIECE;
    int r = i->isal.inflate(s);
    *p += chunk - s->avail_in;
    *n -= chunk - s->avail_in;
    *ret_out = PIECE - s->avail_out;
    if (r == ISAL_INCORRECT_CHECKSUM)
        return error_set(e, EBADMSG, "the gzip checksum does not match");
    if (r < 0 || r > ISAL_OUT_OVERFLOW)
        return error_set(e, EBADMSG, "not a valid gzip stream");
    return s->block_state == ISAL_BLOCK_FINISH;
}

/* ---- zstd ---- */

static int zstd_open(Inflater *i, Error *e)
{
    const LibrarySymbol rows[] = {{"ZSTD_createDStream", &i->zstd.create},
                                  {"ZSTD_freeDStream", &i->zstd.free},
                                  {"ZSTD_decompressStream", &i->zstd.decompress},
                                  {"ZSTD_isError", &i->zstd.is_error}};
    int r = library_load("libzstd.so.1", "zstd data", rows, ELEMENTS(rows), e);
    if (r < 0)
        return r;
    i->state = i->zstd.create();
    if (!i->state)
        abort();
    return 0;
}

static void zstd_close(Inflater *i)
{
    if (i->state)
        i->zstd.free(i->state);
}

static int zstd_step(Inflater *i, const uint8_t **p, size_t *n, size_t *ret_out, Error *e)
{
    ZSTD_inBuffer in = {.src = *p, .size = *n};
    ZSTD_outBuffer out = {.dst = piece_begin(i), .size = PIECE};
    size_t r = i->zstd.decompress(i->state, &out, &in);
    if (i->zstd.is_error(r))
        return error_set(e, EBADMSG, "not a valid zstd stream");
    *p += in.pos;
    *n -= in.pos;
    *ret_out = out.pos;
    return r == 0;
}

/* ---- none ---- */

static int none_open(Inflater *i, Error *e)
{
    (void)i;
    (void)e;
    return 0;
}

static void none_close(Inflater *i)
{
    (void)i;
}

static int none_step(Inflater *i, const uint8_t **p, size_t *n, size_t *ret_out, Error *e)
{
    (void)e;
    i->out = *p;
    *ret_out = *n;
    *p += *n;
    *n = 0;
    return 1;
}

static const Decoder decoders[] = {
    [COMPRESSION_NONE] = {"plain", none_open, none_close, none_step},
    [COMPRESSION_GZIP] = {"gzip", gzip_open, gzip_close, gzip_step},
    [COMPRESSION_ZSTD] = {"zstd", zstd_open, zstd_close, zstd_step},
};

int inflater_new(Compression kind, uint64_t max, InflateSink sink, void *context, Inflater **ret, Error *e)
{
    _cleanup_(inflater_freep)
    Inflater *i = calloc(1, sizeof(*i));
    if (!i)
        abort();
    i->decoder = &decoders[kind];
    i->sink = sink;
    i->context = context;
    i->left = max;
    int r = i->decoder->open(i, e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(i);
    return 0;
}

void inflater_free(Inflater *i)
{
    if (!i)
        return;
    i->decoder->close(i);
    free(i->buffer);
    free(i);
}

static int give(Inflater *i, size_t n, Error *e)
{
    if (n > i->left)
        return error_set(e, EFBIG, "the %s data unpack to more than is taken", i->decoder->name);
    i->left -= n;
    int r = n ? i->sink(i->context, i->out, n) : 0;
    return r < 0 ? error_errno(e, r, "taking unpacked data") : 0;
}

int inflater_feed(Inflater *i, const void *data, size_t n, Error *e)
{
    const uint8_t *p = data;
    /* A full piece of output may mean that more waits inside, with no input left. */
    for (size_t out = PIECE; n > 0 || (i->within && out == PIECE);) {
        size_t before = n;
        int r = i->decoder->step(i, &p, &n, &out, e);
        if (r < 0)
            return r;
        i->within = r == 0;
        i->any = true;
        if ((r = give(i, out, e)) < 0)
            return r;
        if (n == before && !out)
            break; /* it wants more than there is */
    }
    return 0;
}

int inflater_finish(Inflater *i, Error *e)
{
    if (i->within || (!i->any && i->decoder != &decoders[COMPRESSION_NONE]))
        return error_set(e, EBADMSG, "the %s data are cut off", i->decoder->name);
    return 0;
}

int inflate_all(Compression kind, const void *data, size_t n, size_t max, Buf *ret, Error *e)
{
    _cleanup_(inflater_freep)
    Inflater *i = NULL;
    int r = inflater_new(kind, max, buf_collect, ret, &i, e);
    if (r >= 0)
        r = inflater_feed(i, data, n, e);
    return r < 0 ? r : inflater_finish(i, e);
}
