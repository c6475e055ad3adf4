/* The way of the bytes: pieces of any size, with and without the second thread, begun anew, cut off, too
 * long, and somewhere that cannot be written. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "format/digest.h"
#include "provision/content.h"
#include "provision/go_flags.h"

enum { BIG = 3 << 20 };

static void big_fill(Buf *b, size_t n)
{
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        buf_add_char(b, (char)(i % 3 ? x >> 24 : 'a'));
    }
}

static const char *hash_of(const Buf *b, char out[256])
{
    strcpy(out, "sha512-");
    assert_int_equal(digest_hex(DIGEST_SHA512, b->data, b->len, out + 7, NULL), 0);
    return out;
}

static int feed_in_pieces(Content *c, const Buf *b, size_t piece)
{
    for (size_t at = 0; at < b->len; at += piece) {
        int r = content_feed(c, b->data + at, b->len - at < piece ? b->len - at : piece, NULL);
        if (r < 0)
            return r;
    }
    return content_finish(c, NULL);
}

static void test_pieces(void **state _unused_)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, BIG};
    static const size_t pieces[] = {1 << 20, 65536, 9973};

    for (size_t i = 0; i < ELEMENTS(sizes); i++) {
        _cleanup_buf_ Buf plain = BUF_INIT, packed = BUF_INIT;
        char hash[256];
        big_fill(&plain, sizes[i]);
        assert_int_equal(gzip_all(plain.data ? plain.data : "", plain.len, 1, &packed), 0);
        for (size_t k = 0; k < ELEMENTS(pieces) * 4; k++) {
            _cleanup_buf_ Buf got = BUF_INIT;
            _cleanup_(content_freep)
            Content *c = NULL;
            bool gzip = k & 1;
            const ContentSpec spec = {.fd = -EBADF,
                                      .buf = &got,
                                      .compression = gzip ? COMPRESSION_GZIP : COMPRESSION_NONE,
                                      .hash = k & 2 ? hash_of(&plain, hash) : NULL};
            assert_int_equal(content_new(&spec, &c, NULL), 0);
            assert_int_equal(feed_in_pieces(c, gzip ? &packed : &plain, pieces[k / 4]), 0);
            assert_int_equal(got.len, plain.len);
            if (plain.len)
                assert_memory_equal(got.data, plain.data, plain.len);
        }
    }
}

static void test_restart(void **state _unused_)
{
    _cleanup_buf_ Buf plain = BUF_INIT, got = BUF_INIT;
    _cleanup_(content_freep)
    Content *c = NULL;
    _cleanup_close_ int fd = memfd_create("content", MFD_CLOEXEC);
    char hash[256];

    big_fill(&plain, BIG);
    assert_int_equal(file_write_fd(fd, "before", 6), 0);
    const ContentSpec spec = {.fd = fd, .hash = hash_of(&plain, hash)};
    assert_int_equal(content_new(&spec, &c, NULL), 0);
    assert_int_equal(content_feed(c, plain.data, plain.len / 2, NULL), 0);
    assert_int_equal(content_restart(c, NULL), 0);
    assert_int_equal(content_feed(c, "x", 1, NULL), 0);
    assert_int_equal(content_restart(c, NULL), 0);
    assert_int_equal(feed_in_pieces(c, &plain, 100000), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(file_read_fd(fd, 2 * BIG, &got), 0);
    assert_int_equal(got.len, plain.len + 6);
    assert_memory_equal(got.data + 6, plain.data, plain.len);
}

static void test_refusals(void **state _unused_)
{
    _cleanup_buf_ Buf plain = BUF_INIT, packed = BUF_INIT, got = BUF_INIT;
    char hash[256];
    Content *c;

    big_fill(&plain, BIG);
    assert_int_equal(gzip_all(plain.data, plain.len, 1, &packed), 0);
    static const char *const bad[] = {"sha512-00", "md5-00", "sha512", "sha256-zz"};
    for (size_t i = 0; i < ELEMENTS(bad); i++)
        assert_int_equal(content_new(&(ContentSpec){.fd = -EBADF, .buf = &got, .hash = bad[i]}, &c, NULL),
                         -EINVAL);

    assert_int_equal(
        content_new(&(ContentSpec){.fd = -EBADF, .buf = &got, .hash = hash_of(&packed, hash)}, &c, NULL), 0);
    assert_int_equal(feed_in_pieces(c, &plain, 65536), -EBADMSG);
    content_free(c);

    packed.len -= 9;
    ContentSpec spec = {
        .fd = -EBADF, .buf = &got, .hash = hash_of(&plain, hash), .compression = COMPRESSION_GZIP};
    assert_int_equal(content_new(&spec, &c, NULL), 0);
    assert_int_equal(feed_in_pieces(c, &packed, 65536), -EBADMSG);
    content_free(c);

    spec.max = BIG / 2;
    assert_int_equal(content_new(&spec, &c, NULL), 0);
    assert_int_equal(feed_in_pieces(c, &packed, 65536), -EFBIG);
    content_free(c);
}

static void test_disk_full(void **state _unused_)
{
    _cleanup_buf_ Buf plain = BUF_INIT;
    _cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    char hash[256];
    Content *c;

    if (full < 0)
        skip();
    big_fill(&plain, BIG);
    for (int hashed = 0; hashed < 2; hashed++) {
        const ContentSpec spec = {.fd = full, .hash = hashed ? hash_of(&plain, hash) : NULL};
        assert_int_equal(content_new(&spec, &c, NULL), 0);
        assert_int_equal(feed_in_pieces(c, &plain, 10000), -ENOSPC);
        content_free(c);
    }
}

static void test_durations(void **state _unused_)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {{"0", 0},
                {"2m0s", 120000000000},
                {"1h2m3.5s", 3723500000000},
                {"1.5ms", 1500000},
                {".5s", 500000000},
                {"-1s", -1000000000},
                {"+10us", 10000},
                {"3µs", 3000},
                {"7ns", 7},
                {"1m1m", 120000000000}};
    static const char *const bad[] = {"", "1", "s", "1x", "-", "1m2", ".s", "99999999999h", "1 s"};
    int64_t ns;

    for (size_t i = 0; i < ELEMENTS(good); i++) {
        assert_int_equal(go_duration_parse(good[i].text, &ns), 0);
        assert_int_equal(ns, good[i].ns);
    }
    for (size_t i = 0; i < ELEMENTS(bad); i++)
        assert_true(go_duration_parse(bad[i], &ns) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),    cmocka_unit_test(test_restart),   cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_disk_full), cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
