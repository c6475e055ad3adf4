/* One change after the other, in the plan's order, so that a directory is there before what is in it. A file
 * is copied under a name of ours at the top of the new etc and renamed to its place: stopped anywhere, each
 * path has what it had or what it is to have, and doing it all again ends the same. Directories that are
 * missing on the way are made as they are in /etc. No link is followed on either side. */
#include "update/etc_merge.h"

#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/tree_copy.h"
#include "update/file_meta.h"

#define ASIDE ".basalt-etc-merge"

typedef struct Apply {
    int etc, new_etc;
    TreeCopier *copier;
    EtcStep step;
    void *context;
} Apply;

static int step(const Apply *a, const char *what)
{
    return a->step ? a->step(a->context, what) : 0;
}

static int directory_open(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* ---- directories ---- */

static bool has_xattr(const OstreeMeta *m, const char *name)
{
    for (size_t i = 0; i < m->n_xattrs; i++)
        if (strcmp(m->xattrs[i].name, name) == 0)
            return true;
    return false;
}

/* All that the one has, and no more; a label that only the new one has was given to it by its policy. */
static int xattrs_take(int to, const OstreeMeta *had, const OstreeMeta *m)
{
    for (size_t i = 0; i < had->n_xattrs; i++)
        if (!has_xattr(m, had->xattrs[i].name) && strcmp(had->xattrs[i].name, "security.selinux") != 0 &&
            fremovexattr(to, had->xattrs[i].name) < 0 && errno != ENODATA)
            return -errno;
    for (size_t i = 0; i < m->n_xattrs; i++)
        if (fsetxattr(to, m->xattrs[i].name, m->xattrs[i].value, m->xattrs[i].n, 0) < 0)
            return -errno;
    return 0;
}

static int directory_attributes(int from, int to)
{
    _cleanup_arena_ Arena *arena = arena_new();
    OstreeMeta m, had;
    int r = file_meta_read(arena, from, ".", &m, NULL);

    if (r >= 0)
        r = file_meta_read(arena, to, ".", &had, NULL);
    if (r >= 0 && fchown(to, m.uid, m.gid) < 0)
        r = -errno;
    if (r >= 0)
        r = xattrs_take(to, &had, &m);
    return r >= 0 && fchmod(to, m.mode & 07777) < 0 ? -errno : r;
}

/* Open in the new etc, made as it is in /etc where it is not there. */
static int directory_ensure(Apply *a, int from, int to, const char *name)
{
    int fd = directory_open(to, name);

    if (fd != -ENOENT)
        return fd;
    int r = step(a, "making a directory");
    if (r < 0)
        return r;
    if (mkdirat(to, name, 0700) < 0)
        return -errno;
    _cleanup_close_ int made = directory_open(to, name);
    r = made < 0 ? made : directory_attributes(from, made);
    return r < 0 ? r : TAKE_FD(made);
}

/* The directories of a path's last component on both sides, which become the caller's. For what is removed
 * the one in /etc need not be there, and that in the new etc is not made: -ENOENT, -ENOTDIR, -ELOOP. */
static int parents_open(Apply *a, const EtcChange *c, int *ret_from, int *ret_to, const char **ret_name)
{
    _cleanup_close_ int from = directory_open(a->etc, "."), to = directory_open(a->new_etc, ".");
    const char *p = c->path, *slash;

    if (from < 0 || to < 0)
        return from < 0 ? from : to;
    while ((slash = strchr(p, '/'))) {
        char name[NAME_MAX + 1];
        snprintf(name, sizeof(name), "%.*s", (int)(slash - p), p);
        _cleanup_close_ int inner = directory_open(from, name);
        if (inner < 0 && c->kind != ETC_REMOVED)
            return inner;
        int next = c->kind == ETC_REMOVED ? directory_open(to, name) : directory_ensure(a, inner, to, name);
        if (next < 0)
            return next;
        closep(&to);
        to = next;
        if (inner >= 0) {
            closep(&from);
            from = TAKE_FD(inner);
        }
        p = slash + 1;
    }
    *ret_from = TAKE_FD(from);
    *ret_to = TAKE_FD(to);
    *ret_name = p;
    return 0;
}

/* ---- changes ---- */

/* 1: there is something else than a directory; 2: a directory; 0: nothing. */
static int what_is(int fd, const char *name)
{
    struct stat st;

    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    return S_ISDIR(st.st_mode) ? 2 : 1;
}

static int entry_remove(Apply *a, int to, const char *name)
{
    int r = what_is(to, name);

    if (r > 0)
        r = step(a, "removing");
    return r < 0 ? r : tree_remove_at(to, name);
}

static int directory_take(Apply *a, int from, int to, const char *name)
{
    _cleanup_close_ int in = directory_open(from, name);
    int r = in < 0 ? in : what_is(to, name);

    if (r == 1)
        r = entry_remove(a, to, name);
    if (r < 0)
        return r;
    _cleanup_close_ int out = directory_ensure(a, in, to, name);
    if (out < 0)
        return out;
    r = step(a, "a directory's attributes");
    return r < 0 ? r : directory_attributes(in, out);
}

static int file_take(Apply *a, int from, int to, const char *name)
{
    int r = step(a, "copying");

    if (r >= 0 && unlinkat(a->new_etc, ASIDE, 0) < 0 && errno != ENOENT)
        r = -errno;
    if (r >= 0)
        r = tree_copy_one(a->copier, from, name, a->new_etc, ASIDE, true);
    if (r >= 0)
        r = what_is(to, name);
    if (r == 2)
        r = entry_remove(a, to, name);
    if (r >= 0)
        r = step(a, "renaming");
    return r >= 0 && renameat(a->new_etc, ASIDE, to, name) < 0 ? -errno : r < 0 ? r : 0;
}

static int change_apply(Apply *a, const EtcChange *c)
{
    _cleanup_close_ int from = -EBADF, to = -EBADF;
    bool carried = S_ISREG(c->type) || S_ISLNK(c->type) || S_ISDIR(c->type);
    const char *name;

    if (!carried && c->kind == ETC_ADDED)
        return 0;
    int r = parents_open(a, c, &from, &to, &name);
    if (r < 0)
        return c->kind == ETC_REMOVED && (r == -ENOENT || r == -ENOTDIR || r == -ELOOP) ? 0 : r;
    if (c->kind == ETC_REMOVED || !carried)
        return entry_remove(a, to, name);
    return (S_ISDIR(c->type) ? directory_take : file_take)(a, from, to, name);
}

int etc_merge_apply(const EtcMerge *m, int etc, int new_etc, EtcStep step_call, void *context, Error *e)
{
    _cleanup_tree_copier_ TreeCopier *copier = tree_copier_new();
    Apply a = {.etc = etc, .new_etc = new_etc, .copier = copier, .step = step_call, .context = context};
    int r = 0;

    for (size_t i = 0; r >= 0 && i < m->n; i++) {
        r = change_apply(&a, &m->changes[i]);
        if (r < 0)
            error_errno(e, r, "merging /etc/%s", m->changes[i].path);
    }
    if (unlinkat(new_etc, ASIDE, 0) < 0 && errno != ENOENT && r >= 0)
        r = error_errno(e, -errno, "removing %s of the new /etc", ASIDE);
    return r;
}
