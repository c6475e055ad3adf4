/* Boot entries: reading, the boot loaders' order, editing; and an edit that fails, or is killed, at each of
 * its steps. The steps are the calls of base that reach the disk, wrapped by the linker. */
#include "../scratch.h"

#include <sys/wait.h>

#include "system/boot_entry.h"

/* ---- a fault at step n ---- */

static struct {
    unsigned left; /* 0: no fault */
    bool killed;
} fault;

static bool strikes(void)
{
    if (fault.left == 0 || --fault.left > 0)
        return false;
    if (fault.killed)
        _exit(99);
    return true;
}

int __real_temp_file_open(TempFile *t, int dirfd);
int __wrap_temp_file_open(TempFile *t, int dirfd);
int __wrap_temp_file_open(TempFile *t, int dirfd)
{
    return strikes() ? -EIO : __real_temp_file_open(t, dirfd);
}

/* Half of the bytes reach the file before the fault. */
int __real_file_write_fd(int fd, const void *data, size_t n);
int __wrap_file_write_fd(int fd, const void *data, size_t n);
int __wrap_file_write_fd(int fd, const void *data, size_t n)
{
    assert_int_equal(__real_file_write_fd(fd, data, n / 2), 0);
    return strikes() ? -ENOSPC : __real_file_write_fd(fd, (const char *)data + n / 2, n - n / 2);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    if (strikes()) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

int __real_temp_file_commit(TempFile *t, const char *name, const FileWrite *how);
int __wrap_temp_file_commit(TempFile *t, const char *name, const FileWrite *how);
int __wrap_temp_file_commit(TempFile *t, const char *name, const FileWrite *how)
{
    return strikes() ? -EIO : __real_temp_file_commit(t, name, how);
}

/* ---- fixtures ---- */

#define OLD_A "title A\nversion 1\nlinux /a\ninitrd /i\noptions root=/dev/sda quiet\n"
#define OLD_B "# kept\ntitle B\nlinux /b\noptions root=/dev/sdb\noptions quiet\nx-unknown 1\n"
#define NEW_A "title A\nversion 1\nlinux /a\ninitrd /i\noptions root=/dev/sda nosmt\n"
#define NEW_B "# kept\ntitle B\nlinux /b\noptions root=/dev/sdb nosmt\nx-unknown 1\n"

static const CmdlineEdit edit = {(const char *const[]){"nosmt"}, 1, (const char *const[]){"quiet"}, 1};

/* As an ostree system has it: loader is a link. */
static Scratch machine(void)
{
    Scratch s = scratch_open();
    scratch_write(&s, "/boot/loader.0/entries/a.conf", OLD_A);
    scratch_write(&s, "/boot/loader.0/entries/b.conf", OLD_B);
    assert_int_equal(symlinkat("loader.0", s.fd, "boot/loader"), 0);
    return s;
}

static bool is_one_of(const Scratch *s, const char *path, const char *old, const char *new)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    assert_int_equal(root_read(s->fd, path, 1 << 16, &b), 0);
    return strcmp(b.data, old) == 0 || strcmp(b.data, new) == 0;
}

/* ---- reading ---- */

static void test_parse(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    BootEntry b;
    assert_int_equal(boot_entry_parse(a, "b.conf", OLD_B, strlen(OLD_B), &b, NULL), 0);
    assert_string_equal(b.title, "B");
    assert_string_equal(b.linux_image, "/b");
    assert_string_equal(b.options, "root=/dev/sdb quiet");
    assert_null(b.version);
    assert_false(b.spent);
    static const char tabs[] = "linux\t/k  \r\n  options \t a=1 \r\n";
    assert_int_equal(boot_entry_parse(a, "t+0-3.conf", tabs, strlen(tabs), &b, NULL), 0);
    assert_string_equal(b.linux_image, "/k");
    assert_string_equal(b.options, "a=1");
    assert_true(b.spent);
}

static void test_refused(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    BootEntry b;
    Error e = ERROR_INIT;
    assert_int_equal(boot_entry_parse(a, "x.conf", "title only\n", 11, &b, &e), -EBADMSG);
    assert_string_equal(e.text, "x.conf: no line names a kernel");
    assert_int_equal(boot_entry_parse(a, "x.conf", "linux /a\0b\n", 11, &b, &e), -EBADMSG);
}

static void test_options_without_a_line(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    BootEntry b;
    assert_int_equal(boot_entry_parse(a, "x.conf", "linux /k", 8, &b, NULL), 0);
    assert_string_equal(b.options, "");
    assert_string_equal(boot_entry_with_options(a, &b, "a b"), "linux /k\noptions a b\n");
}

static void test_order(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    static const struct {
        const char *file, *text;
    } in_order[] = {
        {"z.conf", "linux /k\nsort-key fedora\nmachine-id 1\nversion 6.10.0\n"},
        {"y.conf", "linux /k\nsort-key fedora\nmachine-id 1\nversion 6.9.0\n"},
        {"x.conf", "linux /k\nsort-key fedora\nmachine-id 1\nversion 6.9.0~rc1\n"},
        {"w.conf", "linux /k\nsort-key fedora\nmachine-id 2\nversion 7\n"},
        {"v.conf", "linux /k\nsort-key gentoo\nversion 9\n"},
        {"ostree-10.conf", "linux /k\n"},
        {"ostree-9.conf", "linux /k\nversion 99\n"},
        {"a+0.conf", "linux /k\nsort-key a\n"},
    };
    for (size_t i = 0; i < ELEMENTS(in_order); i++) {
        char path[128];
        snprintf(path, sizeof(path), "/boot/loader/entries/%s", in_order[(i * 5) % ELEMENTS(in_order)].file);
        scratch_write(&s, path, in_order[(i * 5) % ELEMENTS(in_order)].text);
    }
    scratch_write(&s, "/boot/loader/entries/README", "no entry\n");
    scratch_write(&s, "/boot/loader/entries/.hidden.conf", "no entry\n");
    BootEntryList list;
    assert_int_equal(boot_entry_list(a, s.fd, &list, NULL), 0);
    assert_int_equal(list.n, ELEMENTS(in_order));
    for (size_t i = 0; i < list.n; i++)
        assert_string_equal(list.entries[i].file, in_order[i].file);
    scratch_close(&s);
}

/* ---- editing ---- */

static void test_edit(void **state)
{
    (void)state;
    Scratch s = machine();
    assert_int_equal(fchmodat(s.fd, "boot/loader.0/entries/a.conf", 0600, 0), 0);
    assert_int_equal(boot_entry_edit(s.fd, &edit, NULL), 1);
    scratch_expect(&s, "/boot/loader/entries/a.conf", NEW_A);
    scratch_expect(&s, "/boot/loader/entries/b.conf", NEW_B);
    struct stat st;
    assert_int_equal(fstatat(s.fd, "boot/loader.0/entries/a.conf", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(boot_entry_edit(s.fd, &edit, NULL), 0);
    assert_int_equal(scratch_count(&s, "boot/loader.0/entries"), 2);
    scratch_close(&s);
}

static void test_nothing_to_edit(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    assert_int_equal(boot_entry_edit(s.fd, &edit, NULL), 0);
    scratch_close(&s);
}

static void test_unreadable_entry_stops_the_edit(void **state)
{
    (void)state;
    Scratch s = machine();
    scratch_write(&s, "/boot/loader/entries/c.conf", "nonsense\n");
    Error e = ERROR_INIT;
    assert_int_equal(boot_entry_edit(s.fd, &edit, &e), -EBADMSG);
    assert_non_null(strstr(e.text, "c.conf"));
    scratch_expect(&s, "/boot/loader/entries/a.conf", OLD_A);
    scratch_close(&s);
}

static void test_fault_at_each_step(void **state)
{
    (void)state;
    unsigned steps = 0;
    for (int r = -1; r < 0; steps++) {
        Scratch s = machine();
        fault.killed = false;
        fault.left = steps + 1;
        Error e = ERROR_INIT;
        r = boot_entry_edit(s.fd, &edit, &e);
        fault.left = 0;
        assert_int_equal(r < 0, e.text[0] != '\0');
        assert_true(is_one_of(&s, "/boot/loader/entries/a.conf", OLD_A, NEW_A));
        assert_true(is_one_of(&s, "/boot/loader/entries/b.conf", OLD_B, NEW_B));
        assert_int_equal(scratch_count(&s, "boot/loader.0/entries"), 2); /* nothing left behind */
        assert_in_range(boot_entry_edit(s.fd, &edit, NULL), 0, 1);       /* and again finishes it */
        scratch_expect(&s, "/boot/loader/entries/a.conf", NEW_A);
        scratch_expect(&s, "/boot/loader/entries/b.conf", NEW_B);
        scratch_close(&s);
    }
    assert_true(steps > 8); /* two files: open, write, fsync, rename each */
}

static void test_killed_at_each_step(void **state)
{
    (void)state;
    unsigned steps = 0;
    for (int status = 1; status != 0; steps++) {
        Scratch s = machine();
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            fault.killed = true;
            fault.left = steps + 1;
            _exit(boot_entry_edit(s.fd, &edit, NULL) == 1 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(status == 0 || WEXITSTATUS(status) == 99);
        assert_true(is_one_of(&s, "/boot/loader/entries/a.conf", OLD_A, NEW_A));
        assert_true(is_one_of(&s, "/boot/loader/entries/b.conf", OLD_B, NEW_B));
        assert_in_range(boot_entry_edit(s.fd, &edit, NULL), 0, 1); /* what was left beside does not matter */
        scratch_expect(&s, "/boot/loader/entries/b.conf", NEW_B);
        scratch_close(&s);
    }
    assert_true(steps > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_options_without_a_line),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_edit),
        cmocka_unit_test(test_nothing_to_edit),
        cmocka_unit_test(test_unreadable_entry_stops_the_edit),
        cmocka_unit_test(test_fault_at_each_step),
        cmocka_unit_test(test_killed_at_each_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
