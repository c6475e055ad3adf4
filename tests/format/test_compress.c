/* Streams whole and by single bytes; what is broken and how that is told; the limit. */
#include "../scratch.h"

#include <zstd.h>

#include "format/compress.h"

enum { SIZE = 1 << 20 };

static void fill(Buf *b, size_t n)
{
    uint32_t x = 1;
    while (b->len < n) {
        x = x * 1664525 + 1013904223;
        buf_addf(b, "%u,", x >> 20);
    }
    b->len = n;
    b->data[n] = '\0';
}

static void pack(Compression kind, const Buf *data, Buf *out)
{
    if (kind == COMPRESSION_GZIP) {
        assert_int_equal(gzip_all(data->data, data->len, 6, out), 0);
        return;
    }
    size_t bound = ZSTD_compressBound(data->len);
    size_t n = ZSTD_compress(buf_reserve(out, bound), bound, data->data, data->len, 3);
    assert_false(ZSTD_isError(n));
    out->len += n;
}

static void expect_pieces(Compression kind, const Buf *packed, const Buf *data, size_t piece)
{
    _cleanup_(inflater_freep)
    Inflater *i = NULL;
    _cleanup_buf_ Buf out = BUF_INIT;
    Error e = ERROR_INIT;
    assert_int_equal(inflater_new(kind, data->len, buf_collect, &out, &i, &e), 0);
    for (size_t at = 0; at < packed->len; at += piece)
        if (inflater_feed(i, packed->data + at, packed->len - at < piece ? packed->len - at : piece, &e) < 0)
            fail_msg("%s at %zu of %zu", e.text, at, packed->len);
    assert_int_equal(inflater_finish(i, &e), 0);
    assert_int_equal(out.len, data->len);
    assert_memory_equal(out.data, data->data, data->len);
}

static void test_members_in_pieces(void **state)
{
    (void)state;
    for (Compression kind = COMPRESSION_GZIP; kind <= COMPRESSION_ZSTD; kind++) {
        _cleanup_buf_ Buf data = BUF_INIT, packed = BUF_INIT, both = BUF_INIT, empty = BUF_INIT;
        fill(&data, SIZE);
        buf_add(&both, data.data, data.len);
        buf_add(&both, data.data, data.len);
        pack(kind, &data, &packed);
        pack(kind, &empty, &packed);
        pack(kind, &data, &packed);
        expect_pieces(kind, &packed, &both, 1);
        expect_pieces(kind, &packed, &both, 4095);
        expect_pieces(kind, &packed, &both, packed.len);
    }
}

static void expect_refused(Compression kind, const Buf *packed, size_t max, int r, const char *text)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    Error e = ERROR_INIT;
    assert_int_equal(inflate_all(kind, packed->data, packed->len, max, &out, &e), r);
    assert_string_equal(e.text, text);
    assert_true(out.len <= max);
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    for (Compression kind = COMPRESSION_GZIP; kind <= COMPRESSION_ZSTD; kind++) {
        _cleanup_buf_ Buf data = BUF_INIT, packed = BUF_INIT;
        fill(&data, 2000);
        pack(kind, &data, &packed);
        while (packed.len > 0) {
            packed.len--;
            expect_refused(kind, &packed, SIZE, -EBADMSG,
                           kind == COMPRESSION_GZIP ? "the gzip data are cut off"
                                                    : "the zstd data are cut off");
        }
    }
}

static void test_broken(void **state)
{
    (void)state;
    _cleanup_buf_ Buf data = BUF_INIT, gzip = BUF_INIT, zstd = BUF_INIT;
    fill(&data, 2000);
    pack(COMPRESSION_GZIP, &data, &gzip);
    pack(COMPRESSION_ZSTD, &data, &zstd);
    gzip.data[gzip.len - 8] ^= 1;
    expect_refused(COMPRESSION_GZIP, &gzip, SIZE, -EBADMSG, "the gzip checksum does not match");
    gzip.data[gzip.len - 8] ^= 1;
    gzip.data[gzip.len - 1] ^= 1;
    expect_refused(COMPRESSION_GZIP, &gzip, SIZE, -EBADMSG, "the gzip checksum does not match");
    gzip.data[gzip.len - 1] ^= 1;
    buf_add_str(&gzip, "garbage behind it");
    expect_refused(COMPRESSION_GZIP, &gzip, SIZE, -EBADMSG, "not a valid gzip stream");
    buf_add_str(&zstd, "garbage behind it");
    expect_refused(COMPRESSION_ZSTD, &zstd, SIZE, -EBADMSG, "not a valid zstd stream");
    expect_refused(COMPRESSION_GZIP, &data, SIZE, -EBADMSG, "not a valid gzip stream");
    expect_refused(COMPRESSION_ZSTD, &data, SIZE, -EBADMSG, "not a valid zstd stream");
}

static void test_limit(void **state)
{
    (void)state;
    for (Compression kind = COMPRESSION_GZIP; kind <= COMPRESSION_ZSTD; kind++) {
        _cleanup_buf_ Buf zeros = BUF_INIT, packed = BUF_INIT, out = BUF_INIT;
        memset(buf_reserve(&zeros, SIZE), 0, SIZE);
        zeros.len = SIZE;
        pack(kind, &zeros, &packed);
        assert_int_equal(inflate_all(kind, packed.data, packed.len, SIZE, &out, NULL), 0);
        expect_refused(kind, &packed, SIZE - 1, -EFBIG,
                       kind == COMPRESSION_GZIP ? "the gzip data unpack to more than is taken"
                                                : "the zstd data unpack to more than is taken");
    }
}

static int refuse(void *context, const void *data, size_t n)
{
    (void)data;
    (void)n;
    ++*(int *)context;
    return -ENOSPC;
}

static void test_sink_ends_it(void **state)
{
    (void)state;
    _cleanup_(inflater_freep)
    Inflater *i = NULL;
    int calls = 0;
    assert_int_equal(inflater_new(COMPRESSION_NONE, 100, refuse, &calls, &i, NULL), 0);
    assert_int_equal(inflater_feed(i, "abc", 3, NULL), -ENOSPC);
    assert_int_equal(calls, 1);
}

static void test_none(void **state)
{
    (void)state;
    _cleanup_buf_ Buf data = BUF_INIT, none = BUF_INIT, out = BUF_INIT;
    fill(&data, SIZE);
    expect_pieces(COMPRESSION_NONE, &data, &data, 300000);
    assert_int_equal(inflate_all(COMPRESSION_NONE, "", 0, 0, &out, NULL), 0);
    assert_int_equal(inflate_all(COMPRESSION_NONE, "ab", 2, 1, &none, NULL), -EFBIG);
}

static void test_gzip_is_deterministic(void **state)
{
    (void)state;
    _cleanup_buf_ Buf data = BUF_INIT, one = BUF_INIT;
    fill(&data, 1000);
    pack(COMPRESSION_GZIP, &data, &one);
    assert_memory_equal(one.data, "\x1f\x8b\x08\0\0\0\0\0", 8); /* no flags, no time */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_members_in_pieces),
                                       cmocka_unit_test(test_cut_anywhere),
                                       cmocka_unit_test(test_broken),
                                       cmocka_unit_test(test_limit),
                                       cmocka_unit_test(test_sink_ends_it),
                                       cmocka_unit_test(test_none),
                                       cmocka_unit_test(test_gzip_is_deterministic)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
