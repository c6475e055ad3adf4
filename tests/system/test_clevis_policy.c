/* What a config asks for and what a header was bound with: the same line. */
#include "../scratch.h"

#include "format/base64url.h"
#include "format/json.h"
#include "system/clevis_policy.h"

static Node *json(Arena *a, const char *text)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = "test", .text = text, .len = strlen(text)};
    Node *n;
    assert_int_equal(json_read(a, source, SEVERITY_ERROR, &n, &r), 0);
    return n;
}

typedef struct Case {
    const char *pin, *config, *policy;
} Case;
static const Case configs[] = {
    {"tang", "{\"url\":\"http://u:p@h:1/x/?token=1\"}", "tang(http://h:1/x)"},
    {"tang", "{}", "tang()"},
    {"tpm2", "{}", "tpm2(sha256 ecc)"},
    {"tpm2", "{\"pcr_ids\":\"1, 7\",\"key\":\"rsa\"}", "tpm2(sha256 rsa sha1:1,7)"},
    {"tpm2", "{\"pcr_ids\":[\"1\",7],\"pcr_bank\":\"sha256\"}", "tpm2(sha256 ecc sha256:1,7)"},
    {"sss", "{\"t\":2,\"pins\":{\"tpm2\":{},\"tang\":[{\"url\":\"http://b\"},{\"url\":\"http://a\"}]}}",
     "sss(2: tang(http://a), tang(http://b), tpm2(sha256 ecc))"},
    {"sss", "{\"t\":1,\"pins\":{\"sss\":{\"t\":1,\"pins\":{\"tpm2\":[{}]}}}}",
     "sss(1: sss(1: tpm2(sha256 ecc)))"},
    {"sss", "{\"pins\":3}", "sss(1:)"},
    {"sss", "[]", "sss(1:)"},
    {"pkcs11", "{\"uri\":\"secret\"}", "pkcs11"},
};

static void test_config(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    for (size_t i = 0; i < ELEMENTS(configs); i++)
        assert_string_equal(clevis_policy_of_config(a, configs[i].pin, json(a, configs[i].config)),
                            configs[i].policy);
}

static const char *jwe_of(Arena *a, const char *header)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    base64url_encode(header, strlen(header), &b);
    return arena_printf(a, "%s.a.b.c.d", b.data);
}

static void test_jwe(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const char *tang = jwe_of(a, "{\"clevis\":{\"pin\":\"tang\",\"tang\":{\"url\":\"http://a/\"}}}");
    const char *tpm =
        jwe_of(a, "{\"clevis\":{\"pin\":\"tpm2\",\"tpm2\":{\"hash\":\"sha256\",\"key\":\"ecc\"}}}");
    assert_string_equal(clevis_policy_of_jwe(a, node_new_string(a, tang)), "tang(http://a)");
    const char *both =
        jwe_of(a, arena_printf(a, "{\"clevis\":{\"pin\":\"sss\",\"sss\":{\"t\":1,\"jwe\":[\"%s\",\"%s\"]}}}",
                               tpm, tang));
    const char *policy = "sss(1: tang(http://a), tpm2(sha256 ecc))";
    assert_string_equal(clevis_policy_of_jwe(a, node_new_string(a, both)), policy);

    Node *unfolded = clevis_jwe_unfold(a, both, strlen(both));
    assert_string_equal(clevis_policy_of_jwe(a, unfolded), policy);
    assert_string_equal(clevis_jwe_fold(a, unfolded), both);
    assert_string_equal(node_string(node_get(unfolded, "tag")), "d");
    static const char *const wrong[] = {"", "a.b.c.d", "a.b.c.d.e.f", "."};
    for (size_t i = 0; i < ELEMENTS(wrong); i++)
        assert_null(clevis_jwe_unfold(a, wrong[i], strlen(wrong[i])));
    assert_null(clevis_jwe_fold(a, json(a, "{\"protected\":\"a\"}")));
    assert_null(clevis_jwe_fold(
        a, json(a, "{\"protected\":\"a\",\"iv\":\"$(x)\",\"ciphertext\":\"\",\"tag\":\"\"}")));
    assert_null(clevis_policy_of_jwe(a, node_new_string(a, "e30.a.b.c.d")));
    assert_null(clevis_policy_of_jwe(a, node_new_string(a, "!")));
    assert_null(clevis_policy_of_jwe(a, NULL));
}

static void test_base64url(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *text;
    } cases[] = {{"", ""}, {"\xfb\xff", "-_8"}, {"a", "YQ"}, {"abc", "YWJj"}};
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_buf_ Buf text = BUF_INIT, plain = BUF_INIT;
        base64url_encode(cases[i].plain, strlen(cases[i].plain), &text);
        assert_string_equal(text.data ? text.data : "", cases[i].text);
        assert_int_equal(base64url_decode(cases[i].text, strlen(cases[i].text), &plain), 0);
        assert_string_equal(plain.data ? plain.data : "", cases[i].plain);
    }
    static const char *const wrong[] = {"A", "+/8", "YQ==", "a b0"};
    for (size_t i = 0; i < ELEMENTS(wrong); i++) {
        _cleanup_buf_ Buf b = BUF_INIT;
        assert_int_equal(base64url_decode(wrong[i], strlen(wrong[i]), &b), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_jwe),
        cmocka_unit_test(test_base64url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
