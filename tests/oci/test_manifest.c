/* The bounds that no text in a golden test would show: bytes, values, layers. And the host. */
#include "../scratch.h"

#include "oci/manifest.h"

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEAD                                                                                                 \
    "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" MEDIA_OCI_CONFIG                                     \
    "\",\"size\":0,\"digest\":\"" DIGEST "\"},\"layers\":["
#define LAYER                                                                                                \
    "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"size\":0,\"digest\":\"" DIGEST "\"}"

static int read_text(const Buf *text, Manifest *m, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    return manifest_read(a, &(ManifestText){.data = text->data, .n = text->len}, m, e);
}

static Buf with_layers(unsigned n)
{
    Buf b = BUF_INIT;
    buf_add_str(&b, HEAD);
    for (unsigned i = 0; i < n; i++)
        buf_addf(&b, "%s" LAYER, i ? "," : "");
    buf_add_str(&b, "]}");
    return b;
}

static void test_layers(void **state)
{
    (void)state;
    Manifest m;
    Error e = ERROR_INIT;
    _cleanup_buf_ Buf most = with_layers(MANIFEST_LAYERS_MAX), more = with_layers(MANIFEST_LAYERS_MAX + 1);
    assert_int_equal(read_text(&most, &m, &e), 0);
    assert_int_equal(m.n_items, MANIFEST_LAYERS_MAX);
    assert_int_equal(read_text(&more, &m, &e), -EINVAL);
    assert_non_null(strstr(e.text, "513 layers"));
}

/* CVE-2020-1702, CVE-2023-25153 */
static void test_bytes(void **state)
{
    (void)state;
    Manifest m;
    Error e = ERROR_INIT;
    _cleanup_buf_ Buf b = with_layers(1);
    while (b.len < MANIFEST_SIZE_MAX)
        buf_add_char(&b, ' ');
    assert_int_equal(read_text(&b, &m, &e), 0);
    buf_add_char(&b, ' ');
    assert_int_equal(read_text(&b, &m, &e), -EFBIG);
}

/* Four megabytes of "[]," would take a hundred of memory. */
static void test_values(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Manifest m;
    Error e = ERROR_INIT;
    _cleanup_buf_ Buf b = BUF_INIT;
    buf_add_str(&b, "{\"x\":[0");
    while (b.len < MANIFEST_SIZE_MAX - 10)
        buf_add_str(&b, ",[]");
    buf_add_str(&b, "]}");
    assert_int_equal(manifest_read(a, &(ManifestText){.data = b.data, .n = b.len}, &m, &e), -EINVAL);
    assert_non_null(strstr(e.text, "values"));
    assert_true(arena_used(a) < 20 << 20);
}

/* What a registry says of the content decides nothing: the digest is made of the bytes (CVE-2014-8179). */
static void test_digest(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = with_layers(2);
    Manifest m;
    ContentDigest own;
    ManifestText t = {.data = b.data, .n = b.len};
    assert_int_equal(manifest_read(a, &t, &m, NULL), 0);
    assert_int_equal(content_digest_of(DIGEST_SHA256, b.data, b.len, &own, NULL), 0);
    assert_string_equal(m.digest.text, own.text);
    assert_memory_equal(m.bytes, b.data, b.len);
    assert_ptr_not_equal(m.bytes, b.data);
    t.digest = DIGEST_SHA512;
    assert_int_equal(manifest_read(a, &t, &m, NULL), 0);
    assert_string_equal(content_digest_algorithm(&m.digest), "sha512");
}

static void test_host(void **state)
{
    (void)state;
    Platform host, none = platform_of_machine("vax");
    assert_int_equal(platform_of_host(&host, NULL), 0);
    assert_string_equal(host.os, "linux");
    assert_true(platform_fits(&host, &host) > 0);
    assert_null(none.architecture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_layers), cmocka_unit_test(test_bytes),
                                       cmocka_unit_test(test_values), cmocka_unit_test(test_digest),
                                       cmocka_unit_test(test_host)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
