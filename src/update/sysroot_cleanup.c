/* Looked at first, removed after: when there is anything of boot/ to remove, what is in force is synced once
 * more, because a run that was killed may have left it in the journal only, and a boot loader that does not
 * read the journal would still want what is about to go. Refs come before everything: a deployment is never
 * without one. Of a deployment first the origin goes, then the tree: a directory is what makes one. */
#include "update/sysroot_cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/file.h"
#include "update/boot_esp.h"
#include "update/boot_swap.h"
#include "update/sysroot_state.h"

enum { NAMES_MAX = 4096, DEPTH_MAX = 200 };

typedef struct Leftovers {
    Sysroot *s;
    Report *r;
    const char **boot, **deployments; /* below boot/ and the root */
    size_t n_boot, n_deployments;
} Leftovers;

int sysroot_need_whole(const Sysroot *s, Error *e)
{
    if (s->problems.errors == 0)
        return 0;
    for (size_t i = 0; i < s->problems.n; i++)
        if (s->problems.entries[i].severity == SEVERITY_ERROR)
            return error_set(e, EUCLEAN, "the sysroot needs a repair first: %s",
                             s->problems.entries[i].message);
    return 0;
}

/* ---- refs ---- */

static int ref_write(Sysroot *s, const char *path, const char *checksum)
{
    _cleanup_buf_ Buf old = BUF_INIT;
    char line[80];
    int n = snprintf(line, sizeof(line), "%s\n", checksum);

    if (file_read_at(s->ostree, path, sizeof(line), &old, NULL) >= 0 && old.data &&
        strcmp(old.data, line) == 0)
        return 0;
    return file_write_at(s->ostree, path, line, (size_t)n, FILE_WRITE(.sync = true));
}

static int refs_remove_behind(Sysroot *s, const char *dir, size_t n)
{
    int fd = openat(s->ostree, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);

    for (struct dirent *f; d && (f = readdir(d));) {
        size_t digits = strspn(f->d_name, "0123456789");
        if (digits > 0 && f->d_name[digits] == '\0' && strtoul(f->d_name, NULL, 10) >= n &&
            unlinkat(dirfd(d), f->d_name, 0) < 0)
            return -errno;
    }
    return 0;
}

int sysroot_write_refs(Sysroot *s, Error *e)
{
    char dir[64], path[128];
    int r = sysroot_step(s, "the refs", e);

    if (r < 0)
        return r;
    snprintf(dir, sizeof(dir), "repo/refs/heads/ostree/%u/%u", s->bootversion, s->subbootversion);
    r = dir_make_all_at(s->ostree, dir, 0755);
    for (size_t i = 0; r >= 0 && i < s->list.n; i++) {
        snprintf(path, sizeof(path), "%s/%zu", dir, i);
        r = ref_write(s, path, s->list.items[i]->checksum);
    }
    if (r >= 0)
        r = refs_remove_behind(s, dir, s->list.n);
    for (unsigned i = 0; r >= 0 && i < 4; i++) {
        if (i / 2 == s->bootversion && i % 2 == s->subbootversion)
            continue;
        snprintf(path, sizeof(path), "repo/refs/heads/ostree/%u/%u", i / 2, i % 2);
        r = tree_remove_at(s->ostree, path);
        r = r == -ENOENT ? 0 : r;
    }
    return r < 0 ? error_errno(e, r, "ostree/%s", dir) : 0;
}

/* ---- a tree ---- */

int tree_set_immutable(int fd, bool immutable)
{
    unsigned flags = 0;

    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
        return errno == ENOTTY || errno == EOPNOTSUPP ? 0 : -errno;
    unsigned wanted = immutable ? flags | FS_IMMUTABLE_FL : flags & ~(unsigned)FS_IMMUTABLE_FL;
    if (wanted == flags)
        return 0;
    if (ioctl(fd, FS_IOC_SETFLAGS, &wanted) < 0)
        return errno == ENOTTY || errno == EOPNOTSUPP ? 0 : -errno;
    return 0;
}

/* Somebody may have made a file of /etc immutable: it would outlive its deployment. Objects of the repository
 * are never so. */
static void flags_clear(int dir, unsigned depth)
{
    int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = own < 0 ? NULL : fdopendir(own);

    (void)tree_set_immutable(dir, false);
    for (struct dirent *f; d && depth < DEPTH_MAX && (f = readdir(d));) {
        if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0 ||
            (f->d_type != DT_DIR && f->d_type != DT_REG))
            continue;
        _cleanup_close_ int fd = openat(dir, f->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && f->d_type == DT_DIR)
            flags_clear(fd, depth + 1);
        else if (fd >= 0)
            (void)tree_set_immutable(fd, false);
    }
}

static int tree_remove_locked(Sysroot *s, const char *path, int dir)
{
    int r = tree_remove_at(s->root, path);

    if (r != -EPERM)
        return r;
    flags_clear(dir, 0);
    return tree_remove_at(s->root, path);
}

int sysroot_remove_tree(Sysroot *s, const Deployment *d, Error *e)
{
    const char *origin = arena_printf(s->arena, "%s.origin", d->path),
               *backing = arena_printf(s->arena, "ostree/deploy/%s/backing/%s.%u", d->stateroot, d->checksum,
                                       d->serial);
    _cleanup_close_ int dir = root_openat(s->root, d->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    struct stat st;

    if (dir >= 0 && (fstat(dir, &st) < 0 || (st.st_dev == s->top.st_dev && st.st_ino == s->top.st_ino)))
        return error_set(e, EBUSY, "%s is the running system", d->path);
    int r = sysroot_step(s, "the removal of a deployment", e);
    if (r < 0)
        return r;
    if (dir >= 0)
        r = tree_set_immutable(dir, false);
    if (r >= 0)
        r = tree_remove_at(s->root, backing);
    if (r >= 0 || r == -ENOENT)
        r = unlinkat(s->root, origin, 0) < 0 && errno != ENOENT ? -errno : 0;
    if (r >= 0 && dir >= 0)
        r = tree_remove_locked(s, d->path, dir);
    return r < 0 && r != -ENOENT ? error_errno(e, r, "removing %s", d->path) : 0;
}

/* ---- what is left ---- */

static bool is_listed(const Sysroot *s, const char *path)
{
    for (size_t i = 0; i < s->list.n; i++)
        if (strcmp(s->list.items[i]->path, path) == 0)
            return true;
    return false;
}

static bool kernel_is_listed(const Sysroot *s, const char *directory)
{
    for (size_t i = 0; i < s->list.n; i++)
        if (strcmp(
                arena_printf(s->arena, "%s-%s", s->list.items[i]->stateroot, s->list.items[i]->boot_checksum),
                directory) == 0)
            return true;
    return false;
}

static DIR *directory_open(int dirfd, const char *path, Error *e, int *ret)
{
    int fd = root_openat(dirfd, path, O_RDONLY | O_DIRECTORY, 0);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    *ret = d ? 0 : fd == -ENOENT ? 0 : error_errno(e, fd < 0 ? fd : -errno, "%s", path);
    return d;
}

static int name_add(const char **list, size_t *n, const char *name, Error *e)
{
    if (*n >= NAMES_MAX)
        return error_set(e, E2BIG, "more than %d leftovers", NAMES_MAX);
    list[(*n)++] = name;
    return 0;
}

/* Directories without an entry, and origin files without a directory. */
static int stateroot_look(Leftovers *l, const char *stateroot, Error *e)
{
    Sysroot *s = l->s;
    const char *path = arena_printf(s->arena, "ostree/deploy/%s/deploy", stateroot);
    char checksum[65];
    unsigned serial;
    int r;
    _cleanup_closedir_ DIR *d = directory_open(s->root, path, e, &r);

    for (struct dirent *f; r >= 0 && d && (f = readdir(d));) {
        char name[128];
        size_t n = strlen(f->d_name);
        bool origin = n > 7 && strcmp(f->d_name + n - 7, ".origin") == 0;
        snprintf(name, sizeof(name), "%.*s", (int)(n - (origin ? 7 : 0)), f->d_name);
        if (!deployment_name_read(name, checksum, &serial))
            continue;
        const char *full = deployment_path(s->arena, stateroot, checksum, serial);
        if (!is_listed(s, full) && (!origin || faccessat(s->root, full, F_OK, AT_SYMLINK_NOFOLLOW) < 0))
            r = name_add(l->deployments, &l->n_deployments, full, e);
    }
    return r;
}

static int deployments_look(Leftovers *l, Error *e)
{
    int r;
    _cleanup_closedir_ DIR *d = directory_open(l->s->root, "ostree/deploy", e, &r);

    for (struct dirent *f; r >= 0 && d && (f = readdir(d));)
        if (f->d_name[0] != '.' && f->d_type == DT_DIR)
            r = stateroot_look(l, arena_strdup(l->s->arena, f->d_name), e);
    return r;
}

/* "ostree/os-<checksum>" of boot/; what has another form is not ours. */
static int kernels_look(Leftovers *l, Error *e)
{
    Sysroot *s = l->s;
    int r;
    _cleanup_closedir_ DIR *d = directory_open(s->boot, "ostree", e, &r);

    for (struct dirent *f; r >= 0 && d && (f = readdir(d));) {
        const char *dash = strrchr(f->d_name, '-');
        if (!dash || strlen(dash + 1) != 64 || strspn(dash + 1, "0123456789abcdef") != 64 ||
            kernel_is_listed(s, f->d_name))
            continue;
        r = name_add(l->boot, &l->n_boot, arena_printf(s->arena, "boot/ostree/%s", f->d_name), e);
    }
    return r;
}

static int versions_look(Leftovers *l, Error *e)
{
    Sysroot *s = l->s;
    const unsigned other = !s->bootversion;
    const char *const names[] = {
        arena_printf(s->arena, "boot/loader.%u", other),
        arena_strdup(s->arena, "boot/loader.tmp"),
        arena_printf(s->arena, "ostree/boot.%u", other),
        arena_printf(s->arena, "ostree/boot.%u.tmp", other),
        arena_printf(s->arena, "ostree/boot.%u.tmp", s->bootversion),
        arena_printf(s->arena, "ostree/boot.%u.0", other),
        arena_printf(s->arena, "ostree/boot.%u.1", other),
        arena_printf(s->arena, "ostree/boot.%u.%u", s->bootversion, !s->subbootversion),
    };
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ELEMENTS(names); i++) {
        _cleanup_close_ int fd = root_openat(s->root, names[i], O_PATH | O_NOFOLLOW, 0);
        if (fd >= 0)
            r = name_add(l->boot, &l->n_boot, names[i], e);
    }
    return r;
}

/* ---- removed ---- */

static void tell(Leftovers *l, const Error *why)
{
    if (l->r)
        report_add(l->r, SEVERITY_WARNING, NULL, NULL, "%s", why->text);
}

/* "boot/x" and "ostree/x" may be links in a running system: through the descriptors. */
static int boot_name_remove(Sysroot *s, const char *name)
{
    return strncmp(name, "boot/", 5) == 0 ? tree_remove_at(s->boot, name + 5)
                                          : tree_remove_at(s->ostree, name + strlen("ostree/"));
}

static int leftovers_remove(Leftovers *l, Error *e)
{
    int removed = 0;

    for (size_t i = 0; i < l->n_boot; i++) {
        int r = sysroot_step(l->s, "a removal in boot", e);
        if (r < 0)
            return r;
        Error why = ERROR_INIT;
        r = boot_name_remove(l->s, l->boot[i]);
        if (r < 0 && r != -ENOENT) {
            (void)error_errno(&why, r, "%s is left over and cannot be removed", l->boot[i]);
            tell(l, &why);
        }
        removed = 1;
    }
    for (size_t i = 0; i < l->n_deployments; i++) {
        const char *name = strrchr(l->deployments[i], '/') + 1;
        char checksum[65];
        Error why = ERROR_INIT;
        Deployment d = {.path = l->deployments[i], .checksum = checksum};
        const char *stateroot = d.path + strlen("ostree/deploy/");
        (void)deployment_name_read(name, checksum, &d.serial);
        d.stateroot = arena_memdup(l->s->arena, stateroot, strcspn(stateroot, "/"));
        int r = sysroot_remove_tree(l->s, &d, &why);
        if (r == -EINTR)
            return error_set(e, EINTR, "%s", why.text);
        if (r < 0)
            tell(l, &why);
        removed = 1;
    }
    return removed;
}

static int clean(Sysroot *s, bool synced, bool trees, Report *report, Error *e)
{
    Leftovers l = {.s = s,
                   .r = report,
                   .boot = ARENA_ARRAY(s->arena, const char *, NAMES_MAX),
                   .deployments = ARENA_ARRAY(s->arena, const char *, NAMES_MAX)};
    int r = sysroot_need_write(s, e);

    if (r >= 0)
        r = sysroot_need_whole(s, e);
    if (r >= 0) /* nothing goes that it may still name */
        r = boot_esp_sync(s, e);
    if (r >= 0)
        r = sysroot_write_refs(s, e);
    const bool full = r == -ENOSPC || r == -EDQUOT;
    if (full) /* what is removed makes the room, and needs no refs: objects stay until somebody prunes */
        r = 0;
    if (r >= 0)
        r = versions_look(&l, e);
    if (r >= 0 && s->boot >= 0)
        r = kernels_look(&l, e);
    if (r >= 0 && trees)
        r = deployments_look(&l, e);
    if (r >= 0 && l.n_boot + l.n_deployments > 0 && !synced)
        r = boot_sync(s, e);
    if (r >= 0)
        r = leftovers_remove(&l, e);
    if (r >= 0 && full) {
        const int removed = r;
        r = sysroot_write_refs(s, e);
        r = r < 0 ? r : removed;
    }
    return r < 0 ? error_wrap(e, r, "cleaning up") : r;
}

int sysroot_cleanup(Sysroot *s, bool synced, Report *report, Error *e)
{
    return clean(s, synced, true, report, e);
}

int sysroot_cleanup_boot(Sysroot *s, Report *report, Error *e)
{
    return clean(s, true, false, report, e);
}
