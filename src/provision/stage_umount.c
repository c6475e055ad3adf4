/* Takes off what the mount stage put below the root: the deepest first, up to three tries each with a second
 * between them (something of the boot may still look at it). A place where nothing is mounted is done. */
#include "provision/stage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"

enum { UMOUNT_TRIES = 3 };

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

static int deepest_first(const void *a, const void *b)
{
    const IgnFilesystem *const *x = a, *const *y = b;
    unsigned dx = depth((*x)->path), dy = depth((*y)->path);

    if (dx != dy)
        return dx < dy ? 1 : -1;
    /* In the same depth the order of the config is kept, turned round. */
    return *x < *y ? 1 : -1;
}

/* EINVAL is the kernel's word for "not a mount point". */
static int unmount(const char *path, Error *e)
{
    int r = 0;

    for (unsigned i = 0; i < UMOUNT_TRIES; i++) {
        if (i > 0)
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        if (umount2(path, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT)
            return 0;
        r = -errno;
    }
    return error_errno(e, r, "umount failed after %d tries for %s", UMOUNT_TRIES, path);
}

int stage_umount_run(StageContext *c, Error *e)
{
    const IgnList *all = &c->config->storage.filesystems;
    _cleanup_free_ const IgnFilesystem **list = calloc(all->n + 1, sizeof(*list));
    size_t n = 0;

    if (!list)
        abort();
    IGN_EACH (const IgnFilesystem, fs, *all) {
        if (has_mount(fs))
            list[n++] = fs;
    }
    int root = n > 0 ? stage_root(c, e) : 0;
    if (root < 0)
        return root;
    qsort(list, n, sizeof(*list), deepest_first);
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *inside = NULL;
        _cleanup_buf_ Buf path = BUF_INIT;
        int r = root_resolve(c->root, list[i]->path, &inside);
        if (r < 0)
            return error_errno(e, r, "resolving '%s'", list[i]->path);
        buf_addf(&path, "%s%s", strcmp(c->root_path, "/") == 0 ? "" : c->root_path, inside);
        log_info("umounting \"%s\"", path.data);
        r = unmount(path.data, e);
        if (r < 0)
            return r;
    }
    return 0;
}
