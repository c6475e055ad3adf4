/* Depth first through directory descriptors. A directory is made as 0700, filled, and gets its owner,
 * attributes, mode and time when nothing more comes into it: nobody else looks into half a tree, and no
 * default ACL of it touches what is made in it. Names come from the decoder of trees, which lets no "..", "."
 * or slash through. Empty files are hard links like all others. libostree copies them, because an object that
 * thousands of files share runs into the file system's limit of links (EMLINK); here that limit is met where
 * it occurs, by a copy, and every other file keeps being the object's own inode, which is what makes a
 * deployment quick to verify. */
#include "update/tree_checkout.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/tree_copy.h"
#include "update/repo.h"
#include "update/tree_path.h"

typedef struct Checkout {
    int repo;
    const CheckoutOptions *options;
    TreeCopier *copier;
    Buf path; /* for messages */
    unsigned depth;
} Checkout;

static void checkout_done(Checkout *c)
{
    tree_copier_free(c->copier);
    buf_done(&c->path);
}

static int step(const CheckoutOptions *o, const char *what, Error *e)
{
    int r = o->step ? o->step(o->context, what) : 0;
    return r < 0 ? error_errno(e, r, "interrupted before %s", what) : 0;
}

static int fail(const Checkout *c, int r, Error *e)
{
    return error_errno(e, r, "checking out /%s", tree_path_text(&c->path));
}

static int file_checkout(Checkout *c, int to, const OstreeFileRow *f, Error *e)
{
    char object[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];
    bool copy = c->options->copy;
    int r = step(c->options, "a file", e);

    if (r < 0)
        return r;
    object_name(OBJECT_FILE, f->checksum, object);
    object_place(object, place);
    if (!copy && linkat(c->repo, place, to, f->name, 0) < 0) {
        if (errno != EMLINK)
            return -errno;
        copy = true;
    }
    return copy ? tree_copy_one(c->copier, c->repo, place, to, f->name, !c->options->copy) : 0;
}

static int files_checkout(Checkout *c, int to, const OstreeTree *t, Error *e)
{
    for (size_t i = 0; i < t->n_files; i++) {
        Error inner = ERROR_INIT;
        int r = file_checkout(c, to, &t->files[i], &inner);
        if (r < 0 && inner.code)
            return error_set(e, -r, "%s", inner.text);
        if (r < 0) {
            tree_path_push(&c->path, t->files[i].name);
            return fail(c, r, e);
        }
    }
    return 0;
}

/* Owner before attributes before mode: giving away takes set-id bits, an ACL sets a mode of its own. */
static int attributes_set(Checkout *c, int to, const OstreeMeta *m, Error *e)
{
    static const struct timespec epoch[2] = {{.tv_nsec = UTIME_OMIT}, {0}};

    if (fchown(to, m->uid, m->gid) < 0)
        return fail(c, -errno, e);
    for (size_t i = 0; i < m->n_xattrs; i++)
        if (fsetxattr(to, m->xattrs[i].name, m->xattrs[i].value, m->xattrs[i].n, 0) < 0)
            return fail(c, -errno, e);
    if (fchmod(to, m->mode & 07777) < 0 || (!c->options->copy && futimens(to, epoch) < 0))
        return fail(c, -errno, e);
    return 0;
}

static int directory_fill(Checkout *c, int to, const uint8_t tree[OSTREE_CHECKSUM],
                          const uint8_t meta[OSTREE_CHECKSUM], Error *e);

static int directory_checkout(Checkout *c, int to, const OstreeDirectoryRow *d, Error *e)
{
    int r = step(c->options, "a directory", e);

    if (r < 0)
        return r;
    if (mkdirat(to, d->name, 0700) < 0)
        return fail(c, -errno, e);
    _cleanup_close_ int fd = openat(to, d->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? fail(c, -errno, e) : directory_fill(c, fd, d->tree, d->meta, e);
}

static int directory_fill(Checkout *c, int to, const uint8_t tree[OSTREE_CHECKSUM],
                          const uint8_t meta[OSTREE_CHECKSUM], Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeTree t;
    OstreeMeta m;

    if (++c->depth > REPO_DEPTH_MAX)
        return fail(c, -ELOOP, e);
    int r = repo_read_tree(c->repo, a, tree, &t, e);
    if (r >= 0)
        r = repo_read_dirmeta(c->repo, a, meta, &m, e);
    if (r < 0)
        return error_wrap(e, r, "checking out /%s", tree_path_text(&c->path));
    r = files_checkout(c, to, &t, e);
    for (size_t i = 0; r >= 0 && i < t.n_directories; i++) {
        size_t length = tree_path_push(&c->path, t.directories[i].name);
        r = directory_checkout(c, to, &t.directories[i], e);
        tree_path_pop(&c->path, length);
    }
    if (r >= 0)
        r = attributes_set(c, to, &m, e);
    c->depth--;
    return r;
}

static int is_empty(int fd)
{
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = again < 0 ? NULL : fdopendir(again);
    struct dirent *entry;

    if (!d)
        return -errno;
    while (errno = 0, (entry = readdir(d)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return 0;
    return errno ? -errno : 1;
}

int tree_checkout(int repo, const uint8_t commit[OSTREE_CHECKSUM], int to, const CheckoutOptions *o, Error *e)
{
    static const CheckoutOptions none;
    _cleanup_(checkout_done)
    Checkout c = {.repo = repo, .options = o ? o : &none, .copier = tree_copier_new()};
    struct stat here, there;
    RepoEntry top;

    const char *subpath = c.options->subpath ? c.options->subpath : "";
    int r = repo_find(repo, commit, subpath, &top, e);
    if (r < 0)
        return r;
    if (!top.directory)
        return error_set(e, ENOTDIR, "'%s' of the commit is no directory", subpath);
    r = is_empty(to);
    if (r <= 0)
        return error_errno(e, r < 0 ? r : -ENOTEMPTY, "the directory to check out into");
    if (fstat(repo, &there) < 0 || fstat(to, &here) < 0)
        return error_errno(e, -errno, "checking out");
    if (!c.options->copy && here.st_dev != there.st_dev)
        return error_set(e, EXDEV, "a tree can only be checked out on the file system of its repository");
    return directory_fill(&c, to, top.checksum, top.meta, e);
}

/* ---- a deployment ---- */

/* 1: it is there and something is in it; 0: it is there, empty; -ENOENT. */
static int directory_look(int repo, const uint8_t commit[OSTREE_CHECKSUM], const char *path, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    RepoEntry found;
    OstreeTree t;

    int r = repo_find(repo, commit, path, &found, e);
    if (r < 0)
        return r;
    if (!found.directory)
        return error_set(e, ENOTDIR, "/%s of the commit is no directory", path);
    r = repo_read_tree(repo, a, found.checksum, &t, e);
    return r < 0 ? r : t.n_files > 0 || t.n_directories > 0;
}

/* From which path of the commit etc comes, NULL: there is none. */
static int etc_look(int repo, const uint8_t commit[OSTREE_CHECKSUM], const char **ret, int *ret_etc, Error *e)
{
    Error inner = ERROR_INIT;
    int etc = directory_look(repo, commit, "etc", &inner), defaults;

    if (etc >= 0 || etc == -ENOENT) {
        inner = ERROR_INIT;
        defaults = directory_look(repo, commit, "usr/etc", &inner);
    } else
        defaults = etc;
    if (defaults < 0 && defaults != -ENOENT)
        return error_set(e, -defaults, "%s", inner.text);
    if (etc > 0 && defaults >= 0)
        return error_set(e, EEXIST, "the commit has both /etc and /usr/etc");
    *ret = defaults >= 0 ? "usr/etc" : etc > 0 ? "etc" : NULL;
    *ret_etc = etc;
    return 0;
}

/* An etc of the commit's own gets out of the way. The rename dates usr anew, which is put right: what caches
 * of usr are made for goes by that. */
static int etc_move(int to, const char *from, int etc, const CheckoutOptions *o, Error *e)
{
    static const struct timespec epoch[2] = {{.tv_nsec = UTIME_OMIT}, {0}};
    int r = etc >= 0 ? step(o, "moving etc", e) : 0;

    if (r < 0 || etc < 0)
        return r;
    if (strcmp(from, "etc") != 0)
        return unlinkat(to, "etc", AT_REMOVEDIR) < 0 ? error_errno(e, -errno, "removing an empty etc") : 0;
    _cleanup_close_ int usr = openat(to, "usr", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (usr < 0 || renameat(to, "etc", usr, "etc") < 0 || futimens(usr, epoch) < 0)
        return error_errno(e, -errno, "making usr/etc of the commit's etc");
    return 0;
}

int tree_checkout_deployment(int repo, const uint8_t commit[OSTREE_CHECKSUM], int to,
                             const CheckoutOptions *o, Error *e)
{
    static const CheckoutOptions none;
    CheckoutOptions all = {.step = (o ? o : &none)->step, .context = (o ? o : &none)->context}, copy = all;
    const char *from;
    int had_etc, r = etc_look(repo, commit, &from, &had_etc, e);

    if (r >= 0)
        r = tree_checkout(repo, commit, to, &all, e);
    if (r < 0 || !from)
        return r;
    r = etc_move(to, from, had_etc, &all, e);
    if (r >= 0)
        r = step(&all, "etc", e);
    if (r < 0)
        return r;
    _cleanup_close_ int etc = mkdirat(to, "etc", 0700) < 0
                                  ? -EBADF
                                  : openat(to, "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (etc < 0)
        return error_errno(e, -errno, "making etc");
    copy.subpath = from;
    copy.copy = true;
    return tree_checkout(repo, commit, etc, &copy, e);
}
