/* Order: look (names, merge deployment, space), clean up, then the directory under its final name, which
 * counts for nothing until an entry leads to it: checkout, checksum of the kernel, origin. /var is the
 * stateroot's and stays as it is. */
#include "update/deployment_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "update/boot_swap.h"
#include "update/deployment_list.h"
#include "update/kernel_files.h"
#include "update/sysroot_cleanup.h"
#include "update/sysroot_state.h"

enum { RESERVE = 4 << 20, SERIAL_MAX = 100000, MIB = 1 << 20 };

/* ---- what is asked for ---- */

static int request_check(Sysroot *s, const DeploymentMake *m, const Deployment **ret_merge,
                         const char **ret_stateroot, Error *e)
{
    const Deployment *merge = m->no_merge ? NULL : m->merge;
    const char *stateroot = m->stateroot;

    if (!m->checksum || strlen(m->checksum) != 64 || strspn(m->checksum, "0123456789abcdef") != 64)
        return error_set(e, EINVAL, "'%s' is no checksum of a commit", m->checksum ? m->checksum : "");
    if (m->options && strpbrk(m->options, "\r\n"))
        return error_set(e, EINVAL, "kernel arguments with a line break");
    if (!merge && !m->no_merge)
        merge = sysroot_find(s, DEPLOYMENT_MERGE, stateroot);
    if (!stateroot) {
        const Deployment *like = merge ? merge : sysroot_find(s, DEPLOYMENT_MERGE, NULL);
        stateroot = like ? like->stateroot : NULL;
    }
    if (!stateroot)
        return error_set(e, EINVAL, "no deployment yet: the stateroot has to be named");
    if (!stateroot_name_is_valid(stateroot) ||
        faccessat(s->root, arena_printf(s->arena, "ostree/deploy/%s/var", stateroot), F_OK, 0) < 0)
        return error_set(e, ENOENT, "there is no stateroot '%s'", stateroot);
    *ret_merge = merge;
    *ret_stateroot = stateroot;
    return 0;
}

static int space_check(Sysroot *s, const DeploymentTree *t, const char *checksum, Error *e)
{
    uint64_t bytes, files;
    struct statvfs v;

    if (!t->measure)
        return 0;
    int r = t->measure(t->context, checksum, &bytes, &files, e);
    if (r < 0)
        return r;
    if (fstatvfs(s->ostree, &v) < 0)
        return error_errno(e, -errno, "ostree");
    uint64_t free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    if (bytes + RESERVE > free_bytes)
        return error_set(e, ENOSPC,
                         "a deployment needs %" PRIu64 " MiB below ostree/, and %" PRIu64 " MiB are free",
                         (bytes + RESERVE + MIB - 1) / MIB, free_bytes / MIB);
    if (v.f_files > 0 && files > v.f_favail)
        return error_set(e, ENOSPC,
                         "a deployment needs %" PRIu64 " inodes below ostree/, and %" PRIu64 " are free",
                         files, (uint64_t)v.f_favail);
    return 0;
}

/* One more than the highest of that commit, counted whatever it is. */
static int serial_find(Sysroot *s, const char *directory, const char *checksum, unsigned *ret, Error *e)
{
    int fd = root_openat(s->root, directory, O_RDONLY | O_DIRECTORY, 0);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    char found[65];
    unsigned serial, next = 0;

    if (!d)
        return error_errno(e, fd < 0 ? fd : -errno, "%s", directory);
    for (struct dirent *f; (f = readdir(d));)
        if (f->d_type == DT_DIR && deployment_name_read(f->d_name, found, &serial) &&
            strcmp(found, checksum) == 0 && serial >= next)
            next = serial + 1;
    if (next > SERIAL_MAX)
        return error_set(e, E2BIG, "more than %d deployments of commit %s", SERIAL_MAX, checksum);
    *ret = next;
    return 0;
}

/* ---- the tree ---- */

static int origin_write(Sysroot *s, const Deployment *d, Error *e)
{
    const char *path = arena_printf(s->arena, "%s.origin", d->path);
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = sysroot_step(s, "the origin", e);

    if (r < 0 || d->origin.n == 0)
        return r;
    origin_encode(&d->origin, &text);
    r = root_write(s->root, path, text.data, text.len, FILE_WRITE());
    return r < 0 ? error_errno(e, r, "%s", path) : 0;
}

static int tree_fill(Sysroot *s, const DeploymentTree *t, Deployment *d, Error *e)
{
    KernelFiles kernel;
    char checksum[65];
    int r = sysroot_step(s, "a deployment's directory", e);

    if (r < 0)
        return r;
    if (mkdirat(s->root, d->path, 0755) < 0)
        return error_errno(e, -errno, "%s", d->path);
    _cleanup_close_ int dir = deployment_open(s, d, e);
    if (dir < 0)
        return dir;
    r = sysroot_step(s, "the checkout", e);
    if (r >= 0)
        r = t->checkout(t->context, d->checksum, dir, e);
    if (r >= 0)
        r = kernel_files_find(s->arena, dir, &kernel, e);
    if (r >= 0)
        r = kernel_files_checksum(dir, &kernel, checksum, e);
    if (r < 0)
        return r;
    d->boot_checksum = arena_strdup(s->arena, checksum);
    d->kernel_version = kernel.version;
    return origin_write(s, d, e);
}

static Deployment *deployment_new(Sysroot *s, const DeploymentMake *m, const Deployment *merge,
                                  const char *stateroot)
{
    Arena *a = s->arena;
    Deployment *d = ARENA_NEW(a, Deployment);

    d->stateroot = arena_strdup(a, stateroot);
    d->checksum = arena_strdup(a, m->checksum);
    d->options = m->options ? arena_strdup(a, m->options) : merge ? merge->options : "";
    d->entry_rest = merge ? merge->entry_rest : NULL;
    d->origin = m->origin ? origin_copy(a, m->origin)
                : merge   ? origin_copy(a, &merge->origin)
                          : (Origin){.arena = a};
    if (!m->origin)
        origin_forget_transient(&d->origin);
    return d;
}

int deployment_tree_make(Sysroot *s, const DeploymentTree *t, const DeploymentMake *m, Deployment **ret,
                         const Deployment **ret_merge, Report *report, Error *e)
{
    const Deployment *merge = NULL;
    const char *stateroot = NULL;
    int r = sysroot_need_write(s, e);

    if (r >= 0)
        r = sysroot_need_whole(s, e);
    if (r >= 0)
        r = request_check(s, m, &merge, &stateroot, e);
    if (r >= 0 && !s->has_loader) { /* afterwards one that is not there is damage */
        r = sysroot_boot_init(s->root, e);
        r = r < 0 ? r : sysroot_load(s, e);
    }
    if (r >= 0)
        r = sysroot_cleanup(s, false, report, e);
    if (r >= 0)
        r = space_check(s, t, m->checksum, e);
    if (r < 0)
        return r;
    const char *directory = arena_printf(s->arena, "ostree/deploy/%s/deploy", stateroot);
    Deployment *d = deployment_new(s, m, merge, stateroot);
    r = dir_make_all_at(s->root, directory, 0755);
    if (r < 0)
        return error_errno(e, r, "%s", directory);
    r = serial_find(s, directory, m->checksum, &d->serial, e);
    if (r < 0)
        return r;
    d->path = deployment_path(s->arena, stateroot, m->checksum, d->serial);
    r = tree_fill(s, t, d, e);
    if (r < 0) {
        (void)sysroot_remove_tree(s, d, NULL);
        return error_wrap(e, r, "making %s", d->path);
    }
    (void)deployment_commit_read(s, d);
    *ret = d;
    *ret_merge = merge;
    return 0;
}

/* systemd's marks that /etc and /var are up to date: with another /usr they are not. */
static int marks_remove(Sysroot *s, const Deployment *d, int dir, Error *e)
{
    const char *var = arena_printf(s->arena, "ostree/deploy/%s/var/.updated", d->stateroot);

    if ((unlinkat(dir, "etc/.updated", 0) < 0 && errno != ENOENT) ||
        (unlinkat(s->root, var, 0) < 0 && errno != ENOENT))
        return error_errno(e, -errno, "the marks of what is up to date");
    return 0;
}

int deployment_tree_finish(Sysroot *s, const DeploymentTree *t, const Deployment *d, const Deployment *merge,
                           Report *report, Error *e)
{
    _cleanup_close_ int dir = deployment_open(s, d, e);
    _cleanup_close_ int from = dir >= 0 && merge ? deployment_open(s, merge, e) : -EBADF;
    int r = dir < 0 ? dir : merge && from < 0 ? from : sysroot_step(s, "the merge of /etc", e);

    if (r >= 0)
        r = tree_set_immutable(dir, false); /* set already where an earlier run was cut off */
    if (r >= 0 && merge && t->merge_etc) {
        r = t->merge_etc(t->context, from, dir, report, e);
        if (r < 0)
            return error_wrap(e, r, "merging /etc of %s", merge->path);
    }
    if (r >= 0)
        r = marks_remove(s, d, dir, e);
    if (r >= 0 && !s->options.mutable) {
        r = tree_set_immutable(dir, true);
        if (r < 0)
            return error_errno(e, r, "sealing %s", d->path);
    }
    return r;
}

/* ---- room in /boot ---- */

static bool kernel_is_wanted(const DeploymentList *wanted, const Deployment *d)
{
    for (size_t i = 0; i < wanted->n; i++)
        if (strcmp(wanted->items[i]->boot_checksum, d->boot_checksum) == 0 &&
            strcmp(wanted->items[i]->stateroot, d->stateroot) == 0)
            return true;
    return false;
}

/* Bytes in boot/ of kernels that only unwanted deployments have. */
static uint64_t reclaimable(Sysroot *s, const DeploymentList *wanted)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < s->list.n; i++) {
        const Deployment *d = s->list.items[i];
        bool counted = kernel_is_wanted(wanted, d);
        for (size_t k = 0; k < i; k++)
            counted = counted || (strcmp(s->list.items[k]->boot_checksum, d->boot_checksum) == 0 &&
                                  strcmp(s->list.items[k]->stateroot, d->stateroot) == 0);
        const char *path = arena_printf(s->arena, "ostree/%s-%s", d->stateroot, d->boot_checksum);
        int fd = counted ? -EBADF : root_openat(s->boot, path, O_RDONLY | O_DIRECTORY, 0);
        _cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct stat st;
        for (struct dirent *f; dir && (f = readdir(dir));)
            if (fstatat(dirfd(dir), f->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
                st.st_nlink == 1)
                sum += (uint64_t)st.st_blocks * 512;
    }
    return sum;
}

static int boot_free(const Sysroot *s, uint64_t *ret, Error *e)
{
    struct statvfs v;

    if (fstatvfs(s->boot, &v) < 0)
        return error_errno(e, -errno, "boot");
    *ret = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

int deployment_room_make(Sysroot *s, const DeploymentList *wanted, const Deployment *fresh, Report *report,
                         Error *e)
{
    uint64_t needed, available = 0;
    int r = boot_swap_measure(s, wanted, &needed, e);

    if (r >= 0)
        r = boot_free(s, &available, e);
    if (r < 0 || needed == 0 || needed + MIB <= available)
        return r;
    const DeploymentList kept = deployment_list_without(s->arena, wanted, fresh);
    uint64_t more = kept.n > 0 ? reclaimable(s, wanted) : 0;
    if (more == 0 || needed + MIB > available + more)
        return error_set(e, ENOSPC,
                         "the kernel needs %" PRIu64 " MiB in /boot, %" PRIu64 " MiB are free and %" PRIu64
                         " MiB more can be made free",
                         (needed + MIB + MIB - 1) / MIB, available / MIB, more / MIB);
    if (report)
        report_add(report, SEVERITY_WARNING, NULL, NULL,
                   "/boot is too small for one kernel more: old deployments were removed first");
    r = boot_swap(s, &kept, false, e);
    return r < 0 ? r : sysroot_cleanup_boot(s, report, e);
}
