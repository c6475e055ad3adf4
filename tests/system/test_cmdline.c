/* Splitting as the kernel does and as Ignition does, look-ups, edits. */
#include "../scratch.h"

#include "system/cmdline.h"

static void expect_words(const char *text, CmdlineSplit how, const char *const *expected)
{
    _cleanup_arena_ Arena *a = arena_new();
    CmdlineWords w = cmdline_split(a, text, how);
    size_t i = 0;
    for (; expected[i]; i++) {
        assert_true(i < w.n);
        assert_string_equal(w.words[i], expected[i]);
    }
    assert_int_equal(w.n, i);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void test_split(void **state)
{
    (void)state;
    expect_words("", CMDLINE_QUOTED, WORDS());
    expect_words("  \n", CMDLINE_PLAIN, WORDS());
    expect_words(" a  b=c\n", CMDLINE_QUOTED, WORDS("a", "b=c"));
    expect_words("x=\"a b\" c", CMDLINE_QUOTED, WORDS("x=\"a b\"", "c"));
    expect_words("x=\"a b\" c", CMDLINE_PLAIN, WORDS("x=\"a", "b\"", "c"));
    expect_words("\"x=a b\" c", CMDLINE_QUOTED, WORDS("\"x=a b\"", "c"));
    expect_words("x=\"a b c", CMDLINE_QUOTED, WORDS("x=\"a b c"));
}

static void test_last(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const char *line = "u=1 ux=9 quiet u=2 v=\"p q\" \"w=r s\" e=";
    assert_string_equal(cmdline_last(a, line, CMDLINE_QUOTED, "u"), "2");
    assert_string_equal(cmdline_last(a, line, CMDLINE_QUOTED, "quiet"), "");
    assert_string_equal(cmdline_last(a, line, CMDLINE_QUOTED, "e"), "");
    assert_string_equal(cmdline_last(a, line, CMDLINE_QUOTED, "v"), "p q");
    assert_string_equal(cmdline_last(a, line, CMDLINE_QUOTED, "w"), "r s");
    assert_string_equal(cmdline_last(a, line, CMDLINE_PLAIN, "v"), "\"p");
    assert_null(cmdline_last(a, line, CMDLINE_QUOTED, "qui"));
    assert_null(cmdline_last(a, line, CMDLINE_PLAIN, "w"));
}

typedef struct EditCase {
    const char *before, *add[3], *drop[3], *after; /* after NULL: no change */
} EditCase;

static const EditCase edits[] = {
    {"root=/dev/sda quiet", {"nosmt"}, {NULL}, "root=/dev/sda quiet nosmt"},
    {"a  quiet", {"quiet"}, {NULL}, NULL},
    {"a quiet b quiet", {NULL}, {"quiet"}, "a b"},
    {"a quiet=1", {NULL}, {"quiet"}, NULL},
    {"a", {"b c", "b"}, {NULL}, "a b c"},
    {"a", {"x=\"1 2\""}, {NULL}, "a x=\"1 2\""},
    {"a x=\"1 2\" b", {"x=\"1 2\""}, {NULL}, NULL},
    {"a x=\"1 2\" b", {NULL}, {"x=\"1 2\""}, "a b"},
    {"a", {"b"}, {"a"}, "b"},
    {"", {"b"}, {NULL}, "b"},
    {"console=tty0 console=ttyS0", {"console=ttyS1"}, {"console=tty0"}, "console=ttyS0 console=ttyS1"},
};

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (n < 3 && list[n])
        n++;
    return n;
}

static void test_edit(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(edits); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        const EditCase *c = &edits[i];
        const CmdlineEdit edit = {c->add, count(c->add), c->drop, count(c->drop)};
        const char *result = NULL;
        assert_int_equal(cmdline_edit(a, c->before, &edit, &result), c->after != NULL);
        assert_string_equal(result, c->after ? c->after : c->before);
        const char *again = NULL; /* an edit that was done asks for nothing more */
        assert_int_equal(cmdline_edit(a, result, &edit, &again), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_split), cmocka_unit_test(test_last),
                                       cmocka_unit_test(test_edit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
