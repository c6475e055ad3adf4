/* What touches a path is noticed within a second, whatever touches it and however the directories above it
 * come and go; what touches a neighbour is not. */
#include <poll.h>

#include "../scratch.h"

#include "base/clock.h"
#include "daemon/drift_watch.h"

static const char *const paths[] = {"/etc/a.conf", "/etc/dir/b.conf", "/etc/not/yet/c.conf",
                                    "/usr/local/bin/d"};

static DriftWatch *begin(Scratch *s)
{
    DriftWatch *w = NULL;
    Error e = ERROR_INIT;
    *s = scratch_open();
    scratch_write(s, "/etc/a.conf", "a");
    scratch_write(s, "/etc/dir/b.conf", "b");
    scratch_write(s, "/var/usrlocal/bin/d", "d");
    assert_int_equal(mkdirat(s->fd, "usr", 0755), 0);
    assert_int_equal(symlinkat("/var/usrlocal", s->fd, "usr/local"), 0);
    if (drift_watch_new(s->fd, paths, ELEMENTS(paths), &w, &e) < 0)
        fail_msg("%s", e.text);
    return w;
}

/* What is touched within a second, or "". */
static const char *wait_for(DriftWatch *w, Arena *a)
{
    int64_t end = monotonic_ms() + 700;
    for (;;) {
        int left = (int)(end - monotonic_ms()), timeout = drift_watch_timeout_ms(w);
        if (timeout == 0)
            break;
        if (left <= 0)
            return "";
        struct pollfd p = {.fd = drift_watch_fd(w), .events = POLLIN};
        if (poll(&p, 1, timeout >= 0 && timeout < left ? timeout : left) > 0)
            assert_int_equal(drift_watch_read(w, NULL), 0);
    }
    const char **touched, *text = "";
    size_t n = drift_watch_take(w, a, &touched);
    for (size_t i = 0; i < n; i++)
        text = arena_printf(a, "%s%s%s", text, *text ? " " : "", touched[i]);
    return text;
}

static void test_touched(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s;
    _cleanup_(drift_watch_freep)
    DriftWatch *w = begin(&s);
    int fd = openat(s.fd, "etc/a.conf", O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    assert_string_equal(wait_for(w, a), "/etc/a.conf");
    fchmodat(s.fd, "etc/a.conf", 0600, 0);
    assert_string_equal(wait_for(w, a), "/etc/a.conf");
    scratch_write(&s, "/etc/dir/b.conf", "replaced");
    scratch_write(&s, "/etc/a.conf", "replaced");
    assert_string_equal(wait_for(w, a), "/etc/a.conf /etc/dir/b.conf");
    unlinkat(s.fd, "etc/dir/b.conf", 0);
    assert_string_equal(wait_for(w, a), "/etc/dir/b.conf");
    scratch_write(&s, "/var/usrlocal/bin/d", "by its other name");
    assert_string_equal(wait_for(w, a), "/usr/local/bin/d");
    scratch_close(&s);
}

static void test_neighbours(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s;
    _cleanup_(drift_watch_freep)
    DriftWatch *w = begin(&s);
    scratch_write(&s, "/etc/a.confx", "x");
    scratch_write(&s, "/etc/other", "x");
    scratch_write(&s, "/etc/dir/c", "x");
    scratch_write(&s, "/etc/elsewhere/a.conf", "x");
    assert_string_equal(wait_for(w, a), "");
    scratch_close(&s);
}

static void test_directories(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s;
    _cleanup_(drift_watch_freep)
    DriftWatch *w = begin(&s);
    assert_int_equal(mkdirat(s.fd, "etc/not", 0755), 0);
    assert_string_equal(wait_for(w, a), "/etc/not/yet/c.conf");
    scratch_write(&s, "/etc/not/yet/c.conf", "c");
    assert_string_equal(wait_for(w, a), "/etc/not/yet/c.conf");
    scratch_write(&s, "/etc/not/yet/c.conf", "again");
    assert_string_equal(wait_for(w, a), "/etc/not/yet/c.conf");
    assert_int_equal(renameat(s.fd, "etc/dir", s.fd, "etc/moved"), 0);
    assert_string_equal(wait_for(w, a), "/etc/dir/b.conf");
    assert_int_equal(renameat(s.fd, "etc/moved", s.fd, "etc/dir"), 0);
    assert_string_equal(wait_for(w, a), "/etc/dir/b.conf");
    scratch_write(&s, "/etc/dir/b.conf", "again");
    assert_string_equal(wait_for(w, a), "/etc/dir/b.conf");
    assert_int_equal(tree_remove_at(s.fd, "etc"), 0);
    assert_string_equal(wait_for(w, a), "/etc/a.conf /etc/dir/b.conf /etc/not/yet/c.conf");
    scratch_write(&s, "/etc/a.conf", "again");
    assert_non_null(strstr(wait_for(w, a), "/etc/a.conf"));
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_touched),
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
