/* Of each path the directory is watched, or the nearest one above that is there; when something happens to a
 * name that is a path, or lies above one, these paths are touched. When directories come or go, all watches
 * are set anew. Events of one moment are one: 100 ms of quiet end it, 500 ms at most. */
#include "daemon/drift_watch.h"

#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/clock.h"
#include "base/file.h"

enum { QUIET_MS = 100, LATEST_MS = 500, EVENTS_SIZE = 16 << 10 };
#define EVENTS                                                                                               \
    (IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF |     \
     IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)

typedef struct Row {
    int wd;
    const char *dir; /* borrowed: the beginning of a path */
    size_t len;
} Row;

struct DriftWatch {
    Arena *arena;
    int root, fd;
    const char **paths;
    bool *touched;
    size_t n;
    Row *rows;
    size_t n_rows;
    bool any, anew;
    int64_t first, last;
};

static void touch(DriftWatch *w, size_t i)
{
    w->touched[i] = true;
    w->last = monotonic_ms();
    if (!w->any)
        w->first = w->last;
    w->any = true;
}

static bool row_known(const DriftWatch *w, size_t n, int wd, const char *dir, size_t len)
{
    for (size_t i = n; i > 0; i--)
        if (w->rows[i - 1].wd == wd && w->rows[i - 1].len == len && !memcmp(w->rows[i - 1].dir, dir, len))
            return true;
    return false;
}

/* The nearest directory above the path that is there, beginning at `len` bytes of it. */
static int watch_above(DriftWatch *w, const char *path, size_t *len)
{
    for (;;) {
        char name[4096], by_fd[64];
        while (*len > 0 && path[*len] != '/')
            (*len)--;
        if (*len >= sizeof(name))
            return -ENAMETOOLONG;
        snprintf(name, sizeof(name), "%.*s/", (int)*len, path);
        _cleanup_close_ int dir = root_openat(w->root, name, O_PATH | O_DIRECTORY, 0);
        if (dir >= 0) {
            snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", dir);
            int wd = inotify_add_watch(w->fd, by_fd, EVENTS);
            return wd < 0 ? -errno : wd;
        }
        if ((dir != -ENOENT && dir != -ENOTDIR) || *len == 0)
            return dir;
        (*len)--;
    }
}

static int watches_set(DriftWatch *w, Error *e)
{
    Row *old = w->rows;
    size_t n_old = w->n_rows, n = 0;
    w->rows = calloc(w->n + 1, sizeof(*w->rows));
    if (!w->rows)
        abort();
    for (size_t i = 0; i < w->n; i++) {
        size_t len = strlen(w->paths[i]);
        int wd = watch_above(w, w->paths[i], &len);
        if (wd < 0) {
            free(old);
            return error_errno(e, wd, "watching %s", w->paths[i]);
        }
        if (!row_known(w, n, wd, w->paths[i], len))
            w->rows[n++] = (Row){wd, w->paths[i], len};
    }
    w->n_rows = n;
    for (size_t i = 0; i < n_old; i++) {
        bool kept = false;
        for (size_t k = 0; k < n && !kept; k++)
            kept = w->rows[k].wd == old[i].wd;
        if (!kept)
            (void)inotify_rm_watch(w->fd, old[i].wd);
    }
    free(old);
    w->anew = false;
    return 0;
}

int drift_watch_new(int root, const char *const *paths, size_t n, DriftWatch **ret, Error *e)
{
    DriftWatch *w = calloc(1, sizeof(*w));
    if (!w)
        abort();
    w->arena = arena_new();
    w->root = root;
    w->n = n;
    w->paths = ARENA_ARRAY(w->arena, const char *, n + 1);
    w->touched = ARENA_ARRAY(w->arena, bool, n + 1);
    for (size_t i = 0; i < n; i++)
        w->paths[i] = arena_strdup(w->arena, paths[i]);
    w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int r = w->fd < 0 ? error_errno(e, -errno, "inotify") : watches_set(w, e);
    if (r < 0) {
        drift_watch_free(w);
        return r;
    }
    *ret = w;
    return 0;
}

void drift_watch_free(DriftWatch *w)
{
    if (!w)
        return;
    closep(&w->fd);
    free(w->rows);
    arena_free(w->arena);
    free(w);
}

int drift_watch_fd(const DriftWatch *w)
{
    return w->fd;
}

/* Paths that are, or lie below, the name in the directory; without a name all below the directory. */
static void row_event(DriftWatch *w, const Row *row, const char *name)
{
    size_t n = name ? strlen(name) : 0;
    for (size_t i = 0; i < w->n; i++) {
        const char *p = w->paths[i];
        if (strncmp(p, row->dir, row->len) != 0 || p[row->len] != '/')
            continue;
        const char *rest = p + row->len + 1;
        if (name && (strncmp(rest, name, n) != 0 || (rest[n] && rest[n] != '/')))
            continue;
        if (!name || rest[n] == '/')
            w->anew = true;
        touch(w, i);
    }
}

static void event(DriftWatch *w, const struct inotify_event *v)
{
    if (v->mask & IN_Q_OVERFLOW) {
        w->anew = true;
        for (size_t i = 0; i < w->n; i++)
            touch(w, i);
        return;
    }
    for (size_t i = 0; i < w->n_rows; i++)
        if (w->rows[i].wd == v->wd)
            row_event(w, &w->rows[i],
                      v->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT) ? NULL
                      : v->len                                               ? v->name
                                                                             : "");
}

int drift_watch_read(DriftWatch *w, Error *e)
{
    _Alignas(struct inotify_event) char buffer[EVENTS_SIZE];
    for (;;) {
        ssize_t n = read(w->fd, buffer, sizeof(buffer));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return error_errno(e, -errno, "inotify");
        if (n <= 0)
            break;
        for (char *p = buffer; p < buffer + n;) {
            const struct inotify_event *v = (void *)p;
            event(w, v);
            p += sizeof(*v) + v->len;
        }
    }
    return w->anew ? watches_set(w, e) : 0;
}

int drift_watch_timeout_ms(const DriftWatch *w)
{
    if (!w->any)
        return -1;
    int64_t now = monotonic_ms(),
            at = w->last + QUIET_MS < w->first + LATEST_MS ? w->last + QUIET_MS : w->first + LATEST_MS;
    return at > now ? (int)(at - now) : 0;
}

size_t drift_watch_take(DriftWatch *w, Arena *a, const char ***ret)
{
    const char **paths = ARENA_ARRAY(a, const char *, w->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++)
        if (w->touched[i])
            paths[n++] = arena_strdup(a, w->paths[i]);
    memset(w->touched, 0, w->n * sizeof(*w->touched));
    w->any = false;
    *ret = paths;
    return n;
}
