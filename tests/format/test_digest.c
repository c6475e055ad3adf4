/* Published vectors (RFC 1321, FIPS 180-4), pieces against the whole, hex. */
#include "../scratch.h"

#include "format/digest.h"

static void test_vectors(void **state)
{
    (void)state;
    static const struct {
        DigestKind kind;
        const char *text, *hex;
    } rows[] = {
        {DIGEST_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72"},
        {DIGEST_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {DIGEST_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {DIGEST_SHA512, "abc",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char hex[2 * DIGEST_SIZE_MAX + 1];
        assert_int_equal(digest_hex(rows[i].kind, rows[i].text, strlen(rows[i].text), hex, NULL), 0);
        assert_string_equal(hex, rows[i].hex);
        assert_int_equal(strlen(hex), 2 * digest_size(rows[i].kind));
    }
}

static void test_pieces(void **state)
{
    (void)state;
    _cleanup_(digest_freep)
    Digest *d = NULL;
    uint8_t out[DIGEST_SIZE_MAX], whole[32];
    assert_int_equal(digest_new(DIGEST_SHA256, &d, NULL), 0);
    digest_update(d, "a", 1);
    digest_update(d, "", 0);
    digest_update(d, "bc", 2);
    assert_int_equal(digest_finish(d, out), 32);
    assert_true(hex_decode("BA7816BF8F01CFEA414140de5dae2223b00361a396177a9cb410ff61f20015ad", 64, whole));
    assert_memory_equal(out, whole, 32);
}

static void test_hex(void **state)
{
    (void)state;
    uint8_t out[2] = {0};
    char text[5];
    assert_true(hex_decode("0aFf", 4, out));
    assert_memory_equal(out, "\x0a\xff", 2);
    assert_true(hex_decode("", 0, out));
    assert_false(hex_decode("0", 1, out));
    assert_false(hex_decode("0g", 2, out));
    assert_false(hex_decode("0`", 2, out));
    assert_false(hex_decode("\x10\x11", 2, out)); /* digits with one bit off */
    hex_encode((const uint8_t *)"\x0a\xff", 2, text);
    assert_string_equal(text, "0aff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_pieces),
                                       cmocka_unit_test(test_hex)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
