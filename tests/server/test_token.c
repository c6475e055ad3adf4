/* Who may fetch what, and until when. */
#include "../scratch.h"
#include "format/digest.h"
#include "format/json.h"
#include "server/token.h"

enum { NOW = 1000000000 }; /* 2001-09-09T01:46:40Z */

static void digest_of(const char *token, char hex[2 * DIGEST_SIZE_MAX + 1])
{
    assert_int_equal(digest_hex(DIGEST_SHA256, token, strlen(token), hex, NULL), 0);
}

static Node *add(Arena *a, Node *list, const char *token, const char *role, const char *expires)
{
    char hex[2 * DIGEST_SIZE_MAX + 1];
    digest_of(token, hex);
    Node *t = node_append(list, node_new(a, NODE_OBJECT));
    node_set_string(a, t, "sha256", hex);
    node_set_string(a, t, "role", role);
    node_set_string(a, t, "expires", expires);
    return t;
}

static void test_verdicts(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Node *list = node_new(a, NODE_ARRAY);
    add(a, list, "good", "worker", "2001-09-09T01:46:41Z");
    add(a, list, "just-over", "worker", "2001-09-09T01:46:40Z");
    add(a, list, "no-time", "worker", "tomorrow");
    add(a, list, "half-time", "worker", "2999-01-01T00:00:00Z and a bit");
    add(a, list, "timeless", "worker", NULL);
    add(a, list, "renewed", "worker", "2000-01-01T00:00:00Z");
    add(a, list, "renewed", "worker", "2002-01-01T00:00:00Z");
    add(a, list, "both", "worker", "2002-01-01T00:00:00Z");
    add(a, list, "both", "master", "2002-01-01T00:00:00Z");
    add(a, list, "roleless", NULL, "2002-01-01T00:00:00Z");
    node_append(list, node_new(a, NODE_NULL));
    const struct {
        const char *token, *pool;
        TokenVerdict verdict;
    } rows[] = {
        {NULL, "worker", TOKEN_NONE},           {"", "worker", TOKEN_NONE},
        {"good", "worker", TOKEN_GOOD},         {"good", "master", TOKEN_WRONG_ROLE},
        {"good ", "worker", TOKEN_UNKNOWN},     {"GOOD", "worker", TOKEN_UNKNOWN},
        {"just-over", "worker", TOKEN_EXPIRED}, {"no-time", "worker", TOKEN_EXPIRED},
        {"half-time", "worker", TOKEN_EXPIRED}, {"timeless", "worker", TOKEN_EXPIRED},
        {"renewed", "worker", TOKEN_GOOD},      {"both", "worker", TOKEN_GOOD},
        {"both", "master", TOKEN_GOOD},         {"roleless", "worker", TOKEN_UNKNOWN},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char mark[9], hex[2 * DIGEST_SIZE_MAX + 1];
        TokenVerdict got = token_check(list, rows[i].token, rows[i].pool, NOW, mark);
        if (got != rows[i].verdict)
            fail_msg("%s for %s: %s", rows[i].token, rows[i].pool, token_verdict_text(got));
        if (got == TOKEN_NONE) {
            assert_string_equal(mark, "");
            continue;
        }
        digest_of(rows[i].token, hex);
        hex[8] = '\0';
        assert_string_equal(mark, hex);
    }
}

static void test_digest_is_no_token(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Node *list = node_new(a, NODE_ARRAY);
    char mark[9], hex[2 * DIGEST_SIZE_MAX + 1];
    add(a, list, "good", "worker", "2999-01-01T00:00:00Z");
    digest_of("good", hex);
    assert_int_equal(token_check(list, hex, "worker", NOW, mark), TOKEN_UNKNOWN);
}

static void test_no_list(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    char mark[9];
    assert_int_equal(token_check(NULL, "good", "worker", NOW, mark), TOKEN_UNKNOWN);
    assert_int_equal(token_check(node_new(a, NODE_NULL), "good", "worker", NOW, mark), TOKEN_UNKNOWN);
    assert_int_equal(token_check(node_new(a, NODE_ARRAY), "good", "worker", NOW, mark), TOKEN_UNKNOWN);
}

static void expect_refused(Arena *a, const Node *list, const char *wanted)
{
    (void)a;
    Error e = ERROR_INIT;
    assert_int_equal(token_list_check(list, &e), -EBADMSG);
    if (!strstr(e.text, wanted))
        fail_msg("'%s' is not in: %s", wanted, e.text);
}

static void test_list(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Node *list = node_new(a, NODE_ARRAY);
    assert_int_equal(token_list_check(list, NULL), 0);
    add(a, list, "good", "worker", "2999-01-01T00:00:00Z");
    assert_int_equal(token_list_check(list, NULL), 0);
    Node *second = add(a, list, "other", "worker", "2999-01-01");
    expect_refused(a, list, "tokens.1.expires");
    node_set_string(a, second, "expires", "2020-02-20T20:20:20Z");
    assert_int_equal(token_list_check(list, NULL), 0); /* an expired one is in order */
    node_set_string(a, second, "role", "");
    expect_refused(a, list, "tokens.1.role");
    node_set_string(a, second, "role", "worker");
    node_set_string(a, second, "sha256", "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF");
    expect_refused(a, list, "tokens.1.sha256");
    node_append(list, node_new(a, NODE_NULL));
    expect_refused(a, list, "tokens.1.sha256"); /* the first one is told */
    expect_refused(a, NULL, "no list");
    expect_refused(a, node_new(a, NODE_OBJECT), "no list");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_digest_is_no_token),
        cmocka_unit_test(test_no_list),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
