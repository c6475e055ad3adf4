/* The reader of unit files: what it reads, and the words with which it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ignition/unit_text.h"

static void options_in_order(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    UnitOption *o = NULL;
    const char *text = "; comment\nbefore = ignored\n[Unit]\n# c \\\nnot an option\n A = 1 \r\nA=2\n\n"
                       "[Mount]\nWhere=/a\\\n  b\nWhat=\n";

    assert_int_equal(unit_text_read(a, text, &o, NULL), 0);
    assert_string_equal(o->section, "Unit");
    assert_string_equal(o->name, "A");
    assert_string_equal(o->value, "1");
    assert_string_equal(unit_text_get(o, "Unit", "A"), "2");
    assert_string_equal(unit_text_get(o, "Mount", "Where"), "/a\\\n  b");
    assert_string_equal(unit_text_get(o, "Mount", "What"), "");
    assert_null(unit_text_get(o, "Mount", "A"));
    assert_true(unit_text_has_section(o, "Mount"));
    assert_false(unit_text_has_section(o, "Install"));
}

static void empty_is_fine(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    UnitOption *o = (UnitOption *)a;

    assert_int_equal(unit_text_read(a, NULL, &o, NULL), 0);
    assert_null(o);
    assert_int_equal(unit_text_read(a, "[Install]", &o, NULL), 0);
    assert_false(unit_text_has_section(o, "Install")); /* a section counts by its options */
}

static void refusals(void **state _unused_)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[Unit", "unable to find end of section"},
        {"[Unit] x\n", "found garbage after section name : \"x\""},
        {"[Unit]\nA\n", "unexpected newline encountered while parsing option name"},
        {"[Unit]\nA", "EOF"},
    };

    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        UnitOption *o = NULL;
        Error e = ERROR_INIT;

        assert_int_equal(unit_text_read(a, cases[i].text, &o, &e), -EINVAL);
        assert_string_equal(e.text, cases[i].message);
        assert_null(o);
    }
}

/* A line of `n` characters behind `before` bytes. */
static int read_line(size_t before, size_t n)
{
    _cleanup_arena_ Arena *a = arena_new();
    char *text = arena_alloc(a, before + n + 64);
    UnitOption *o = NULL;
    size_t at = 0;

    at += (size_t)sprintf(text, "[Unit]\n");
    while (at + 1 < before)
        at += (size_t)sprintf(text + at, "#\n");
    at += (size_t)sprintf(text + at, "A=");
    memset(text + at, 'x', n - 2);
    strcpy(text + at + n - 2, "\n");
    return unit_text_read(a, text, &o, NULL);
}

static void long_lines(void **state _unused_)
{
    assert_int_equal(read_line(7, 2000), 0);
    assert_int_equal(read_line(7, 3000), -EINVAL);
    /* the end of the modelled buffer hides the length */
    assert_int_equal(read_line(3001, 3000), 0);
    assert_int_equal(read_line(1001, 9000), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_in_order),
        cmocka_unit_test(empty_is_fine),
        cmocka_unit_test(refusals),
        cmocka_unit_test(long_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
