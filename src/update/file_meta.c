/* Attributes are read by a path below /proc/self/fd, whose last part is not followed: the kernel has no call
 * that takes a directory and a name. One that vanishes between the list and its value was taken away by
 * somebody and is left out; so is one without a value, as libostree has it. The kernel bounds names and
 * values to 64 KiB each. */
#include "update/file_meta.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { NAMES_MAX = 64 << 10, VALUE_MAX = 64 << 10, VALUE_USUAL = 256, PIECE = 32 << 10 };

static int value_read(Arena *a, const char *path, const char *name, OstreeXattr *ret)
{
    char usual[VALUE_USUAL];
    ssize_t n = lgetxattr(path, name, usual, sizeof(usual));

    *ret = (OstreeXattr){.name = name};
    if (n >= 0)
        ret->value = arena_memdup(a, usual, (size_t)n);
    else if (errno == ERANGE) {
        void *large = arena_alloc(a, VALUE_MAX);
        n = lgetxattr(path, name, large, VALUE_MAX);
        ret->value = large;
    }
    ret->n = n < 0 ? 0 : (size_t)n;
    return n < 0 ? -errno : 0;
}

static int xattrs_read(Arena *a, const char *path, OstreeMeta *ret)
{
    ssize_t size = llistxattr(path, NULL, 0);

    if (size <= 0)
        return size < 0 && errno != ENOTSUP ? -errno : 0;
    char *names = arena_alloc(a, NAMES_MAX);
    size = llistxattr(path, names, NAMES_MAX);
    if (size < 0)
        return -errno;
    size_t n = 0;
    for (const char *name = names; name < names + size; name += strlen(name) + 1)
        n++;
    OstreeXattr *list = ARENA_ARRAY(a, OstreeXattr, n + 1);
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        int r = value_read(a, path, name, &list[ret->n_xattrs]);
        if (r < 0 && r != -ENODATA)
            return r;
        ret->n_xattrs += r == 0 && list[ret->n_xattrs].n > 0;
    }
    ostree_xattrs_sort(list, ret->n_xattrs);
    ret->xattrs = list;
    return 0;
}

int file_meta_read(Arena *a, int dirfd, const char *name, OstreeMeta *ret, struct stat *ret_st)
{
    char path[NAME_MAX + 64];
    struct stat st;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    OstreeMeta m = {.uid = st.st_uid, .gid = st.st_gid, .mode = st.st_mode};
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
    int r = xattrs_read(a, path, &m);
    if (r < 0)
        return r;
    *ret = m;
    if (ret_st)
        *ret_st = st;
    return 0;
}

int file_target_read(Arena *a, int dirfd, const char *name, const char **ret)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(dirfd, name, target, sizeof(target));

    if (n < 0 || n >= PATH_MAX)
        return n < 0 ? -errno : -ENAMETOOLONG;
    *ret = arena_memdup(a, target, (size_t)n);
    return 0;
}

int file_contents_equal(int dirfd, const char *name, int other_dirfd, const char *other)
{
    _cleanup_close_ int a = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    _cleanup_close_ int b = openat(other_dirfd, other, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char one[PIECE], two[PIECE];

    if (a < 0 || b < 0)
        return -errno;
    for (off_t at = 0;;) {
        ssize_t n = pread(a, one, sizeof(one), at);
        if (n <= 0)
            return n < 0 ? -errno : pread(b, two, 1, at) == 0;
        for (ssize_t done = 0, more; done < n; done += more) {
            more = pread(b, two + done, (size_t)(n - done), at + done);
            if (more <= 0)
                return more < 0 ? -errno : 0;
        }
        if (memcmp(one, two, (size_t)n) != 0)
            return 0;
        at += n;
    }
}
