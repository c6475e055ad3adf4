/* Paths of a foreign root (declared in file.h). The kernel resolves them: openat2(RESOLVE_IN_ROOT) treats the
 * root's descriptor as "/", so neither "..", nor an absolute link, nor a link swapped in meanwhile leads out.
 * Only where directories must be made, or a resolved path is wanted as text, is the walk done here: each
 * component is opened without following links and its link text is put in front of what is left. Directories
 * are then made along the resolved path, one by one, each opened with O_NOFOLLOW: a link that appears after
 * the walk is a failure, not a way out. Refused: more than 40 links, names of "", "." or ".." as the last
 * component where a name is needed. */
#include "base/file.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

#define LINKS_MAX 40

/* A rename elsewhere makes the kernel give up on ".." with EAGAIN; that is worth this many tries. */
#define TRIES_MAX 32

static int open_below(int root, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                           .mode = flags & (O_CREAT | __O_TMPFILE) ? mode & 07777 : 0,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve};
    for (unsigned i = 0;; i++) {
        int fd = (int)syscall(SYS_openat2, root, path[0] ? path : ".", &how, sizeof(how));
        if (fd >= 0)
            return fd;
        if ((errno != EAGAIN && errno != EINTR) || i >= TRIES_MAX)
            return -errno;
    }
}

int root_open(const char *path, Error *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? error_errno(e, -errno, "cannot open the directory '%s'", path) : fd;
}

int root_openat(int root, const char *path, int flags, mode_t mode)
{
    return open_below(root, path, flags, mode, 0);
}

/* ---- resolving ---- */

/* Adds "/a/b" for "a//./b/" to what is there; "..", which only means something after links are resolved,
 * takes the last component away. */
static void path_add(Buf *path, const char *component, size_t n)
{
    if (n == 0 || (n == 1 && component[0] == '.'))
        return;
    if (n == 2 && memcmp(component, "..", 2) == 0) {
        while (path->len > 0 && path->data[--path->len] != '/')
            ;
        if (path->data)
            path->data[path->len] = '\0';
        return;
    }
    buf_add_char(path, '/');
    buf_add(path, component, n);
}

static bool has_dot_dot(const char *path)
{
    for (const char *p = path; (p = strstr(p, "..")); p += 2)
        if ((p == path || p[-1] == '/') && (p[2] == '\0' || p[2] == '/'))
            return true;
    return false;
}

/* The link text of one component: 1, or 0 when it is no link or not there. */
static int read_link(int root, const char *path, char text[static PATH_MAX])
{
    _cleanup_close_ int fd = open_below(root, path, O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return fd;
    ssize_t n = readlinkat(fd, "", text, PATH_MAX);
    if (n < 0)
        return errno == EINVAL || errno == ENOENT ? 0 : -errno;
    if (n >= PATH_MAX)
        return -ENAMETOOLONG;
    text[n] = '\0';
    return 1;
}

static int resolve_links(int root, const char *path, Buf *done)
{
    _cleanup_free_ char *rest = strdup(path);
    if (!rest)
        return -ENOMEM;
    unsigned links = 0;
    for (const char *p = rest;;) {
        p += strspn(p, "/");
        size_t n = strcspn(p, "/");
        const char *after = p + n + strspn(p + n, "/");
        if (n == 0)
            return 0;
        const size_t before = done->len;
        path_add(done, p, n);
        p = after;
        if (*p == '\0' || done->len <= before) /* the last one stays as it is; "." and ".." are no links */
            continue;
        char text[PATH_MAX];
        int r = read_link(root, done->data, text);
        if (r < 0)
            return r;
        if (r == 0)
            continue;
        if (++links > LINKS_MAX)
            return -ELOOP;
        done->len = text[0] == '/' ? 0 : before;
        done->data[done->len] = '\0';
        _cleanup_buf_ Buf next = BUF_INIT;
        buf_addf(&next, "%s/%s", text, p);
        free(rest);
        p = rest = buf_take(&next);
    }
}

int root_resolve(int root, const char *path, char **ret)
{
    _cleanup_buf_ Buf done = BUF_INIT;
    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    /* Nearly every path has no link in it, which one call can tell: with RESOLVE_NO_SYMLINKS both success and
     * ENOENT mean that none was met. */
    int r = -ELOOP;
    if (!has_dot_dot(path)) {
        const char *end = path + strlen(path);
        while (end > path && end[-1] == '/')
            end--;
        while (end > path && end[-1] != '/')
            end--;
        _cleanup_free_ char *parent = strndup(path, (size_t)(end - path));
        if (!parent)
            return -ENOMEM;
        _cleanup_close_ int fd = open_below(root, parent, O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
        r = fd < 0 ? fd : 0;
    }
    if (r >= 0 || r == -ENOENT) {
        for (const char *p = path; *p;) {
            size_t n = strcspn(p, "/");
            path_add(&done, p, n);
            p += n + strspn(p + n, "/");
        }
    } else {
        r = resolve_links(root, path, &done);
        if (r < 0)
            return r;
    }
    if (done.len == 0)
        buf_add_char(&done, '/');
    *ret = buf_take(&done);
    return 0;
}

/* ---- parents ---- */

/* Walks a path without links from the root, making what is missing; gives the last directory. */
static int make_directories(int root, char *path, mode_t mode)
{
    _cleanup_close_ int fd = open_below(root, ".", O_RDONLY | O_DIRECTORY, 0, 0);
    if (fd < 0)
        return fd;
    char *save = NULL;
    for (char *name = strtok_r(path, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
        /* At once as it shall be, as far as the umask lets it: nobody comes back for one that stood already.
         */
        bool made = mkdirat(fd, name, mode & 0777) == 0;
        if (!made && errno != EEXIST)
            return -errno;
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return -errno;
        close(fd);
        fd = next;
        /* Owner and mode as asked, whatever the umask and a set-group-id parent say. */
        if (made && ((geteuid() == 0 && fchown(fd, 0, 0) < 0) || fchmod(fd, mode & 07777) < 0))
            return -errno;
    }
    return TAKE_FD(fd);
}

int root_open_parent(int root, const char *path, bool make_parents, mode_t dir_mode, char **ret_name)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    _cleanup_free_ char *parent = strndup(path, start);
    _cleanup_free_ char *name = strndup(path + start, end - start);
    if (!parent || !name)
        return -ENOMEM;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EINVAL;

    int fd = open_below(root, parent, O_RDONLY | O_DIRECTORY, 0, 0);
    if (fd == -ENOENT && make_parents) {
        _cleanup_free_ char *resolved = NULL;
        int r = root_resolve(root, path, &resolved);
        if (r < 0)
            return r;
        *strrchr(resolved, '/') = '\0'; /* the name; nothing in front of it is a link any more */
        fd = make_directories(root, resolved, dir_mode);
    }
    if (fd < 0)
        return fd;
    if (ret_name)
        *ret_name = TAKE_PTR(name);
    return fd;
}

/* ---- whole files ---- */

int root_read(int root, const char *path, size_t max, Buf *ret)
{
    /* O_NONBLOCK: a FIFO or a terminal put there must not hold us up before it is refused. */
    _cleanup_close_ int fd = open_below(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, 0);
    if (fd < 0)
        return fd;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    return file_read_fd(fd, max, ret);
}

int root_write(int root, const char *path, const void *data, size_t n, const FileWrite *how)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = root_open_parent(root, path, true, 0755, &name);
    if (dir < 0)
        return dir;
    return file_write_at(dir, name, data, n, how);
}
