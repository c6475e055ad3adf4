/* Advertisements: the keys that sign, their thumbprints (the first one is RFC 7638's own example), and what
 * is none. */
#include "../scratch.h"

#include "format/base64url.h"
#include "provision/tang_advertisement.h"

static const char rfc_key[] =
    "{\"kty\":\"RSA\",\"n\":"
    "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
    "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL"
    "5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
    "kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\","
    "\"alg\":\"RS256\",\"key_ops\":[\"verify\"]}";
static const char rfc_thumbprint[] = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

static const char *advertise(Arena *a, const char *keys)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    const char *payload = arena_printf(a, "{\"keys\":[%s]}", keys);
    base64url_encode(payload, strlen(payload), &b);
    return arena_printf(a, "{\"payload\":\"%s\",\"protected\":\"x\",\"signature\":\"y\"}", b.data);
}

static void test_thumbprint(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(string_list_done)
    StringList l = {0};
    Error e = ERROR_INIT;
    Node *root;
    const char *derive =
        "{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"a\",\"y\":\"b\",\"key_ops\":[\"deriveKey\"]}";
    const char *text = advertise(
        a, arena_printf(a, "%s,%s,3,{},{\"kty\":\"EC\",\"key_ops\":[\"verify\"]}", derive, rfc_key));
    assert_int_equal(tang_advertisement_read(a, text, strlen(text), &root, &l, &e), 0);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.items[0], rfc_thumbprint);
    assert_int_equal(tang_advertisement_has(a, root, rfc_thumbprint, &e), 1);
    assert_int_equal(tang_advertisement_has(a, root, "fY0Hc4sfUF4P29CjBz5bKUQVFsM", &e), 0);
    assert_int_equal(tang_advertisement_has(a, root, "", &e), 0);
}

static void test_wrong(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "[]",
                                        "{}",
                                        "{\"payload\":1}",
                                        "{\"payload\":\"!\"}",
                                        "{\"payload\":\"\"}",
                                        "{\"payload\":\"e30\"}",
                                        "{\"payload\":\"W10\"}",
                                        "<html>"};
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_(string_list_done)
        StringList l = {0};
        Error e = ERROR_INIT;
        Node *root;
        assert_int_equal(tang_advertisement_read(a, texts[i], strlen(texts[i]), &root, &l, &e), -EINVAL);
        assert_string_equal(e.text, "this is not the advertisement of a Tang server");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_thumbprint), cmocka_unit_test(test_wrong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
