/* A change of many paths: failed at every step, killed at every step, killed while it goes back, on a disk
 * that is full. Afterwards the root is what it was, to the byte, or all that it was to become. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "../scratch.h"
#include "tree_text.h"

#include "daemon/transaction.h"

typedef struct Steps {
    unsigned n, stop;
    bool kill;
} Steps;

static int count_step(void *context, const char *what)
{
    Steps *s = context;
    (void)what;
    if (++s->n != s->stop)
        return 0;
    if (s->kill)
        kill(getpid(), SIGKILL);
    return -EIO;
}

static const UserEntry core = {.name = "core", .home = "/home/core", .uid = 1000, .gid = 1000};

static const RootChange changes[] = {
    {ROOT_COPY, "/etc/machine-config-daemon/orig/etc/admin.mcdorig", .target = "/etc/admin"},
    {ROOT_WRITE, "/etc/admin", "ours\n", 5, 0600, 0, 0},
    {ROOT_WRITE, "/etc/new/deep/file", "new\n", 4, 0640, 0, 7},
    {ROOT_WRITE, "/etc/new/other", "", 0, 0644, 0, 0},
    {ROOT_WRITE, "/etc/large", NULL, 300000, 0644, 0, 0},
    {ROOT_LINK, "/etc/systemd/system/masked.service", .target = "/dev/null"},
    {ROOT_REMOVE, "/etc/gone"},
    {ROOT_REMOVE, "/etc/never/was"},
    {ROOT_REMOVE, "/etc/link"},
    {ROOT_WRITE, "/etc/becomes-file", "x", 1, 0644, 0, 0},
    {ROOT_WRITE, "/usr/local/bin/tool", "#!/bin/sh\n", 10, 0755, 0, 0},
    {ROOT_WRITE, "/home/core/.ssh/authorized_keys.d/ignition", "key\n", 4, 0600, .as = &core},
};

static RootChange list[ELEMENTS(changes)];

static void make_changes(void)
{
    static char large[300000];
    memset(large, 'L', sizeof(large));
    memcpy(list, changes, sizeof(list));
    for (size_t i = 0; i < ELEMENTS(list); i++)
        if (list[i].kind == ROOT_WRITE && !list[i].data)
            list[i].data = large;
}

static void make_root(const Scratch *s)
{
    fchmod(s->fd, 0755); /* users reach what is theirs */
    scratch_write(s, "/etc/admin", "the admin's\n");
    scratch_write(s, "/etc/gone", "gone\n");
    scratch_write(s, "/etc/large", "small\n");
    scratch_write(s, "/etc/systemd/system/masked.service", "[Service]\n");
    scratch_write(s, "/var/usrlocal/bin/tool", "old tool\n");
    scratch_write(s, "/home/core/.bashrc", "");
    fchmodat(s->fd, "etc/gone", 0604, 0);
    assert_int_equal(symlinkat("gone", s->fd, "etc/link"), 0);
    assert_int_equal(symlinkat("/nowhere", s->fd, "etc/becomes-file"), 0);
    assert_int_equal(mkdirat(s->fd, "usr", 0755), 0);
    assert_int_equal(symlinkat("../var/usrlocal", s->fd, "usr/local"), 0);
    assert_int_equal(fchownat(s->fd, "home/core", 1000, 1000, 0), 0);
    assert_int_equal(fchownat(s->fd, "home/core/.bashrc", 1000, 1000, 0), 0);
}

static Transaction transaction(const Scratch *s, Arena *a, const TransactionHooks *hooks)
{
    Transaction t = {.root = s->fd, .arena = a, .hooks = hooks, .note = node_new(a, NODE_OBJECT)};
    node_set_string(a, t.note, "to", "rendered-b");
    return t;
}

static int do_all(const Scratch *s, Steps *steps, bool undo)
{
    _cleanup_arena_ Arena *a = arena_new();
    const TransactionHooks hooks = {count_step, steps};
    Transaction t = transaction(s, a, &hooks);
    int r = transaction_begin(&t, list, ELEMENTS(list), NULL);
    if (r < 0)
        return r;
    r = transaction_run(&t, list, ELEMENTS(list), NULL);
    if (r >= 0)
        r = transaction_commit(&t, NULL);
    if (r < 0 && undo) {
        Error e = ERROR_INIT;
        t.hooks = NULL;
        assert_int_equal(transaction_undo(&t, &e), 0);
        assert_int_equal(transaction_commit(&t, &e), 0);
    }
    return r;
}

/* What the next start does. */
static int recover(const Scratch *s, Steps *steps)
{
    _cleanup_arena_ Arena *a = arena_new();
    const TransactionHooks hooks = {count_step, steps};
    Transaction t = {.root = s->fd, .arena = a, .hooks = steps ? &hooks : NULL};
    int r = transaction_load(&t, NULL);
    if (r > 0) {
        assert_string_equal(node_string(node_get(t.note, "to")), "rendered-b");
        r = transaction_undo(&t, NULL);
        if (r >= 0)
            r = transaction_commit(&t, NULL);
    }
    return r;
}

static void test_done(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    Steps steps = {.n = 0};
    make_root(&s);
    assert_int_equal(do_all(&s, &steps, false), 0);
    assert_true(steps.n > 20);
    scratch_expect(&s, "/etc/machine-config-daemon/orig/etc/admin.mcdorig", "the admin's\n");
    scratch_expect(&s, "/etc/admin", "ours\n");
    scratch_expect(&s, "/etc/new/deep/file", "new\n");
    scratch_expect(&s, "/var/usrlocal/bin/tool", "#!/bin/sh\n");
    scratch_expect(&s, "/home/core/.ssh/authorized_keys.d/ignition", "key\n");
    struct stat st;
    assert_int_equal(fstatat(s.fd, "home/core/.ssh/authorized_keys.d/ignition", &st, 0), 0);
    assert_int_equal(st.st_uid, 1000);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(fstatat(s.fd, "home/core/.ssh", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(fstatat(s.fd, "etc/new/deep/file", &st, 0), 0);
    assert_int_equal(st.st_gid, 7);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(faccessat(s.fd, "etc/gone", F_OK, 0), -1);
    assert_int_equal(fstatat(s.fd, "etc/becomes-file", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(scratch_count(&s, "etc/machine-config-daemon"), 1);
    assert_int_equal(recover(&s, NULL), 0);
    scratch_close(&s);
}

/* /etc/shadow is not to lose the label that keeps others from it. */
static void test_labels(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    Steps steps = {.n = 0};
    char path[128], got[64] = "";
    make_root(&s);
    snprintf(path, sizeof(path), "%s/etc/admin", s.path);
    if (setxattr(path, "security.selinux", "a:b:shadow_t", 12, 0) == 0) {
        assert_int_equal(do_all(&s, &steps, false), 0);
        scratch_expect(&s, "/etc/admin", "ours\n");
        assert_int_equal(getxattr(path, "security.selinux", got, sizeof(got)), 12);
        assert_string_equal(got, "a:b:shadow_t");
    }
    scratch_close(&s);
}

static void test_failed_at_each_step(void **state)
{
    (void)state;
    for (unsigned stop = 1;; stop++) {
        Scratch s = scratch_open();
        Steps steps = {.stop = stop};
        make_root(&s);
        _cleanup_free_ char *was = tree_text(s.fd);
        int r = do_all(&s, &steps, true);
        if (steps.n < stop || r == 0) {
            scratch_close(&s);
            break;
        }
        tree_expect(s.fd, was);
        scratch_close(&s);
    }
}

static bool killed(const Scratch *s, unsigned stop, bool going_back)
{
    pid_t child = fork();
    int status;
    if (child == 0) {
        Steps steps = {.stop = stop, .kill = true};
        _exit(going_back ? recover(s, &steps) < 0 : do_all(s, &steps, false) < 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

/* Of the file that is written last but one, and all others, either all or nothing. */
static void test_killed_at_each_step(void **state)
{
    (void)state;
    _cleanup_free_ char *done = NULL;
    for (unsigned stop = 1, more = 1; more; stop++) {
        Scratch s = scratch_open();
        make_root(&s);
        _cleanup_free_ char *was = tree_text(s.fd);
        more = killed(&s, stop, false);
        if (more) {
            assert_int_equal(recover(&s, NULL), 0);
            _cleanup_free_ char *now = tree_text(s.fd);
            if (strcmp(now, was)) { /* committed: then the next kill is, too, and the state is the new one */
                scratch_expect(&s, "/etc/admin", "ours\n");
                scratch_expect(&s, "/home/core/.ssh/authorized_keys.d/ignition", "key\n");
                assert_int_equal(scratch_count(&s, "etc/machine-config-daemon"), 1);
                done = done ? done : strdup("yes");
            } else {
                assert_null(done);
            }
        }
        scratch_close(&s);
    }
    assert_non_null(done);
}

static void test_killed_while_going_back(void **state)
{
    (void)state;
    for (unsigned stop = 1, more = 1; more; stop++) {
        Scratch s = scratch_open();
        make_root(&s);
        _cleanup_free_ char *was = tree_text(s.fd);
        Steps all = {.n = 0};
        _cleanup_arena_ Arena *a = arena_new();
        const TransactionHooks hooks = {count_step, &all};
        Transaction t = transaction(&s, a, &hooks);
        assert_int_equal(transaction_begin(&t, list, ELEMENTS(list), NULL), 0);
        assert_int_equal(transaction_run(&t, list, ELEMENTS(list), NULL), 0);
        more = killed(&s, stop, true);
        if (more)
            (void)killed(&s, stop + 2, true);
        assert_int_equal(recover(&s, NULL), 0);
        tree_expect(s.fd, was);
        scratch_close(&s);
    }
}

static void test_in_the_way(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    make_root(&s);
    scratch_write(&s, "/etc/new/other/x", "x");
    _cleanup_free_ char *was = tree_text(s.fd);
    Steps steps = {.n = 0};
    assert_int_equal(do_all(&s, &steps, true), -EISDIR);
    tree_expect(s.fd, was);
    scratch_close(&s);
}

/* A home's links lead only where its user may write. */
static void test_links_of_a_user(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    make_root(&s);
    scratch_write(&s, "/etc/cron.d/x", "x");
    assert_int_equal(mkdirat(s.fd, "home/core/.ssh", 0700), 0);
    assert_int_equal(fchownat(s.fd, "home/core/.ssh", 1000, 1000, 0), 0);
    assert_int_equal(symlinkat("/etc/cron.d", s.fd, "home/core/.ssh/authorized_keys.d"), 0);
    _cleanup_free_ char *was = tree_text(s.fd);
    Steps steps = {.n = 0};
    assert_int_equal(do_all(&s, &steps, true), -EACCES);
    tree_expect(s.fd, was);
    scratch_close(&s);
}

/* On a file system of a few pages, each time a little more of them. */
static void full_disk(int *ret)
{
    Scratch s = scratch_open();
    *ret = unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? 77 : 0;
    for (unsigned kib = 64; *ret == 0 && kib < 460; kib += 12) {
        char size[32];
        snprintf(size, sizeof(size), "size=%uk,mode=0755", kib);
        if (mount("tmpfs", s.path, "tmpfs", 0, size) < 0) {
            *ret = 77;
            break;
        }
        Scratch full = {.fd = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        Steps steps = {.n = 0};
        make_root(&full);
        _cleanup_free_ char *was = tree_text(full.fd);
        int r = do_all(&full, &steps, true);
        _cleanup_free_ char *now = tree_text(full.fd);
        if (r != 0 && (r != -ENOSPC || strcmp(now, was)))
            *ret = 1;
        if (r == 0 && !strcmp(now, was))
            *ret = 2;
        close(full.fd);
        if (umount2(s.path, MNT_DETACH) < 0)
            *ret = 3;
    }
    scratch_close(&s);
}

static void test_full_disk(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        int r;
        full_disk(&r);
        _exit(r);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_bad_journal(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{\"journal\":2,\"note\":{},\"records\":[]}",
                                      "{\"journal\":1,\"note\":{},\"records\":[{\"path\":\"x\"}]}",
                                      "{\"journal\":1,\"records\":[]}"};
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        Scratch s = scratch_open();
        _cleanup_arena_ Arena *a = arena_new();
        Transaction t = {.root = s.fd, .arena = a};
        scratch_write(&s, TRANSACTION_JOURNAL, bad[i]);
        assert_int_equal(transaction_load(&t, NULL), -EBADMSG);
        scratch_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_done),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_failed_at_each_step),
        cmocka_unit_test(test_killed_at_each_step),
        cmocka_unit_test(test_killed_while_going_back),
        cmocka_unit_test(test_in_the_way),
        cmocka_unit_test(test_links_of_a_user),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_bad_journal),
    };
    if (geteuid() != 0)
        return 77; /* owners cannot be given */
    umask(022);
    make_changes();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
