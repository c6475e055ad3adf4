/* Files that appear whole, and trees that disappear. A file in the making has no name (O_TMPFILE); it gets
 * its contents, owner, mode and (if asked) its way to the disk, and only then a name: the target's own where
 * there is nothing yet, else one that depends on the target alone, which takes the target's place by a
 * rename. Killed between the two it leaves that name, and the next write of the target replaces it. A file
 * system without O_TMPFILE (vfat) gets numbered names, each locked by who writes it: a name that nobody has
 * locked was left behind and is used anew. The order chown, chmod, fsync, name, fsync of the directory is the
 * contract: a chown clears set-id bits, and a name must not reach the disk before its bytes. Removal holds
 * descriptors, never paths, and refuses links and mounts on its way down. */
#include "base/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include "base/memory.h"

/* How deep tree_remove_at() holds descriptors; what lies deeper is moved up first. */
#define REMOVE_DEPTH 64

enum { POPULATE_MIN = 256 << 10 }; /* smaller files come page by page */

int file_read_fd(int fd, size_t max, Buf *ret)
{
    const size_t before = ret->len;
    struct stat st;
    size_t step = 4096;
    int r;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        if ((uint64_t)st.st_size <= max)
            step = (size_t)st.st_size + 1; /* the byte more tells the end without another buffer */
        else if (lseek(fd, 0, SEEK_CUR) == 0)
            return -EFBIG;
    }
    if (step > POPULATE_MIN)
        memory_populate(buf_reserve(ret, step), step);
    for (;;) {
        size_t have = ret->len - before;
        size_t want = step < max - have + 1 ? step : max - have + 1;
        if (want == 0) /* max is SIZE_MAX */
            want = step;
        ssize_t n = read(fd, buf_reserve(ret, want), want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            r = -errno;
            break;
        }
        ret->len += (size_t)n;
        ret->data[ret->len] = '\0';
        if (ret->len - before > max) {
            r = -EFBIG;
            break;
        }
        if (n == 0)
            return 0;
        if (step < 65536 && (size_t)n == want)
            step *= 2;
        else if (step > 65536)
            step = 65536;
    }
    ret->len = before;
    ret->data[before] = '\0';
    return r;
}

int file_read_at(int dirfd, const char *path, size_t max, Buf *ret, Error *e)
{
    _cleanup_close_ int opened = -EBADF;
    int fd = STDIN_FILENO;
    const bool standard_input = dirfd == AT_FDCWD && strcmp(path, "-") == 0;
    if (!standard_input) {
        fd = opened = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
            return error_errno(e, -errno, "cannot open '%s'", path);
    }
    int r = file_read_fd(fd, max, ret);
    const char *shown = standard_input ? "standard input" : path;
    if (r == -EFBIG)
        return error_set(e, EFBIG, "'%s' is larger than %zu bytes", shown, max);
    if (r < 0)
        return error_errno(e, r, "cannot read '%s'", shown);
    return 0;
}

int file_write_fd(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        if (done == 0)
            return -EIO;
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

int file_read_part(int fd, void *to, size_t n, uint64_t offset)
{
    for (char *p = to; n > 0;) {
        ssize_t done = pread(fd, p, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -EIO;
        p += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

int file_write_part(int fd, const void *from, size_t n, uint64_t offset)
{
    for (const char *p = from; n > 0;) {
        ssize_t done = pwrite(fd, p, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -EIO;
        p += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

/* ---- temporary files ---- */

enum { SLOTS_MAX = 1024, TRIES_MAX = 1024 };

static bool is_same_file(int fd, int dirfd, const char *name)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && fstatat(dirfd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Takes away a name that nobody writes to. -EBUSY: somebody does; without LOCK_NB that is waited for. */
static int slot_clear(int dirfd, const char *name, int lock)
{
    _cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -EBUSY;
    if (flock(fd, LOCK_EX | lock) < 0)
        return -EBUSY;
    if (is_same_file(fd, dirfd, name) && unlinkat(dirfd, name, 0) < 0)
        return -EBUSY;
    return 0;
}

/* A new file at the name, locked. -EAGAIN: look once more; -EBUSY: the name is in use. */
static int slot_open(int dirfd, const char *name)
{
    _cleanup_close_ int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        int r = slot_clear(dirfd, name, LOCK_NB);
        return r < 0 ? r : -EAGAIN;
    }
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return -EAGAIN; /* it was taken for a left one before it was locked */
    return is_same_file(fd, dirfd, name) ? TAKE_FD(fd) : -EAGAIN;
}

static int temp_file_open_named(TempFile *t)
{
    unsigned slot = 0;
    for (unsigned i = 0; i < TRIES_MAX + SLOTS_MAX && slot < SLOTS_MAX; i++) {
        snprintf(t->name, sizeof(t->name), ".#basalt-%u", slot);
        t->fd = slot_open(t->dirfd, t->name);
        if (t->fd >= 0)
            return 0;
        if (t->fd == -EBUSY)
            slot++;
        else if (t->fd != -EAGAIN)
            return t->fd;
    }
    return -EBUSY;
}

int temp_file_open(TempFile *t, int dirfd)
{
    TempFile fresh = {.dirfd = dirfd};
    fresh.fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fresh.fd < 0) {
        if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
            return -errno;
        int r = temp_file_open_named(&fresh);
        if (r < 0)
            return r;
    }
    *t = fresh;
    return 0;
}

void temp_file_abort(TempFile *t)
{
    int saved = errno;
    if (t->name[0])
        (void)unlinkat(t->dirfd, t->name, 0); /* before the lock goes */
    if (t->fd >= 0)
        close(t->fd);
    *t = TEMP_FILE_INIT;
    errno = saved;
}

static int link_descriptor(int fd, int dirfd, const char *name)
{
    if (linkat(fd, "", dirfd, name, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != ENOENT && errno != EPERM) /* without the capability only the way below is open */
        return -errno;
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* Over what has the name: by way of a second name, which depends on the first one only (64 bits of FNV-1a).
 * It is locked while it is there, so that who else writes the same target waits, and what nobody has locked
 * was left behind. */
static int replace_by_descriptor(int fd, int dirfd, const char *name)
{
    uint64_t hash = 14695981039346656037u;
    char second[64];
    for (const char *p = name; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211u;
    snprintf(second, sizeof(second), ".#basalt-%016" PRIx64, hash);
    (void)flock(fd, LOCK_EX); /* nobody else knows this file yet */
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        int r = link_descriptor(fd, dirfd, second);
        if (r == -EEXIST && (r = slot_clear(dirfd, second, 0)) >= 0)
            continue;
        if (r >= 0 && renameat(dirfd, second, dirfd, name) < 0) {
            r = -errno;
            (void)unlinkat(dirfd, second, 0);
        }
        return r;
    }
    return -EBUSY;
}

static int temp_file_link(const TempFile *t, const char *name, bool exclusive)
{
    int r = link_descriptor(t->fd, t->dirfd, name);
    return r == -EEXIST && !exclusive ? replace_by_descriptor(t->fd, t->dirfd, name) : r;
}

/* Gives the temporary file its name. Some file systems have no RENAME_NOREPLACE: there a hard link refuses to
 * replace just as well. */
static int temp_file_rename(TempFile *t, const char *name, bool exclusive)
{
    if (!exclusive)
        return renameat(t->dirfd, t->name, t->dirfd, name) < 0 ? -errno : 0;
    if (renameat2(t->dirfd, t->name, t->dirfd, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (linkat(t->dirfd, t->name, t->dirfd, name, 0) < 0)
        return -errno;
    (void)unlinkat(t->dirfd, t->name, 0);
    return 0;
}

static int temp_file_finish(TempFile *t, const char *name, const FileWrite *how)
{
    if ((how->uid != (uid_t)-1 || how->gid != (gid_t)-1) && fchown(t->fd, how->uid, how->gid) < 0)
        return -errno;
    if (fchmod(t->fd, how->mode & 07777) < 0)
        return -errno;
    if (how->sync && fsync(t->fd) < 0)
        return -errno;
    return t->name[0] ? temp_file_rename(t, name, how->exclusive) : temp_file_link(t, name, how->exclusive);
}

int temp_file_commit(TempFile *t, const char *name, const FileWrite *how)
{
    const int dirfd = t->dirfd;
    int r = temp_file_finish(t, name, how);
    if (r >= 0)
        t->name[0] = '\0'; /* nothing left to take back */
    temp_file_abort(t);
    return r >= 0 && how->sync ? dir_sync(dirfd) : r;
}

int file_write_at(int dirfd, const char *path, const void *data, size_t n, const FileWrite *how)
{
    _cleanup_close_ int parent = -EBADF;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EISDIR;
    if (slash) {
        _cleanup_free_ char *dir = strndup(path, slash == path ? 1 : (size_t)(slash - path));
        if (!dir)
            return -ENOMEM;
        parent = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent < 0)
            return -errno;
        dirfd = parent;
    }
    _cleanup_temp_file_ TempFile t = TEMP_FILE_INIT;
    int r = temp_file_open(&t, dirfd);
    if (r < 0)
        return r;
    r = file_write_fd(t.fd, data, n);
    if (r < 0)
        return r;
    return temp_file_commit(&t, name, how);
}

/* ---- locks ---- */

int file_lock_try(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
        return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

/* ---- directories ---- */

int dir_sync(int dirfd)
{
    _cleanup_close_ int here = -EBADF;
    if (dirfd == AT_FDCWD) {
        here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (here < 0)
            return -errno;
        dirfd = here;
    }
    return fsync(dirfd) < 0 ? -errno : 0;
}

static int make_directory(int dirfd, const char *path, mode_t mode)
{
    if (mkdirat(dirfd, path, mode) == 0)
        return 1;
    if (errno != EEXIST)
        return -errno;
    struct stat st;
    if (fstatat(dirfd, path, &st, 0) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int dir_make_all_at(int dirfd, const char *path, mode_t mode)
{
    int r = make_directory(dirfd, path, mode);
    if (r != -ENOENT || path[0] == '\0')
        return r;
    _cleanup_free_ char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    for (char *p = copy + strspn(copy, "/"); *p;) {
        char *end = p + strcspn(p, "/");
        char *next = end + strspn(end, "/");
        const char cut = *end;
        *end = '\0';
        r = make_directory(dirfd, copy, mode);
        *end = cut;
        if (r < 0)
            return r;
        p = next;
    }
    return r;
}

/* ---- removal ---- */

typedef struct TreeRemoval {
    int top;       /* the directory that is being emptied */
    bool moved_up; /* something deep now lies in it */
} TreeRemoval;

/* A directory that is itself there: no link, and of the same mount as the one that holds it. */
static int open_own_directory(int dirfd, const char *name)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
    return fd < 0 ? -errno : fd;
}

static int random_name(char name[static 64])
{
    uint64_t random[2];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -EIO;
    snprintf(name, 64, ".#basalt-%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    return 0;
}

static int move_up(TreeRemoval *t, int dirfd, const char *name)
{
    char up[64];
    int r = random_name(up);
    if (r < 0)
        return r;
    if (renameat(dirfd, name, t->top, up) < 0)
        return -errno;
    t->moved_up = true;
    return 0;
}

static int empty_directory(TreeRemoval *t, int fd, unsigned depth);

static int remove_entry(TreeRemoval *t, int dirfd, const struct dirent *entry, unsigned depth)
{
    const char *name = entry->d_name;
    if (entry->d_type != DT_DIR) {
        if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR && errno != EPERM)
            return -errno;
        const int refused = -errno; /* EPERM: a directory to POSIX, or a file that is immutable */
        struct stat st;
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return errno == ENOENT ? 0 : -errno;
        if (!S_ISDIR(st.st_mode))
            return refused;
    }
    if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY)
        return -errno;
    if (depth >= REMOVE_DEPTH)
        return move_up(t, dirfd, name);
    _cleanup_close_ int fd = open_own_directory(dirfd, name);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    int r = empty_directory(t, TAKE_FD(fd), depth + 1);
    if (r < 0)
        return r;
    return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* Takes the descriptor. */
static int empty_directory(TreeRemoval *t, int fd, unsigned depth)
{
    _cleanup_closedir_ DIR *d = fdopendir(fd);
    if (!d) {
        int r = -errno;
        close(fd);
        return r;
    }
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(d);
        if (!entry)
            return errno ? -errno : 0;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int r = remove_entry(t, fd, entry, depth);
        if (r < 0)
            return r;
    }
}

int tree_remove_at(int dirfd, const char *name)
{
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    const int refused = -errno;
    if (refused != -EISDIR && refused != -EPERM)
        return refused;

    /* The way to the directory is trusted and may cross mounts; the directory itself is judged. */
    _cleanup_close_ int parent = -EBADF;
    const char *slash = strrchr(name, '/');
    if (slash) {
        _cleanup_free_ char *way = strndup(name, slash == name ? 1 : (size_t)(slash - name));
        if (!way)
            return -ENOMEM;
        parent = openat(dirfd, way, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent < 0)
            return -errno;
        dirfd = parent;
        name = slash + 1;
    }
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EINVAL;
    _cleanup_close_ int top = open_own_directory(dirfd, name);
    if (top < 0)
        return top == -ENOTDIR || top == -ELOOP ? refused : top;
    TreeRemoval t = {.top = top};
    do {
        t.moved_up = false;
        int again = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (again < 0)
            return -errno;
        int r = empty_directory(&t, again, 0);
        if (r < 0)
            return r;
    } while (t.moved_up);
    return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}
