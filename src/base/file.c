/* Plain files first, then the same below a foreign root. The hot path is the provisioner's: a file made of a
 * temporary one costs open, write, fchmod, renameat and close, no more. Nothing here follows a link that
 * the caller did not ask for: trusted paths are opened as they are, foreign ones by openat2(RESOLVE_IN_ROOT).
 */
#include "base/file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

enum { READ_STEP = 64 << 10, NAME_TRIES = 100, LINKS_MAX = 40 };

int file_read_fd(int fd, size_t max, Buf *ret)
{
    struct stat st;
    size_t step = READ_STEP;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if ((uint64_t)st.st_size > max)
            return -EFBIG;
        step = (size_t)st.st_size + 1;
    }
    for (size_t start = ret->len;; step = READ_STEP) {
        ssize_t n = read(fd, buf_reserve(ret, step), step);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        ret->len += (size_t)n;
        ret->data[ret->len] = '\0';
        if (ret->len - start > max)
            return -EFBIG;
        if (n == 0)
            return 0;
    }
}

int file_read_at(int dirfd, const char *path, size_t max, Buf *ret, Error *e)
{
    if (dirfd == AT_FDCWD && !strcmp(path, "-")) {
        int r = file_read_fd(STDIN_FILENO, max, ret);
        return r < 0 ? error_errno(e, r, "standard input") : 0;
    }
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int r = fd < 0 ? -errno : file_read_fd(fd, max, ret);
    return r < 0 ? error_errno(e, r, "%s", path) : 0;
}

int file_write_fd(int fd, const void *data, size_t n)
{
    for (const char *p = data; n > 0;) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -errno;
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

int dir_sync(int dirfd)
{
    return fsync(dirfd) < 0 ? -errno : 0;
}

/* ---- files that appear whole ---- */

static void random_name(char name[static 64])
{
    static _Atomic unsigned counter; /* makes a second try of the same nanosecond another name */
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    snprintf(name, 64, ".basalt-%x-%lx-%x.tmp", (unsigned)getpid(), (unsigned long)t.tv_nsec, counter++);
}

int temp_file_open(TempFile *t, int dirfd)
{
    for (int i = 0; i < NAME_TRIES; i++) {
        random_name(t->name);
        int fd = openat(dirfd, t->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0) {
            t->dirfd = dirfd;
            t->fd = fd;
            return 0;
        }
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

static int finish(TempFile *t, const char *name, const FileWrite *how)
{
    /* The owner first: chown clears set-id bits, and a mode for others must not meet a former owner. */
    if ((how->uid != (uid_t)-1 || how->gid != (gid_t)-1) && fchown(t->fd, how->uid, how->gid) < 0)
        return -errno;
    if (how->mode != 0600 && fchmod(t->fd, how->mode) < 0)
        return -errno;
    if (how->sync && fsync(t->fd) < 0)
        return -errno;
    if (renameat2(t->dirfd, t->name, t->dirfd, name, how->exclusive ? RENAME_NOREPLACE : 0) < 0)
        return -errno;
    return 0;
}

int temp_file_commit(TempFile *t, const char *name, const FileWrite *how)
{
    int r = finish(t, name, how);
    if (r < 0) {
        temp_file_abort(t);
        return r;
    }
    int fd = TAKE_FD(t->fd);
    if (close(fd) < 0)
        return -errno;
    return how->sync ? dir_sync(t->dirfd) : 0;
}

void temp_file_abort(TempFile *t)
{
    if (t->fd < 0)
        return;
    int saved = errno;
    (void)unlinkat(t->dirfd, t->name, 0);
    close(TAKE_FD(t->fd));
    errno = saved;
}

static int write_beside(int dir, const char *name, const void *data, size_t n, const FileWrite *how)
{
    _cleanup_temp_file_ TempFile t = TEMP_FILE_INIT;
    int r = temp_file_open(&t, dir);
    if (r >= 0)
        r = file_write_fd(t.fd, data, n);
    return r < 0 ? r : temp_file_commit(&t, name, how);
}

int file_write_at(int dirfd, const char *path, const void *data, size_t n, const FileWrite *how)
{
    const char *slash = strrchr(path, '/');
    if (!slash && dirfd != AT_FDCWD)
        return write_beside(dirfd, path, data, n, how);
    _cleanup_free_ char *dir = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
    if (!dir)
        abort();
    _cleanup_close_ int fd = openat(dirfd, *dir ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : write_beside(fd, slash ? slash + 1 : path, data, n, how);
}

/* ---- directories ---- */

int dir_make_all_at(int dirfd, const char *path, mode_t mode)
{
    _cleanup_free_ char *copy = strdup(path);
    if (!copy)
        abort();
    int made = 0;
    for (char *p = copy + strspn(copy, "/"); *p;) {
        p += strcspn(p, "/");
        char end = *p;
        *p = '\0';
        made = mkdirat(dirfd, copy, mode) == 0;
        if (!made && errno != EEXIST)
            return -errno;
        *p = end;
        p += strspn(p, "/");
    }
    struct stat st;
    if (!made && (fstatat(dirfd, path, &st, 0) < 0 || !S_ISDIR(st.st_mode)))
        return -ENOTDIR;
    return made;
}

static int remove_children(int fd, dev_t device);

static int remove_entry(int dirfd, const char *name, dev_t device)
{
    if (unlinkat(dirfd, name, 0) == 0)
        return 0;
    if (errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = remove_children(fd, device); /* takes fd */
    if (r < 0)
        return r;
    return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_children(int fd, dev_t device)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_dev != device) {
        close(fd);
        return -EBUSY; /* something is mounted here: not ours to empty */
    }
    _cleanup_closedir_ DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -errno;
    }
    for (struct dirent *d; (errno = 0, d = readdir(dir));) {
        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
            continue;
        int r = remove_entry(dirfd(dir), d->d_name, device);
        if (r < 0)
            return r;
    }
    return -errno;
}

int tree_remove_at(int dirfd, const char *name)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    return remove_entry(dirfd, name, st.st_dev);
}

/* ---- below a foreign root ---- */

int root_open(const char *path, Error *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? error_errno(e, -errno, "root %s", path) : fd;
}

int root_openat(int root, const char *path, int flags, mode_t mode)
{
    path += strspn(path, "/");
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC | O_NOCTTY),
                           .mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    for (;;) {
        long fd = syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
        if (fd >= 0)
            return (int)fd;
        if (errno != EAGAIN && errno != EINTR) /* EAGAIN: a rename raced with the walk */
            return -errno;
    }
}

/* Makes what is missing of `dir` (no leading slash), component by component. A link that points at nothing is
 * not made into something: its target is made, inside the root, as mkdir -p through it would. */
static int make_parents_at(int root, const char *dir, mode_t mode, unsigned links)
{
    _cleanup_free_ char *resolved = NULL;
    int r = root_resolve(root, dir, &resolved);
    if (r < 0)
        return r;
    if (links > LINKS_MAX)
        return -ELOOP;
    const char *path = resolved + 1, *slash = strrchr(path, '/');
    _cleanup_free_ char *up = slash ? strndup(path, (size_t)(slash - path)) : NULL;
    if (up) {
        int fd = root_openat(root, up, O_PATH | O_DIRECTORY, 0);
        if (fd == -ENOENT)
            r = make_parents_at(root, up, mode, links + 1);
        else if (fd < 0)
            return fd;
        else
            close(fd);
        if (r < 0)
            return r;
    }
    _cleanup_close_ int parent = root_openat(root, up ? up : "/", O_RDONLY | O_DIRECTORY, 0);
    const char *name = slash ? slash + 1 : path;
    if (parent < 0)
        return parent;
    if (mkdirat(parent, name, mode) == 0)
        return fchmodat(parent, name, mode, 0) < 0 ? -errno : 0;
    if (errno != EEXIST)
        return -errno;
    char target[4096];
    ssize_t n = readlinkat(parent, name, target, sizeof(target) - 1);
    if (n < 0) /* a directory by now, or something that the caller will stumble over */
        return 0;
    target[n] = '\0';
    _cleanup_free_ char *whole = NULL;
    if (asprintf(&whole, "%s/%s", target[0] == '/' || !up ? "" : up, target) < 0)
        abort();
    return make_parents_at(root, whole, mode, links + 1);
}

int root_open_parent(int root, const char *path, bool make_parents, mode_t dir_mode, char **ret_name)
{
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/')
        len--;
    size_t start = len;
    while (start > 0 && path[start - 1] != '/')
        start--;
    if (start == len)
        return -EINVAL;
    _cleanup_free_ char *dir = strndup(path, start), *name = strndup(path + start, len - start);
    if (!dir || !name)
        abort();
    if (!strcmp(name, "..") || !strcmp(name, "."))
        return -EINVAL;
    int fd = root_openat(root, dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd == -ENOENT && make_parents) {
        int r = make_parents_at(root, dir, dir_mode, 0);
        if (r < 0)
            return r;
        fd = root_openat(root, dir, O_RDONLY | O_DIRECTORY, 0);
    }
    if (fd >= 0 && ret_name)
        *ret_name = TAKE_PTR(name);
    return fd;
}

/* Walks the components with a stack of text: what is still to be resolved, and what is resolved. */
int root_resolve(int root, const char *path, char **ret)
{
    _cleanup_free_ char *rest = strdup(path);
    _cleanup_buf_ Buf done = BUF_INIT;
    if (!rest)
        abort();
    buf_add(&done, "", 0);
    unsigned links = 0;
    for (char *p = rest; *(p += strspn(p, "/"));) {
        size_t n = strcspn(p, "/");
        bool last = p[n + strspn(p + n, "/")] == '\0';
        if (n == 1 && p[0] == '.') {
            p += n;
            continue;
        }
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            while (done.len > 0 && done.data[--done.len] != '/')
                ;
            done.data[done.len] = '\0';
            p += n;
            continue;
        }
        size_t before = done.len;
        buf_addf(&done, "/%.*s", (int)n, p);
        p += n;
        if (last)
            break;
        char target[4096];
        ssize_t k = -1;
        int fd = root_openat(root, done.data, O_PATH | O_NOFOLLOW, 0);
        if (fd >= 0) {
            k = readlinkat(fd, "", target, sizeof(target) - 1);
            close(fd);
        }
        if (k <= 0)
            continue; /* not a link, or not there */
        if (++links > LINKS_MAX)
            return -ELOOP;
        target[k] = '\0';
        char *joined = NULL;
        if (asprintf(&joined, "%s%s", target, p) < 0)
            abort();
        done.len = target[0] == '/' ? 0 : before;
        done.data[done.len] = '\0';
        free(rest);
        rest = p = joined;
    }
    if (!done.len)
        buf_add_char(&done, '/');
    *ret = buf_take(&done);
    return 0;
}

int root_read(int root, const char *path, size_t max, Buf *ret)
{
    _cleanup_close_ int fd = root_openat(root, path, O_RDONLY | O_NONBLOCK, 0);
    struct stat st;
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) ? file_read_fd(fd, max, ret) : -EINVAL;
}

int root_write(int root, const char *path, const void *data, size_t n, const FileWrite *how)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = root_open_parent(root, path, true, 0755, &name);
    return dir < 0 ? dir : write_beside(dir, name, data, n, how);
}
