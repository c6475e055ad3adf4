/* The order of mounting, and taking a mount off again. Depth is the number of components: "/a" is mounted
 * before
 * "/a/b", whatever the order in the config. */
#include "provision/mount_points.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>

#include "system/mount_table.h"
#include "system/mount_users.h"

static bool has_mount(const IgnFilesystem *fs)
{
    static const char *const unmountable[] = {"", "swap", "none"};

    if (!fs->path || !*fs->path || !fs->format)
        return false;
    for (size_t i = 0; i < ELEMENTS(unmountable); i++)
        if (strcmp(fs->format, unmountable[i]) == 0)
            return false;
    return true;
}

static unsigned depth(const char *path)
{
    unsigned n = 0;

    for (const char *p = path; *p; p++)
        n += *p == '/' && p[1] && p[1] != '/';
    return n;
}

static int shallowest_first(const void *a, const void *b)
{
    const IgnFilesystem *const *x = a, *const *y = b;
    unsigned dx = depth((*x)->path), dy = depth((*y)->path);

    if (dx != dy)
        return dx < dy ? -1 : 1;
    return *x < *y ? -1 : *x > *y; /* they are elements of one array */
}

size_t mount_points_list(Arena *a, const IgnStorage *s, const IgnFilesystem *const **ret)
{
    const IgnFilesystem **list = ARENA_ARRAY(a, const IgnFilesystem *, s->filesystems.n + 1);
    size_t n = 0;

    IGN_EACH (const IgnFilesystem, fs, s->filesystems) {
        if (has_mount(fs))
            list[n++] = fs;
    }
    qsort(list, n, sizeof(*list), shallowest_first);
    *ret = list;
    return n;
}

const char *mount_point_text(Arena *a, const char *root_path, const char *path)
{
    size_t n = strlen(root_path);

    while (n > 0 && root_path[n - 1] == '/')
        n--;
    if (strcmp(path, "/") == 0)
        return n > 0 ? arena_memdup(a, root_path, n) : "/";
    return arena_printf(a, "%.*s%s", (int)n, root_path, path);
}

int mount_point_refuse(const char *path, int dir, const char *name, const char *upto, Error *e)
{
    char target[4096];
    ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

    if (n < 0)
        return error_set(e, ENOTDIR, "mount point '%s': '%s' is no directory", path, upto);
    target[n] = '\0';
    return error_set(
        e, ELOOP,
        "mount point '%s': '%s' is a link to '%s'; mount points are real directories all the way, so give "
        "the path that the link leads to",
        path, upto, target);
}

int mount_point_check(Arena *a, int root, const char *path, const char **ret_missing, Error *e)
{
    _cleanup_close_ int dir = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    _cleanup_buf_ Buf upto = BUF_INIT;

    *ret_missing = NULL;
    for (const char *s = path + strspn(path, "/"); dir >= 0 && *s;) {
        size_t n = strcspn(s, "/"), at = upto.len + 1;
        buf_add_char(&upto, '/');
        buf_add(&upto, s, n);
        int next = openat(dir, upto.data + at, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && errno == ENOENT) {
            *ret_missing = arena_strdup(a, upto.data);
            return 0;
        }
        if (next < 0 && (errno == ENOTDIR || errno == ELOOP))
            return mount_point_refuse(path, dir, upto.data + at, upto.data, e);
        if (next < 0)
            return error_errno(e, -errno, "mount point '%s': opening '%s'", path, upto.data);
        close(dir);
        dir = next;
        s += n + strspn(s + n, "/");
    }
    return 0;
}

static const char *users_of(Arena *a, const char *path)
{
    _cleanup_close_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    uint64_t id;
    bool top;

    if (fd < 0 || mount_of_fd(fd, &id, &top) < 0)
        return "";
    closep(&fd); /* else it would be told of us */
    fd = -EBADF;
    return mount_users_text(a, id);
}

/* EINVAL is the kernel's word for "not a mount point". */
int mount_point_umount(Arena *a, const char *path, unsigned tries, Error *e)
{
    int r = 0;

    for (unsigned i = 0; i < tries; i++) {
        if (i > 0)
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        if (umount2(path, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
            return 0;
        r = -errno;
    }
    const char *users = r == -EBUSY ? users_of(a, path) : "";
    error_errno(e, r, "umount failed after %u %s for %s%s%s%s", tries, tries == 1 ? "try" : "tries", path,
                *users ? " (" : "", users, *users ? ")" : "");
    return r;
}
