/* Each action where it applies, where it does not, and where it is not clear what is meant. */
#include "../scratch.h"

#include "system/cmdline_change.h"

typedef struct Case {
    const char *before;
    CmdlineStep steps[3];
    const char *after; /* NULL: no change */
    int code;          /* positive errno */
} Case;

static const Case cases[] = {
    {"a", {{CMDLINE_APPEND, "b=1"}}, "a b=1", 0},
    {"a b=1", {{CMDLINE_APPEND, "b=1"}}, "a b=1 b=1", 0},
    {"a b=1", {{CMDLINE_APPEND_IF_MISSING, "b=1"}}, NULL, 0},
    {"a  b=1 ", {{CMDLINE_APPEND_IF_MISSING, "b=1"}}, NULL, 0},
    {"a b=1", {{CMDLINE_APPEND_IF_MISSING, "b=2"}}, "a b=1 b=2", 0},
    {"a b", {{CMDLINE_APPEND, "x=\"1 2\""}}, "a b x=\"1 2\"", 0},
    {"a b=1 c", {{CMDLINE_DELETE, "b=1"}}, "a c", 0},
    {"a b=1 c", {{CMDLINE_DELETE, "b"}}, "a c", 0},
    {"a b=1 b=2", {{CMDLINE_DELETE, "b"}}, NULL, EEXIST},
    {"a b=1 b=2", {{CMDLINE_DELETE, "b=2"}}, "a b=1", 0},
    {"a b=1 b", {{CMDLINE_DELETE, "b"}}, "a b=1", 0},
    {"a b=1", {{CMDLINE_DELETE, "b=2"}}, NULL, ENOENT},
    {"a bc=1", {{CMDLINE_DELETE, "b"}}, NULL, ENOENT},
    {"a b=1", {{CMDLINE_DELETE_IF_PRESENT, "b=2"}}, NULL, 0},
    {"a b=1", {{CMDLINE_DELETE_IF_PRESENT, "b"}}, "a", 0},
    {"b=1 b=2", {{CMDLINE_DELETE_IF_PRESENT, "b"}}, NULL, EEXIST},
    {"a b=1 c", {{CMDLINE_REPLACE, "b=2"}}, "a b=2 c", 0},
    {"a b c", {{CMDLINE_REPLACE, "b=2"}}, "a b=2 c", 0},
    {"b=1 b=2 c", {{CMDLINE_REPLACE, "b=3"}}, NULL, EEXIST},
    {"b=1 b=2 c", {{CMDLINE_REPLACE, "b=2=3"}}, "b=1 b=3 c", 0},
    {"b=1 b=2 c", {{CMDLINE_REPLACE, "b=4=3"}}, NULL, EEXIST},
    {"root=/dev/sda", {{CMDLINE_REPLACE, "root=UUID=1"}}, "root=UUID=1", 0},
    {"root=UUID=1", {{CMDLINE_REPLACE, "root=UUID=1=/dev/sda"}}, "root=/dev/sda", 0},
    {"a", {{CMDLINE_REPLACE, "b=2"}}, NULL, ENOENT},
    {"a", {{CMDLINE_APPEND, "b c"}}, NULL, EINVAL},
    {"a", {{CMDLINE_APPEND, ""}}, NULL, EINVAL},
    {"a", {{CMDLINE_APPEND, "=b"}}, NULL, EINVAL},
    {"a b", {{CMDLINE_DELETE, "b"}, {CMDLINE_APPEND, "b"}}, NULL, 0},
    {"a b", {{CMDLINE_APPEND, "c"}, {CMDLINE_DELETE, "x"}}, NULL, ENOENT},
    {"", {{CMDLINE_APPEND, "c"}}, "c", 0},
};

static void test_change(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Case *c = cases + i;
        size_t n = 0;
        while (n < 3 && c->steps[n].argument)
            n++;
        Error e = ERROR_INIT;
        const char *after = NULL;
        int r = cmdline_change(a, c->before, c->steps, n, &after, &e);
        if (r != (c->code ? -c->code : c->after != NULL))
            fail_msg("case %zu: %d, %s", i, r, e.text);
        if (c->code) {
            assert_null(after);
            assert_true(e.text[0] != '\0');
        } else if (c->after) {
            assert_string_equal(after, c->after);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_change)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
