/* One small archive, in every compression and every cut, with each of its digests right and wrong. */
#include "../scratch.h"

#include "update/layer_unpack.h"

typedef struct Seen {
    unsigned entries, ends;
    uint64_t bytes;
    int answer; /* of the sink */
} Seen;

static int entry(void *context, const TarEntry *one, Error *e)
{
    Seen *s = context;
    (void)one;
    s->entries++;
    return s->answer < 0 ? error_set(e, -s->answer, "the sink's own words") : 0;
}

static int data(void *context, const void *bytes, size_t n, Error *e)
{
    (void)bytes;
    (void)e;
    ((Seen *)context)->bytes += n;
    return 0;
}

static int end(void *context, Error *e)
{
    (void)e;
    ((Seen *)context)->ends++;
    return 0;
}

static const TarSink sink = {entry, data, end};

/* An entry "x" of 1000 bytes, the end, and some padding, as tar writes it. */
static void archive_make(char out[10240])
{
    unsigned sum = 0;

    memset(out, 0, 10240);
    strcpy(out, "x");
    strcpy(out + 100, "0000644");
    strcpy(out + 108, "0000000");
    strcpy(out + 116, "0000000");
    strcpy(out + 124, "00000001750");
    strcpy(out + 136, "00000000000");
    memset(out + 148, ' ', 8);
    out[156] = '0';
    memcpy(out + 257, "ustar\00000", 8);
    for (unsigned i = 0; i < 512; i++)
        sum += (unsigned char)out[i];
    snprintf(out + 148, 8, "%06o", sum);
    memset(out + 512, 'y', 1000);
}

typedef struct Given {
    Descriptor blob;
    ContentDigest diff_id;
    Buf bytes;
    LayerUnpackOptions options;
} Given;

static void given_make(Given *g, bool gzip)
{
    char archive[10240];

    *g = (Given){0};
    archive_make(archive);
    if (gzip)
        assert_int_equal(gzip_all(archive, sizeof(archive), 6, &g->bytes), 0);
    else
        buf_add(&g->bytes, archive, sizeof(archive));
    g->blob.media_type =
        gzip ? "application/vnd.oci.image.layer.v1.tar+gzip" : "application/vnd.oci.image.layer.v1.tar";
    g->blob.size = g->bytes.len;
    assert_int_equal(content_digest_of(DIGEST_SHA256, g->bytes.data, g->bytes.len, &g->blob.digest, NULL), 0);
    assert_int_equal(content_digest_of(DIGEST_SHA256, archive, sizeof(archive), &g->diff_id, NULL), 0);
    g->options = (LayerUnpackOptions){.blob = &g->blob, .diff_id = &g->diff_id};
}

static int unpack(const Given *g, size_t n, size_t piece, Seen *seen, Error *e)
{
    _cleanup_(layer_unpack_freep)
    LayerUnpack *u = NULL;
    int r = layer_unpack_new(&g->options, &sink, seen, &u, e);

    for (size_t at = 0; r >= 0 && at < n; at += piece)
        r = layer_unpack_feed(u, g->bytes.data + at, n - at < piece ? n - at : piece, e);
    return r < 0 ? r : layer_unpack_finish(u, e);
}

static void test_good(void **state)
{
    static const size_t pieces[] = {1, 7, 512, 4096, 100000};
    (void)state;

    for (int gzip = 0; gzip < 2; gzip++)
        for (size_t i = 0; i < ELEMENTS(pieces); i++) {
            Given g;
            Seen seen = {0};
            given_make(&g, gzip);
            assert_int_equal(unpack(&g, g.bytes.len, pieces[i], &seen, NULL), 0);
            assert_int_equal(seen.entries, 1);
            assert_int_equal(seen.bytes, 1000);
            assert_int_equal(seen.ends, 1);
            buf_done(&g.bytes);
        }
}

static void refused(Given *g, size_t n, int code, const char *said)
{
    Error e = ERROR_INIT;
    Seen seen = {0};

    int r = unpack(g, n, 100, &seen, &e);
    if (r != code || !strstr(e.text, said))
        fail_msg("%d: %s", r, e.text);
    assert_int_equal(e.code, -code);
    buf_done(&g->bytes);
}

static void test_wrong(void **state)
{
    Given g;
    (void)state;

    given_make(&g, true);
    g.blob.digest = g.diff_id;
    refused(&g, g.bytes.len, -EBADMSG, "the layer's digest should be");
    given_make(&g, true);
    g.blob.digest = g.diff_id;
    g.options.verified = true;
    assert_int_equal(unpack(&g, g.bytes.len, 100, &(Seen){0}, NULL), 0);
    g.diff_id = (ContentDigest){0};
    assert_int_equal(content_digest_of(DIGEST_SHA512, "x", 1, &g.diff_id, NULL), 0);
    refused(&g, g.bytes.len, -EBADMSG, "the layer's diff_id should be sha512:");
    given_make(&g, true);
    g.blob.size++;
    refused(&g, g.bytes.len, -EBADMSG, "and should have");
    given_make(&g, true);
    g.blob.size--;
    refused(&g, g.bytes.len, -EBADMSG, "more than its");
    given_make(&g, true);
    g.options.max = 10239;
    refused(&g, g.bytes.len, -EFBIG, "more than is taken");
    given_make(&g, false);
    g.blob.media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    refused(&g, g.bytes.len, -EBADMSG, "gzip");
    given_make(&g, true);
    g.blob.media_type = "application/vnd.oci.image.layer.v1.tar+encrypted";
    refused(&g, g.bytes.len, -ENOTSUP, "");
    given_make(&g, false);
    g.bytes.data[148] ^= 1;
    g.options.verified = true;
    refused(&g, g.bytes.len, -EBADMSG, "no header");
}

/* Every cut, by one who verified nothing and said so, or did not. */
static void test_cut(void **state)
{
    (void)state;

    for (int gzip = 0; gzip < 2; gzip++) {
        Given whole;
        given_make(&whole, gzip);
        for (size_t n = 0; n < whole.bytes.len; n += gzip ? 1 : 100) {
            Given g = whole;
            Seen seen = {0};
            assert_int_equal(unpack(&g, n, 64, &seen, NULL), -EBADMSG);
            g.blob.size = n;
            g.options.blob = &g.blob;
            g.options.verified = true;
            assert_int_equal(unpack(&g, n, 64, &seen, NULL), -EBADMSG);
        }
        buf_done(&whole.bytes);
    }
}

static void test_sink_fails(void **state)
{
    Given g;
    Error e = ERROR_INIT;
    Seen seen = {.answer = -EDOM};
    (void)state;

    given_make(&g, true);
    assert_int_equal(unpack(&g, g.bytes.len, 64, &seen, &e), -EDOM);
    assert_string_equal(e.text, "the sink's own words");
    buf_done(&g.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_sink_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
