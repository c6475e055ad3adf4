/* Files that appear whole, trees that disappear, and paths that try to leave their root. */
#include "../scratch.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

/* ---- a file system without O_TMPFILE, and a kill where it hurts ---- */

static bool no_tmpfile, kill_at_rename;

int __real_openat64(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat64(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat64(int dirfd, const char *path, int flags, mode_t mode)
{
    if (no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return __real_openat64(dirfd, path, flags, mode);
}

int __real_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b)
{
    if (kill_at_rename)
        raise(SIGKILL);
    return __real_renameat(from, a, to, b);
}

static int without_tmpfile(void **state)
{
    (void)state;
    no_tmpfile = true;
    return 0;
}

/* ---- reading and writing ---- */

static void test_read_limit(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    scratch_write(&s, "f", "12345");
    _cleanup_buf_ Buf b = BUF_INIT;
    buf_add_str(&b, "kept");
    Error e = ERROR_INIT;
    assert_int_equal(file_read_at(s.fd, "f", 4, &b, &e), -EFBIG);
    assert_string_equal(e.text, "'f' is larger than 4 bytes");
    assert_string_equal(b.data, "kept");
    assert_int_equal(file_read_at(s.fd, "f", 5, &b, NULL), 0);
    assert_string_equal(b.data, "kept12345");
    assert_int_equal(file_read_at(s.fd, "none", 5, &b, &e), -ENOENT);
    assert_non_null(strstr(e.text, "'none'"));
    scratch_close(&s);
}

static void test_read_pipe_limit(void **state)
{
    (void)state;
    for (size_t size = 4095; size <= 4097; size++) { /* around the reader's step */
        int p[2];
        char data[5000] = {0};
        assert_int_equal(pipe(p), 0);
        assert_int_equal(file_write_fd(p[1], data, size), 0);
        close(p[1]);
        _cleanup_buf_ Buf b = BUF_INIT;
        assert_int_equal(file_read_fd(p[0], 4096, &b), size > 4096 ? -EFBIG : 0);
        assert_int_equal(b.len, size > 4096 ? 0 : size);
        close(p[0]);
    }
}

static void test_write(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    struct stat st;
    assert_int_equal(mkdirat(s.fd, "d", 0755), 0);
    assert_int_equal(file_write_at(s.fd, "d/f", "one", 3, FILE_WRITE(.mode = 04640, .sync = true)), 0);
    assert_int_equal(fstatat(s.fd, "d/f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 04640);
    assert_int_equal(file_write_at(s.fd, "d/f", "two", 3, FILE_WRITE(.exclusive = true)), -EEXIST);
    scratch_expect(&s, "d/f", "one");
    assert_int_equal(file_write_at(s.fd, "d/f", "two", 3, FILE_WRITE()), 0);
    scratch_expect(&s, "d/f", "two");
    assert_int_equal(scratch_count(&s, "d"), 1);
    assert_int_equal(file_write_at(s.fd, "d/..", "x", 1, FILE_WRITE()), -EISDIR);
    assert_int_equal(file_write_at(s.fd, "none/f", "x", 1, FILE_WRITE()), -ENOENT);
    scratch_close(&s);
}

static void test_owner_keeps_set_id_bits(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    Scratch s = scratch_open();
    struct stat st;
    assert_int_equal(file_write_at(s.fd, "f", "", 0, FILE_WRITE(.mode = 06755, .uid = 12, .gid = 34)), 0);
    assert_int_equal(fstatat(s.fd, "f", &st, 0), 0);
    assert_int_equal(st.st_uid, 12);
    assert_int_equal(st.st_gid, 34);
    assert_int_equal(st.st_mode & 07777, 06755);
    scratch_close(&s);
}

static void test_write_replaces_a_link_not_its_target(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    scratch_write(&s, "target", "old");
    assert_int_equal(symlinkat("target", s.fd, "link"), 0);
    assert_int_equal(file_write_at(s.fd, "link", "new", 3, FILE_WRITE()), 0);
    scratch_expect(&s, "target", "old");
    scratch_expect(&s, "link", "new");
    scratch_close(&s);
}

static void test_temp_file(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    {
        _cleanup_temp_file_ TempFile t = TEMP_FILE_INIT;
        struct stat st;
        assert_int_equal(temp_file_open(&t, s.fd), 0);
        assert_int_equal(file_write_fd(t.fd, "x", 1), 0);
        assert_int_equal(fstat(t.fd, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(scratch_count(&s, "."), no_tmpfile ? 1 : 0);
    }
    assert_int_equal(scratch_count(&s, "."), 0); /* not committed: nothing is left */
    TempFile t = TEMP_FILE_INIT;
    assert_int_equal(temp_file_open(&t, s.fd), 0);
    assert_int_equal(temp_file_commit(&t, "f", FILE_WRITE()), 0);
    temp_file_abort(&t);
    assert_int_equal(faccessat(s.fd, "f", F_OK, 0), 0);
    scratch_close(&s);
}

/* A reader meanwhile never sees a part, or nothing. */
static void test_write_is_atomic(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    static char a[20000], b[30000];
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    assert_int_equal(file_write_at(s.fd, "f", a, sizeof(a), FILE_WRITE()), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 300; i++)
            file_write_at(s.fd, "f", i % 2 ? a : b, i % 2 ? sizeof(a) : sizeof(b), FILE_WRITE());
        _exit(0);
    }
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        _cleanup_buf_ Buf got = BUF_INIT;
        assert_int_equal(file_read_at(s.fd, "f", 1 << 20, &got, NULL), 0);
        assert_true(got.len == (got.data[0] == 'a' ? sizeof(a) : sizeof(b)));
        assert_int_equal(got.data[got.len - 1], got.data[0]);
    }
    scratch_close(&s);
}

static void killed_before_rename(const Scratch *s, const char *name)
{
    pid_t pid = fork();
    if (pid == 0) {
        kill_at_rename = true;
        file_write_at(s->fd, name, "lost", 4, FILE_WRITE());
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_killed_before_the_rename(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    assert_int_equal(file_write_at(s.fd, "f", "old", 3, FILE_WRITE()), 0);
    for (int i = 0; i < 3; i++) {
        killed_before_rename(&s, "f");
        assert_int_equal(scratch_count(&s, "."), 2); /* one name, however often */
        scratch_expect(&s, "f", "old");
    }
    assert_int_equal(file_write_at(s.fd, "f", "new", 3, FILE_WRITE()), 0);
    assert_int_equal(scratch_count(&s, "."), 1);
    scratch_expect(&s, "f", "new");
    scratch_close(&s);
}

static void write_for_ever(const Scratch *s)
{
    static char data[3000];
    for (;;)
        file_write_at(s->fd, "f", data, sizeof(data), FILE_WRITE());
}

static void test_killed_at_any_time(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    for (unsigned i = 0; i < 60; i++) {
        pid_t pid = fork();
        if (pid == 0)
            write_for_ever(&s);
        usleep(200 + i * 53 % 2000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        assert_true(scratch_count(&s, ".") <= 2);
    }
    assert_int_equal(file_write_at(s.fd, "f", "new", 3, FILE_WRITE()), 0);
    assert_int_equal(scratch_count(&s, "."), 1);
    scratch_close(&s);
}

/* Several at once write whole files, all of them get through, and none is left. */
static void test_writers_at_once(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    pid_t pids[4];
    for (unsigned i = 0; i < ELEMENTS(pids); i++) {
        pids[i] = fork();
        for (unsigned k = 0; pids[i] == 0 && k < 200; k++)
            if (file_write_at(s.fd, "f", &"aaaaaaaaaa"[i], 10 - i, FILE_WRITE()) < 0)
                _exit(1);
        if (pids[i] == 0)
            _exit(0);
    }
    for (unsigned i = 0; i < ELEMENTS(pids); i++) {
        int status;
        waitpid(pids[i], &status, 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(scratch_count(&s, "."), 1);
    scratch_close(&s);
}

/* A name in use is not taken from who uses it. */
static void test_two_in_the_making(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    TempFile a = TEMP_FILE_INIT, b = TEMP_FILE_INIT;
    assert_int_equal(temp_file_open(&a, s.fd), 0);
    assert_int_equal(temp_file_open(&b, s.fd), 0);
    assert_int_equal(file_write_fd(a.fd, "a", 1), 0);
    assert_int_equal(file_write_fd(b.fd, "b", 1), 0);
    assert_int_equal(temp_file_commit(&b, "b", FILE_WRITE()), 0);
    assert_int_equal(temp_file_commit(&a, "a", FILE_WRITE(.exclusive = true)), 0);
    scratch_expect(&s, "a", "a");
    scratch_expect(&s, "b", "b");
    assert_int_equal(scratch_count(&s, "."), 2);
    scratch_close(&s);
}

static void test_make_all(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    assert_int_equal(dir_make_all_at(s.fd, "a/b//c/", 0755), 1);
    assert_int_equal(dir_make_all_at(s.fd, "a/b/c", 0755), 0);
    assert_int_equal(dir_make_all_at(s.fd, "a/b/d", 0755), 1);
    scratch_write(&s, "a/file", "");
    assert_int_equal(dir_make_all_at(s.fd, "a/file", 0755), -ENOTDIR);
    assert_int_equal(dir_make_all_at(s.fd, "a/file/x", 0755), -ENOTDIR);
    scratch_close(&s);
}

/* ---- removal ---- */

static void test_remove_does_not_follow(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    scratch_write(&s, "outside/keep", "k");
    scratch_write(&s, "tree/sub/file", "f");
    assert_int_equal(symlinkat("../outside", s.fd, "tree/link"), 0);
    assert_int_equal(symlinkat("outside", s.fd, "link"), 0);
    assert_int_equal(tree_remove_at(s.fd, "tree"), 0);
    assert_int_equal(faccessat(s.fd, "tree", F_OK, 0), -1);
    assert_int_equal(tree_remove_at(s.fd, "link"), 0);
    scratch_expect(&s, "outside/keep", "k");
    assert_int_equal(tree_remove_at(s.fd, "tree"), 0); /* not there */
    assert_int_equal(tree_remove_at(s.fd, "outside/keep"), 0);
    assert_int_equal(tree_remove_at(s.fd, "outside/."), -EINVAL);
    scratch_close(&s);
}

static void test_remove_deep(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    int fd = dup(s.fd);
    for (int i = 0; i < 2000; i++) { /* deeper than descriptors, longer than PATH_MAX */
        assert_int_equal(mkdirat(fd, "deep", 0755), 0);
        int next = openat(fd, "deep", O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_int_equal(tree_remove_at(s.fd, "deep"), 0);
    assert_int_equal(scratch_count(&s, "."), 0);
    scratch_close(&s);
}

static void test_remove_stops_at_a_mount(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    scratch_write(&s, "data/keep", "k");
    assert_int_equal(dir_make_all_at(s.fd, "tree/mount", 0755), 1);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        /* A bind mount: the same device on both sides, so that only the mount tells them apart. */
        if (fchdir(s.fd) < 0 || unshare(CLONE_NEWNS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("data", "tree/mount", NULL, MS_BIND, NULL) < 0)
            _exit(77);
        _exit(tree_remove_at(AT_FDCWD, "tree") == -EXDEV ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    scratch_expect(&s, "data/keep", "k");
    scratch_close(&s);
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

/* ---- roots ---- */

typedef struct ResolveCase {
    const char *path, *expected; /* NULL: -ELOOP */
} ResolveCase;

static const ResolveCase resolve_cases[] = {
    {"/", "/"},
    {"", "/"},
    {"a//b/./c/", "/a/b/c"},
    {"/../../etc/x", "/etc/x"},
    {"abs/x", "/etc/x"},
    {"abs/../x", "/x"},
    {"up/x", "/etc/x"},
    {"dangling/x", "/new/dir/x"},
    {"dangling/more/x", "/new/dir/more/x"},
    {"abs", "/abs"}, /* the last component is kept */
    {"chain/x", "/etc/x"},
    {"none/../x", "/x"},
    {"loop/x", NULL},
};

static Scratch foreign_root(void)
{
    Scratch s = scratch_open();
    assert_int_equal(mkdirat(s.fd, "etc", 0755), 0);
    assert_int_equal(symlinkat("/etc", s.fd, "abs"), 0);
    assert_int_equal(symlinkat("../../../../../../etc", s.fd, "up"), 0);
    assert_int_equal(symlinkat("/new/dir", s.fd, "dangling"), 0);
    assert_int_equal(symlinkat("abs", s.fd, "chain"), 0);
    assert_int_equal(symlinkat("pool", s.fd, "loop"), 0);
    assert_int_equal(symlinkat("loop", s.fd, "pool"), 0);
    return s;
}

static void test_resolve(void **state)
{
    (void)state;
    Scratch s = foreign_root();
    for (size_t i = 0; i < ELEMENTS(resolve_cases); i++) {
        _cleanup_free_ char *got = NULL;
        int r = root_resolve(s.fd, resolve_cases[i].path, &got);
        assert_int_equal(r, resolve_cases[i].expected ? 0 : -ELOOP);
        if (resolve_cases[i].expected)
            assert_string_equal(got, resolve_cases[i].expected);
    }
    scratch_close(&s);
}

/* Each of these would be a file of the machine if the root did not hold. */
static void test_no_way_out(void **state)
{
    (void)state;
    static const char *const ways[] = {"abs/passwd", "up/passwd", "/../../../etc/passwd", "chain/passwd"};
    Scratch s = foreign_root();
    scratch_write(&s, "etc/passwd", "inside");
    for (size_t i = 0; i < ELEMENTS(ways); i++) {
        scratch_expect(&s, ways[i], "inside");
        assert_int_equal(root_write(s.fd, ways[i], "written", 7, FILE_WRITE()), 0);
        scratch_expect(&s, "etc/passwd", "written");
        scratch_write(&s, "etc/passwd", "inside");
    }
    _cleanup_buf_ Buf b = BUF_INIT;
    assert_int_equal(root_read(s.fd, "loop/x", 10, &b), -ELOOP);
    assert_int_equal(symlinkat("/proc/self/root/etc/passwd", s.fd, "magic"), 0);
    assert_int_equal(root_read(s.fd, "magic", 10, &b), -ENOENT);
    assert_int_equal(root_read(s.fd, "etc", 10, &b), -EISDIR);
    assert_int_equal(mkfifoat(s.fd, "fifo", 0600), 0);
    assert_int_equal(root_read(s.fd, "fifo", 10, &b), -EINVAL);
    scratch_close(&s);
}

static void test_parents(void **state)
{
    (void)state;
    Scratch s = foreign_root();
    _cleanup_free_ char *name = NULL;
    assert_int_equal(root_open_parent(s.fd, "a/b/f", false, 0, &name), -ENOENT);
    assert_null(name);
    mode_t former = umask(0077);
    int fd = root_open_parent(s.fd, "/dangling/deep/f/", true, 0751, &name);
    umask(former);
    assert_true(fd >= 0);
    assert_string_equal(name, "f");
    struct stat here, st;
    assert_int_equal(fstat(fd, &here), 0);
    close(fd);
    assert_int_equal(fstatat(s.fd, "new/dir/deep", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_ino, here.st_ino);
    assert_int_equal(st.st_mode & 07777, 0751);
    assert_int_equal(fstatat(s.fd, "new", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_mode & 07777, 0751);
    char *none = NULL;
    assert_int_equal(root_open_parent(s.fd, "/", true, 0755, &none), -EINVAL);
    assert_int_equal(root_open_parent(s.fd, "a/..", true, 0755, &none), -EINVAL);
    assert_int_equal(root_open_parent(s.fd, "loop/f", true, 0755, &none), -ELOOP);
    scratch_write(&s, "plain", "");
    assert_int_equal(root_open_parent(s.fd, "plain/f", true, 0755, &none), -ENOTDIR);
    scratch_close(&s);
}

/* Somebody swaps a directory for a link to the outside, again and again, while we write through it. */
static void test_swapped_link(void **state)
{
    (void)state;
    Scratch s = scratch_open(), outside = scratch_open();
    assert_int_equal(mkdirat(s.fd, "d", 0755), 0);
    assert_int_equal(symlinkat(outside.path, s.fd, "evil"), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            renameat2(s.fd, "d", s.fd, "evil", RENAME_EXCHANGE);
    for (int i = 0; i < 500; i++) {
        root_write(s.fd, "d/sub/f", "x", 1, FILE_WRITE());
        int fd = openat(s.fd, "d", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (fd >= 0) {
            tree_remove_at(fd, "sub");
            close(fd);
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(scratch_count(&outside, "."), 0);
    scratch_close(&outside);
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_limit),
        cmocka_unit_test(test_read_pipe_limit),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_owner_keeps_set_id_bits),
        cmocka_unit_test(test_write_replaces_a_link_not_its_target),
        cmocka_unit_test(test_temp_file),
        cmocka_unit_test(test_write_is_atomic),
        cmocka_unit_test(test_killed_before_the_rename),
        cmocka_unit_test(test_killed_at_any_time),
        cmocka_unit_test(test_writers_at_once),
        cmocka_unit_test(test_two_in_the_making),
        cmocka_unit_test(test_make_all),
        cmocka_unit_test(test_remove_does_not_follow),
        cmocka_unit_test(test_remove_deep),
        cmocka_unit_test(test_remove_stops_at_a_mount),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_no_way_out),
        cmocka_unit_test(test_parents),
        cmocka_unit_test(test_swapped_link),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, without_tmpfile, NULL);
}
