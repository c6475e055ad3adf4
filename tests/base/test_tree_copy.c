/* A tree with everything that a tree can have, into memory and out again: nothing is different. */
#include "../scratch.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include "base/process.h"
#include "base/tree_copy.h"

static void must(int r)
{
    if (r < 0)
        fail_msg("errno %d: %s", errno, strerror(errno));
}

/* Every name with all that is known of it, sorted, as text. */
static void listing(const char *path, Buf *out)
{
    const char *argv[] = {"sh",
                          "-c",
                          "cd \"$1\" && find . -printf '%p %y %m %U %G %s %n %l %T@\\n' | sed 's/^\\. d "
                          "\\(.*\\) [0-9]* [0-9]*  /. d \\1 /' | "
                          "grep -v ' d ' | sort && find . -type d -printf '%p %m %U %G %T@\\n' | sort && "
                          "find . -type f -exec md5sum {} + | sort",
                          "sh",
                          path,
                          NULL};
    Error e = ERROR_INIT;
    if (process_run(&(ProcessRun){.argv = argv, .output = out}, &e))
        fail_msg("%s", e.text);
}

static void fill(const Scratch *s)
{
    const struct timespec times[] = {{1000, 5}, {2000, 7}};
    scratch_write(s, "a/dir/file", "contents");
    scratch_write(s, "a/setuid", "x");
    scratch_write(s, "a/empty", "");
    must(fchownat(s->fd, "a/setuid", 12, 34, 0));
    must(fchmodat(s->fd, "a/setuid", 04755, 0));
    must(linkat(s->fd, "a/dir/file", s->fd, "a/second", 0));
    must(symlinkat("/nowhere/at all", s->fd, "a/link"));
    must(fchownat(s->fd, "a/link", 1, 2, AT_SYMLINK_NOFOLLOW));
    must(mkfifoat(s->fd, "a/pipe", 0600));
    must(mknodat(s->fd, "a/zero", S_IFCHR | 0640, 0x105));
    int fd = openat(s->fd, "a/sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    must(ftruncate(fd, 8 << 20));
    must((int)pwrite(fd, "middle", 6, 4 << 20));
    must(fsetxattr(fd, "trusted.t", "\0\1", 2, 0));
    must(fsetxattr(fd, "security.s", "label", 5, 0));
    close(fd);
    must(fchmodat(s->fd, "a/dir", 01777, 0));
    must(utimensat(s->fd, "a/link", times, AT_SYMLINK_NOFOLLOW));
    must(utimensat(s->fd, "a/dir/file", times, 0));
    must(utimensat(s->fd, "a/dir", times, 0));
    must(mkdirat(s->fd, "copy", 0755));
    must(mkdirat(s->fd, "back", 0755));
}

static void copy(const Scratch *s, const char *from, const char *to, TreeCopy how)
{
    Error e = ERROR_INIT;
    TreeCopyCounts n;
    _cleanup_close_ int in = openat(s->fd, from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int out = openat(s->fd, to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree_copy(in, out, how, &n, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(n.files, 9);
    assert_true(n.bytes < 1 << 20); /* the hole was not filled */
}

static void test_everything(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    _cleanup_buf_ Buf before = BUF_INIT, after = BUF_INIT;
    char value[16] = "", path[128];
    struct stat a, b;
    fill(&s);
    snprintf(path, sizeof(path), "%s/a", s.path);
    listing(path, &before);
    copy(&s, "a", "copy", TREE_COPY_SAVE);
    copy(&s, "copy", "back", TREE_COPY_RESTORE);
    snprintf(path, sizeof(path), "%s/back", s.path);
    listing(path, &after);
    assert_string_equal(before.data, after.data);
    snprintf(path, sizeof(path), "%s/back/sparse", s.path);
    assert_int_equal(getxattr(path, "trusted.t", value, sizeof(value)), 2);
    assert_int_equal(getxattr(path, "security.s", value, sizeof(value)), 5);
    must(stat(path, &a));
    assert_true(a.st_blocks < 4096);
    must(fstatat(s.fd, "back/second", &a, 0));
    must(fstatat(s.fd, "back/dir/file", &b, 0));
    assert_int_equal(a.st_ino, b.st_ino);
    scratch_close(&s);
}

/* Attributes of users and flags, where the file system of the test has them: they go through a tmpfs that has
 * not. */
static void test_what_memory_cannot_hold(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    Error e = ERROR_INIT;
    TreeCopyCounts n;
    unsigned flags = 0, found = 0;
    char path[128], value[8] = "";
    scratch_write(&s, "a/file", "x");
    must(mkdirat(s.fd, "copy", 0755));
    must(mkdirat(s.fd, "back", 0755));
    int fd = openat(s.fd, "a/file", O_RDONLY | O_CLOEXEC);
    bool user = fsetxattr(fd, "user.u", "v", 1, 0) == 0, flagged = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
    flags |= FS_NODUMP_FL;
    flagged = flagged && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    close(fd);
    snprintf(path, sizeof(path), "%s/copy", s.path);
    bool memory = mount("tmpfs", path, "tmpfs", 0, "mode=0755") == 0;
    int from = openat(s.fd, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        store = openat(s.fd, "copy", O_RDONLY | O_CLOEXEC);
    int to = openat(s.fd, "back", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree_copy(from, store, TREE_COPY_SAVE, &n, &e) < 0 ||
        tree_copy(store, to, TREE_COPY_RESTORE, &n, &e) < 0)
        fail_msg("%s", e.text);
    fd = openat(to, "file", O_RDONLY | O_CLOEXEC);
    if (user)
        assert_int_equal(fgetxattr(fd, "user.u", value, sizeof(value)), 1);
    if (flagged) {
        must(ioctl(fd, FS_IOC_GETFLAGS, &found));
        assert_true(found & FS_NODUMP_FL);
    }
    assert_true(fgetxattr(fd, "trusted.ignition.flags", value, sizeof(value)) < 0);
    close(fd);
    close(from);
    close(store);
    close(to);
    if (memory)
        must(umount2(path, MNT_DETACH));
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_what_memory_cannot_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
