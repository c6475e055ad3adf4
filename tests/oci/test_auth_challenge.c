/* The headers that registries send, and those that nobody should. */
#include "../scratch.h"

#include "oci/auth_challenge.h"

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        AuthScheme scheme;
        const char *realm, *service, *scope;
    } rows[] = {
        {"Bearer realm=\"https://a.b/t\",service=\"s\",scope=\"repository:x:pull\"", AUTH_BEARER,
         "https://a.b/t", "s", "repository:x:pull"},
        {"bearer REALM=\"r\" , Service = s ,error=\"invalid_token\"", AUTH_BEARER, "r", "s", ""},
        {"Bearer realm=\"a \\\"b\\\" \\\\\"", AUTH_BEARER, "a \"b\" \\", "", ""},
        {"Bearer realm=https://a.b/t,service=s", AUTH_BEARER, "https://a.b/t", "s", ""},
        {"Basic realm=\"x\"", AUTH_BASIC, "x", "", ""},
        {"Basic", AUTH_BASIC, "", "", ""},
        {"Basic realm=\"a, b\", Bearer realm=\"r\",service=\"s\"", AUTH_BEARER, "r", "s", ""},
        {"Bearer realm=\"r\",service=\"s\", Basic realm=\"x\"", AUTH_BEARER, "r", "s", ""},
        {"Digest realm=\"x\", nonce=\"y\", Basic realm=\"z\"", AUTH_BASIC, "z", "", ""},
        {"Bearer", AUTH_NONE, "", "", ""},
        {"Bearer service=\"s\"", AUTH_NONE, "", "", ""},
        {"Bearer realm=\"r", AUTH_NONE, "", "", ""},
        {"Bearer realm=\"a\tb\"", AUTH_NONE, "", "", ""},
        {"Bearer realm=\"a\x7f\"", AUTH_NONE, "", "", ""},
        {"Negotiate YWJj==", AUTH_NONE, "", "", ""},
        {"", AUTH_NONE, "", "", ""},
        {",,,", AUTH_NONE, "", "", ""},
        {"=", AUTH_NONE, "", "", ""},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        AuthChallenge c = {0};
        print_message("%s\n", rows[i].text);
        auth_challenge_read(rows[i].text, strlen(rows[i].text), &c);
        assert_int_equal(c.scheme, rows[i].scheme);
        assert_string_equal(c.realm, rows[i].realm);
        assert_string_equal(c.service, rows[i].service);
        assert_string_equal(c.scope, rows[i].scope);
    }
}

/* A realm that had to be cut would be another server. */
static void test_long(void **state)
{
    (void)state;
    char text[2000] = "Bearer realm=\"";
    AuthChallenge c = {0};
    memset(text + 14, 'a', 1023);
    strcpy(text + 14 + 1023, "\"");
    auth_challenge_read(text, strlen(text), &c);
    assert_int_equal(strlen(c.realm), 1023);
    strcpy(text + 14 + 1023, "a\"");
    c = (AuthChallenge){0};
    auth_challenge_read(text, strlen(text), &c);
    assert_int_equal(c.scheme, AUTH_NONE);
}

/* Two headers of one answer: the better one counts, whichever comes first. */
static void test_two(void **state)
{
    (void)state;
    AuthChallenge c = {0};
    auth_challenge_read("Bearer realm=\"r\"", 16, &c);
    auth_challenge_read("Basic realm=\"x\"", 15, &c);
    assert_int_equal(c.scheme, AUTH_BEARER);
    assert_string_equal(c.realm, "r");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_long),
                                       cmocka_unit_test(test_two)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
