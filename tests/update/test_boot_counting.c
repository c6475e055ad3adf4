/* What trial.cfg and the list of failures say, and what they may not say. */
#include "../scratch.h"

#include <errno.h>

#include "update/boot_counting.h"

#define SUM "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void trials(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "set trial=\"1\"\nset trial_tries=\"3\"\n",
        "set trial=\"\"\nset trial_tries=\"3\"\nset trial_of=\"os/" SUM ".0\"\n",
        "set trial=\"1\"\nset trial_tries=\"0\"\nset trial_of=\"os/" SUM ".0\"\n",
        "set trial=\"1\"\nset trial_tries=\"10\"\nset trial_of=\"os/" SUM ".0\"\n",
        "set trial=\"1\"\nset trial_tries=\"3\"\nset trial_of=\"" SUM ".0\"\n",
        "set trial=\"1\"\nset trial_tries=\"3\"\nset trial_of=\"os/" SUM "\"\n",
        "set trial=\"1\nset trial_tries=\"3\"\nset trial_of=\"os/" SUM ".0\"\n",
        "#set trial=\"1\"\nset trial_tries=\"3\"\nset trial_of=\"os/" SUM ".0\"\n",
    };
    _cleanup_arena_ Arena *a = arena_new();
    BootTrial t;

    assert_int_equal(boot_trial_parse(a,
                                      "# text\nset trial=\"1f\"\nset other=\"x\"\nset trial_tries=\"3\"\n"
                                      "set trial_of=\"os/" SUM ".2\"",
                                      &t),
                     0);
    assert_string_equal(t.token, "1f");
    assert_string_equal(t.deployment, "os/" SUM ".2");
    assert_true(t.tries == 3 && t.left == 3 && !t.counted);
    for (size_t i = 0; i < ELEMENTS(bad); i++)
        assert_int_equal(boot_trial_parse(a, bad[i], &t), -EBADMSG);
}

static void failures(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf many = BUF_INIT;
    BootFailures *f = ARENA_NEW(a, BootFailures);

    boot_failures_parse(a,
                        "1700000000 3 os/" SUM ".1 os/x.0\nnothing\n\n-1 3 os/" SUM ".1 os/x.0\n"
                        "1 x os/" SUM ".1 os/x.0\n1 3 os/short.1 os/x.0\n5 1 b/" SUM ".0 c",
                        f);
    assert_int_equal(f->n, 2);
    assert_true(f->items[0].time == 1700000000 && f->items[0].tries == 3);
    assert_string_equal(f->items[0].instead, "os/x.0");
    assert_ptr_equal(boot_failure_of(f, SUM), &f->items[0]);
    assert_null(boot_failure_of(f, "b"));
    assert_string_equal(f->items[1].deployment, "b/" SUM ".0");
    for (int i = 0; i < 2 * BOOT_FAILURES_MAX; i++)
        buf_add_str(&many, "1 3 os/" SUM ".1 os/x.0\n");
    boot_failures_parse(a, many.data, f);
    assert_int_equal(f->n, BOOT_FAILURES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(trials), cmocka_unit_test(failures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
