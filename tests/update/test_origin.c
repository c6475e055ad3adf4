/* Key files: what is not changed stays as it was written. */
#include "../scratch.h"

#include "update/origin.h"
#include "update/os_release.h"

static const char text[] = "# how it came\n"
                           "[origin]\n"
                           "refspec=os/stable\n"
                           "container-image-reference = ostree-unverified-registry:quay.io/x \n"
                           "unlocked=hotfix\n"
                           "\n"
                           "[packages]\n"
                           "requested=vim;htop;\n"
                           "quoted=\\s a\\\\b\\nc\n"
                           "\n"
                           "[libostree-transient]\n"
                           "pinned=true\n";

static Origin parsed(Arena *a, const char *s)
{
    Origin o;
    Error e = ERROR_INIT;
    if (origin_parse(a, "x.origin", s, strlen(s), &o, &e) < 0)
        fail_msg("%s", e.text);
    return o;
}

static void assert_text(const Origin *o, const char *expected)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    origin_encode(o, &b);
    assert_string_equal(b.data ? b.data : "", expected);
}

static void reads(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Origin o = parsed(a, text);

    assert_text(&o, text);
    assert_string_equal(origin_get(&o, ORIGIN_GROUP, ORIGIN_REFSPEC), "os/stable");
    assert_string_equal(origin_get(&o, ORIGIN_GROUP, ORIGIN_IMAGE), "ostree-unverified-registry:quay.io/x");
    assert_string_equal(origin_get(&o, "packages", "quoted"), "  a\\b\nc");
    assert_true(origin_get_bool(&o, ORIGIN_TRANSIENT, "pinned"));
    assert_null(origin_get(&o, "packages", "pinned"));
    assert_false(origin_get_bool(&o, ORIGIN_GROUP, "refspec"));
    o = parsed(a, "[a]\nk=1\n[b]\nk=2\n[a]\nk=3\n");
    assert_string_equal(origin_get(&o, "a", "k"), "3");
    o = parsed(a, "");
    assert_null(origin_get(&o, "a", "k"));
}

static void changes(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Origin o = parsed(a, text), c;

    assert_int_equal(origin_set(&o, ORIGIN_GROUP, ORIGIN_REFSPEC, "os/next"), 0);
    assert_int_equal(origin_set(&o, "packages", "local", " \\x\n"), 0);
    assert_string_equal(origin_get(&o, "packages", "local"), " \\x\n");
    c = origin_copy(a, &o);
    origin_forget_transient(&c);
    assert_text(&c, "# how it came\n"
                    "[origin]\n"
                    "refspec=os/next\n"
                    "container-image-reference = ostree-unverified-registry:quay.io/x \n"
                    "\n"
                    "[packages]\n"
                    "requested=vim;htop;\n"
                    "quoted=\\s a\\\\b\\nc\n"
                    "local=\\s\\\\x\\n\n"
                    "\n");
    assert_true(origin_get_bool(&o, ORIGIN_TRANSIENT, "pinned")); /* the copy is one */
    assert_int_equal(origin_set(&o, ORIGIN_TRANSIENT, "pinned", NULL), 0);
    assert_false(origin_get_bool(&o, ORIGIN_TRANSIENT, "pinned"));
    o = (Origin){.arena = a};
    assert_int_equal(origin_set(&o, "g", "k", "v"), 0);
    assert_text(&o, "[g]\nk=v\n");
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"k=v\n", "line 1 "}, {"[g]\nword\n", "line 2 "}, {"[g\n", "line 1 "},
        {"[]\n", "line 1 "},  {"[g]\n=v\n", "line 2 "},
    };
    _cleanup_arena_ Arena *a = arena_new();
    Origin o;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Error e = ERROR_INIT;
        assert_int_equal(origin_parse(a, "f", rows[i].text, strlen(rows[i].text), &o, &e), -EBADMSG);
        assert_non_null(strstr(e.text, rows[i].why));
    }
    assert_int_equal(origin_parse(a, "f", "[g]\0", 4, &o, NULL), -EBADMSG);
    char *many = arena_alloc(a, 2 * ORIGIN_LINES_MAX + 3);
    memset(many, '\n', 2 * ORIGIN_LINES_MAX + 2);
    assert_int_equal(origin_parse(a, "f", many, strlen(many), &o, NULL), -EFBIG);
    o = (Origin){.arena = a};
    int r = 0, n = 0;
    for (; r >= 0 && n < 2 * ORIGIN_LINES_MAX; n++)
        r = origin_set(&o, "g", arena_printf(a, "k%d", n), "v");
    assert_int_equal(r, -E2BIG);
}

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *text, *value;
    } rows[] = {
        {"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n", "Debian GNU/Linux 12 (bookworm)"},
        {"A=1\nPRETTY_NAME=plain", "plain"},
        {"PRETTY_NAME='a\\b'\"c\\\"d\"e\\ f g\n", "a\\bc\"de f"},
        {"PRETTY_NAME=\"open\n", NULL},
        {"#PRETTY_NAME=x\n", NULL},
        {"XPRETTY_NAME=x\nPRETTY_NAMEX=y\n", NULL},
        {"PRETTY_NAME=a\nPRETTY_NAME=b\n", "b"},
        {"PRETTY_NAME=\"a\033[31m\tb\"\n", "a[31mb"},
    };
    _cleanup_arena_ Arena *a = arena_new();

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const char *v = os_release_parse(a, rows[i].text, "PRETTY_NAME");
        if (rows[i].value)
            assert_string_equal(v, rows[i].value);
        else
            assert_null(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads), cmocka_unit_test(changes),
                                       cmocka_unit_test(refuses), cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
