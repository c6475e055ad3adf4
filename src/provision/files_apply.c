/* The one file of the files stage that changes the root.
 *
 * Everything goes through the descriptor of the directory that holds the target, opened below the root with
 * links resolved inside it, and then by one name without following it: whatever links lie in the tree, or
 * appear while this runs, nothing outside the root is reached.
 * A file gets its contents, owner and mode before it gets its name. Where nothing is in the way it is made
 * without any name and linked in (an interruption leaves nothing); where something is replaced, and on
 * filesystems without O_TMPFILE, it has a temporary name that depends on the target only, so the next run
 * finds what was left. There is no fsync per file: files_apply_sync() syncs each filesystem once, at the end,
 * and the journal stays until then. Refused: what stands in the way without being declared to go, unless an
 * interrupted run made it. */
#include "provision/files_apply.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "base/map.h"
#include "provision/fetch_pool.h"
#include "provision/users.h"

typedef struct Device {
    dev_t dev;
    int fd;
} Device;

struct FilesApply {
    FilesApplyOptions o;
    Map users, groups; /* name → id + 1 */
    const char *dir;   /* the last parent, borrowed from the plan */
    size_t dir_len;
    int dirfd;
    Device *devices;
    size_t n_devices;
    bool no_tmpfile; /* this directory's filesystem has none */
    FetchPool *pool; /* of the operations in hand; NULL: each is fetched when its turn comes */
};

/* Where an operation works, and as what. */
typedef struct Target {
    const FilesOp *op;
    int dirfd;
    const char *name;
    char temp[32];
    uid_t uid; /* (uid_t)-1: not declared */
    gid_t gid;
} Target;

FilesApply *files_apply_new(const FilesApplyOptions *o)
{
    FilesApply *a = calloc(1, sizeof(*a));
    if (!a)
        abort();
    *a = (FilesApply){.o = *o, .dirfd = -EBADF};
    return a;
}

void files_apply_free(FilesApply *a)
{
    if (!a)
        return;
    fetch_pool_free(a->pool);
    closep(&a->dirfd);
    for (size_t i = 0; i < a->n_devices; i++)
        close(a->devices[i].fd);
    free(a->devices);
    map_done(&a->users);
    map_done(&a->groups);
    free(a);
}

int files_apply_step(FilesApply *a, const char *what)
{
    return a->o.hooks ? a->o.hooks->step(a->o.hooks->context, what) : 0;
}

/* ---- directories ---- */

static int device_note(FilesApply *a, int dirfd)
{
    struct stat st;
    if (fstat(dirfd, &st) < 0)
        return -errno;
    for (size_t i = 0; i < a->n_devices; i++)
        if (a->devices[i].dev == st.st_dev)
            return 0;
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    a->devices = realloc(a->devices, (a->n_devices + 1) * sizeof(*a->devices));
    if (!a->devices)
        abort();
    a->devices[a->n_devices++] = (Device){st.st_dev, fd};
    return 0;
}

static void parent_forget(FilesApply *a)
{
    closep(&a->dirfd);
    a->dirfd = -EBADF;
    a->dir = NULL;
}

/* The directory of `real` (kept open: the next entry is usually beside this one) and the name in it. */
static int parent_open(FilesApply *a, const char *real, const char **ret_name)
{
    const char *slash = strrchr(real, '/');
    size_t n = slash - real;
    if (!a->dir || n != a->dir_len || memcmp(a->dir, real, n) != 0) {
        parent_forget(a);
        int r = files_apply_step(a, "parents");
        if (r < 0)
            return r;
        _cleanup_free_ char *name = NULL;
        _cleanup_close_ int fd = root_open_parent(a->o.root, real, true, 0755, &name);
        if (fd < 0)
            return fd;
        r = device_note(a, fd);
        if (r < 0)
            return r;
        a->dirfd = TAKE_FD(fd);
        a->dir = real;
        a->dir_len = n;
        a->no_tmpfile = false;
    }
    *ret_name = slash + 1;
    return a->dirfd;
}

/* One name in one directory: 64 bits of FNV-1a over it. */
static void temp_name(const char *name, char ret[static 32])
{
    uint64_t h = 14695981039346656037u;
    for (const char *p = name; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    snprintf(ret, 32, ".ign-%016" PRIx64, h);
}

/* ---- owners ---- */

static int owner_lookup(FilesApply *a, bool group, const char *name, uint32_t *ret, Error *e)
{
    Map *known = group ? &a->groups : &a->users;
    void *id = map_get(known, name);
    if (!id) {
        UserEntry u;
        int r = group ? group_find(a->o.root, a->o.arena, name, &u, e)
                      : user_find(a->o.root, a->o.arena, name, &u, e);
        if (r < 0)
            return r;
        if (r == 0)
            return error_set(e, ENOENT, "no such %s \"%s\"", group ? "group" : "user", name);
        id = (void *)((uintptr_t)(group ? u.gid : u.uid) + 1);
        map_put(known, name, id);
    }
    *ret = (uintptr_t)id - 1;
    return 0;
}

static int owner_resolve(FilesApply *a, bool group, const IgnOwner *o, uint32_t *ret, Error *e)
{
    *ret = (uint32_t)-1;
    if (o->id.set) {
        if (o->id.value < 0 || o->id.value >= UINT32_MAX)
            return error_set(e, ERANGE, "%s id %lld", group ? "group" : "user", (long long)o->id.value);
        *ret = o->id.value;
        return 0;
    }
    return o->name && *o->name ? owner_lookup(a, group, o->name, ret, e) : 0;
}

static bool owner_declared(const Target *t)
{
    return t->uid != (uid_t)-1 || t->gid != (gid_t)-1;
}

/* Owner first: changing it takes the set-id bits away. */
static int attributes_set(FilesApply *a, const Target *t, int fd, OptInt mode)
{
    if (owner_declared(t)) {
        int r = files_apply_step(a, "owner");
        if (r < 0)
            return r;
        if (fchown(fd, t->uid, t->gid) < 0)
            return -errno;
    }
    if (mode.set) {
        int r = files_apply_step(a, "mode");
        if (r < 0)
            return r;
        if (fchmod(fd, mode.value & 07777) < 0)
            return -errno;
    }
    return 0;
}

/* ---- names ---- */

/* Puts the temporary name in the place of the real one. A directory in the way goes when it was declared to;
 * one that an interrupted run left goes only when it is empty. */
static int temp_take_place(FilesApply *a, const Target *t, bool may_replace)
{
    const FilesOp *op = t->op;
    bool ours = a->o.journal->resumed && op->before.kind == FILES_ABSENT;
    int r = files_apply_step(a, "rename");
    if (r < 0)
        return r;
    if (!may_replace && !ours) {
        if (renameat2(t->dirfd, t->temp, t->dirfd, t->name, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EINVAL) /* this filesystem cannot say so; it was looked at before */
            return -errno;
    }
    if (renameat(t->dirfd, t->temp, t->dirfd, t->name) == 0)
        return 0;
    if (errno != EISDIR && errno != EEXIST && errno != ENOTEMPTY)
        return -errno;
    if (op->overwrite)
        r = tree_remove_at(t->dirfd, t->name);
    else if (ours)
        r = unlinkat(t->dirfd, t->name, AT_REMOVEDIR) < 0 ? -errno : 0;
    else
        r = -EISDIR;
    if (r < 0)
        return r;
    r = files_apply_step(a, "rename over directory");
    if (r < 0)
        return r;
    return renameat(t->dirfd, t->temp, t->dirfd, t->name) < 0 ? -errno : 0;
}

static void temp_remove(const Target *t)
{
    int saved = errno;
    (void)unlinkat(t->dirfd, t->temp, 0);
    errno = saved;
}

/* ---- files ---- */

static int contents_write(FilesApply *a, const FilesOp *op, int fd, bool appended_only, Error *e)
{
    const IgnFile *f = (const IgnFile *)op->node;
    int r = files_apply_step(a, "contents");
    if (r < 0)
        return r;
    if (!appended_only && f->contents.source &&
        (r = fetch_pool_fd(a->pool, a->o.fetcher, &f->contents, fd, e)) < 0)
        return r;
    if (op->text && (r = file_write_fd(fd, op->text, op->text_len)) < 0)
        return error_errno(e, r, "writing");
    IGN_EACH (IgnResource, part, f->append) {
        r = fetch_pool_fd(a->pool, a->o.fetcher, part, fd, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static OptInt file_mode(const FilesOp *op)
{
    OptInt mode = ((const IgnFile *)op->node)->mode;
    return mode.set ? mode : (OptInt){.set = true, .value = 0644};
}

/* A new file without a name. The mode is given at once where no later owner makes that too early. */
static int unnamed_open(FilesApply *a, const Target *t, OptInt *mode)
{
    bool at_once = !owner_declared(t) && !(mode->value & 07000);
    int fd = openat(t->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, at_once ? (mode_t)mode->value : 0600);
    if (fd >= 0)
        mode->set = !at_once;
    else if (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)
        a->no_tmpfile = true;
    return fd < 0 ? -errno : fd;
}

static int unnamed_link(const Target *t, int fd)
{
    if (linkat(fd, "", t->dirfd, t->name, AT_EMPTY_PATH) == 0)
        return 0;
    if (errno != ENOENT && errno != EPERM) /* without the capability only this way is open */
        return -errno;
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, t->dirfd, t->name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int named_open(const Target *t)
{
    const int flags = O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(t->dirfd, t->temp, flags, 0600);
    if (fd < 0 && errno == EEXIST) {
        int r = tree_remove_at(t->dirfd, t->temp);
        if (r < 0)
            return r;
        fd = openat(t->dirfd, t->temp, flags, 0600);
    }
    return fd < 0 ? -errno : fd;
}

int files_apply_write(int dirfd, const char *name, const void *data, size_t n)
{
    Target t = {.dirfd = dirfd, .name = name};
    temp_name(name, t.temp);
    _cleanup_close_ int fd = named_open(&t);
    if (fd < 0)
        return fd;
    int r = file_write_fd(fd, data, n);
    if (r >= 0 && (fsync(fd) < 0 || renameat(dirfd, t.temp, dirfd, name) < 0))
        r = -errno;
    if (r < 0)
        temp_remove(&t);
    return r;
}

static int file_make_named(FilesApply *a, const Target *t, bool may_replace, Error *e)
{
    int r = files_apply_step(a, "temporary file");
    if (r < 0)
        return r;
    _cleanup_close_ int fd = named_open(t);
    if (fd < 0)
        return error_errno(e, fd, "making a temporary file");
    r = contents_write(a, t->op, fd, false, e);
    if (r >= 0)
        r = attributes_set(a, t, fd, file_mode(t->op));
    if (r >= 0)
        r = temp_take_place(a, t, may_replace);
    if (r < 0) {
        temp_remove(t);
        return e && e->code ? r : error_errno(e, r, "making it");
    }
    return 0;
}

static int file_make_new(FilesApply *a, const Target *t, Error *e)
{
    if (a->no_tmpfile)
        return file_make_named(a, t, false, e);
    int r = files_apply_step(a, "file");
    if (r < 0)
        return r;
    OptInt mode = file_mode(t->op);
    _cleanup_close_ int fd = unnamed_open(a, t, &mode);
    if (fd < 0)
        return a->no_tmpfile ? file_make_named(a, t, false, e) : error_errno(e, fd, "making a file");
    r = contents_write(a, t->op, fd, false, e);
    if (r < 0)
        return r;
    r = attributes_set(a, t, fd, mode);
    if (r >= 0)
        r = files_apply_step(a, "link");
    if (r >= 0)
        r = unnamed_link(t, fd);
    if (r == -EEXIST && a->o.journal->resumed)
        return file_make_named(a, t, true, e);
    if (r == -EEXIST)
        return error_set(e, EEXIST, "it appeared while it was being made");
    return r < 0 ? error_errno(e, r, "making it") : 0;
}

static int copy_range(int from, int to, off_t from_offset, uint64_t n)
{
    while (n) {
        ssize_t k = sendfile(to, from, &from_offset, n < (1u << 30) ? n : 1u << 30);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -errno;
        if (k == 0)
            return -EIO; /* shorter than it was */
        n -= k;
    }
    return 0;
}

/* A file with other names or with attributes that a copy would lose is extended where it is. */
static int append_in_place(FilesApply *a, const Target *t, int fd, uint64_t start, Error *e)
{
    char path[64];
    OptInt mode = {.set = true, .value = 0600};
    const Target plain = {.dirfd = t->dirfd, .uid = (uid_t)-1, .gid = (gid_t)-1};
    _cleanup_close_ int temp = unnamed_open(a, &plain, &mode);
    if (temp < 0) {
        temp = named_open(t);
        temp_remove(t);
    }
    if (temp < 0)
        return error_errno(e, temp, "making a temporary file");
    int r = contents_write(a, t->op, temp, true, e);
    if (r < 0)
        return r;
    struct stat st;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    _cleanup_close_ int out = open(path, O_WRONLY | O_CLOEXEC);
    if (out < 0 || fstat(temp, &st) < 0)
        return error_errno(e, -errno, "opening it for writing");
    r = attributes_set(a, t, out, ((const IgnFile *)t->op->node)->mode);
    if (r >= 0)
        r = files_apply_step(a, "append");
    if (r >= 0 && (ftruncate(out, start) < 0 || lseek(out, start, SEEK_SET) < 0))
        r = -errno;
    if (r >= 0)
        r = copy_range(temp, out, 0, st.st_size);
    if (r >= 0 && fsync(out) < 0)
        r = -errno;
    return r < 0 ? error_errno(e, r, "appending") : 0;
}

/* The old contents and the appended ones under a temporary name, then one rename. Synced at once: after a
 * power cut the old contents must be there in one of the two. */
static int append_by_rename(FilesApply *a, const Target *t, int old, uint64_t start, Error *e)
{
    struct stat st;
    if (fstat(old, &st) < 0)
        return error_errno(e, -errno, "reading it");
    int r = files_apply_step(a, "temporary file");
    if (r < 0)
        return r;
    _cleanup_close_ int fd = named_open(t);
    if (fd < 0)
        return error_errno(e, fd, "making a temporary file");
    Target as = *t;
    if (as.uid == (uid_t)-1)
        as.uid = st.st_uid;
    if (as.gid == (gid_t)-1)
        as.gid = st.st_gid;
    OptInt mode = ((const IgnFile *)t->op->node)->mode;
    if (!mode.set)
        mode = (OptInt){.set = true, .value = st.st_mode & 07777};
    r = copy_range(old, fd, 0, start);
    if (r >= 0)
        r = contents_write(a, t->op, fd, true, e);
    if (r >= 0)
        r = attributes_set(a, &as, fd, mode);
    if (r >= 0 && fsync(fd) < 0)
        r = -errno;
    if (r >= 0)
        r = temp_take_place(a, t, true);
    if (r < 0) {
        temp_remove(t);
        return e && e->code ? r : error_errno(e, r, "appending");
    }
    return 0;
}

/* There is a file and it stays: attributes, and what is appended. */
static int file_keep(FilesApply *a, const Target *t, Error *e)
{
    const FilesOp *op = t->op;
    const IgnFile *f = (const IgnFile *)op->node;
    _cleanup_close_ int fd =
        openat(t->dirfd, t->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(e, -errno, "opening it");
    if (!S_ISREG(st.st_mode))
        return error_set(e, EEXIST, "it is no longer a file");
    if (!f->append.n && !(op->append_text && op->text_len)) {
        int r = attributes_set(a, t, fd, f->mode);
        return r < 0 ? error_errno(e, r, "setting its attributes") : 0;
    }
    uint64_t start = a->o.journal->resumed ? op->before.size : (uint64_t)st.st_size;
    if (start > (uint64_t)st.st_size)
        return error_set(e, EIO, "it is shorter than it was before");
    if (st.st_nlink > 1 || flistxattr(fd, NULL, 0) > 0)
        return append_in_place(a, t, fd, start, e);
    return append_by_rename(a, t, fd, start, e);
}

static int file_apply(FilesApply *a, const Target *t, Error *e)
{
    const FilesOp *op = t->op;
    bool contents = op->text ? !op->append_text : ((const IgnFile *)op->node)->contents.source != NULL;
    if (op->overwrite || (op->replace && op->before.kind != FILES_ABSENT))
        return file_make_named(a, t, true, e);
    if (op->before.kind == FILES_ABSENT)
        return file_make_new(a, t, e);
    if (contents)
        return error_set(e, EEXIST, "a file exists there already and overwrite is false");
    return file_keep(a, t, e);
}

/* ---- directories ---- */

static int directory_make(FilesApply *a, const Target *t, mode_t mode)
{
    int r;
    if (t->op->overwrite) {
        r = files_apply_step(a, "remove");
        if (r >= 0)
            r = tree_remove_at(t->dirfd, t->name);
        if (r < 0)
            return r;
    }
    r = files_apply_step(a, "directory");
    if (r < 0 || mkdirat(t->dirfd, t->name, mode) == 0)
        return r;
    if (errno != EEXIST)
        return -errno;
    struct stat st;
    if (fstatat(t->dirfd, t->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return 0;
    /* An interrupted run with another config made something else here. */
    if (!a->o.journal->resumed || unlinkat(t->dirfd, t->name, 0) < 0)
        return -EEXIST;
    return mkdirat(t->dirfd, t->name, mode) < 0 ? -errno : 0;
}

static int directory_apply(FilesApply *a, const Target *t, Error *e)
{
    const FilesOp *op = t->op;
    OptInt mode = ((const IgnDirectory *)op->node)->mode;
    int r;
    if (op->before.kind != FILES_IS_DIRECTORY || op->overwrite) {
        bool later = owner_declared(t) || mode.set; /* private until it is owned */
        r = directory_make(a, t, later ? 0700 : 0755);
        if (r < 0)
            return error_errno(e, r, "making it");
        if (later && !mode.set)
            mode = (OptInt){.set = true, .value = 0755};
    }
    if (!mode.set && !owner_declared(t))
        return 0;
    const char *name = *t->name ? t->name : "."; /* of the root */
    _cleanup_close_ int fd = openat(t->dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_errno(e, -errno, "opening it");
    r = attributes_set(a, t, fd, mode);
    return r < 0 ? error_errno(e, r, "setting its attributes") : 0;
}

/* ---- links ---- */

static int symlink_apply(FilesApply *a, const Target *t, Error *e)
{
    const FilesOp *op = t->op;
    const char *to = ((const IgnLink *)op->node)->target;
    if (op->before.kind == FILES_IS_LINK && !op->overwrite)
        return 0; /* it has this target: the plan has seen to it */
    int r = files_apply_step(a, "symbolic link");
    if (r < 0)
        return r;
    if (symlinkat(to, t->dirfd, t->temp) < 0) {
        r = errno == EEXIST ? tree_remove_at(t->dirfd, t->temp) : -errno;
        if (r < 0 || symlinkat(to, t->dirfd, t->temp) < 0)
            return error_errno(e, r < 0 ? r : -errno, "making it");
    }
    if (owner_declared(t)) {
        r = files_apply_step(a, "owner");
        if (r >= 0 && fchownat(t->dirfd, t->temp, t->uid, t->gid, AT_SYMLINK_NOFOLLOW) < 0)
            r = -errno;
    }
    if (r >= 0)
        r = temp_take_place(a, t, op->overwrite || op->replace);
    if (r < 0) {
        temp_remove(t);
        return error_errno(e, r, "making it");
    }
    return 0;
}

static int hardlink_apply(FilesApply *a, const Target *t, Error *e)
{
    const FilesOp *op = t->op;
    const char *to = ((const IgnLink *)op->node)->target;
    _cleanup_free_ char *to_name = NULL;
    _cleanup_close_ int to_dir = root_open_parent(a->o.root, to, false, 0, &to_name);
    struct stat target, there;
    if (to_dir < 0 || fstatat(to_dir, to_name, &target, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(e, to_dir < 0 ? to_dir : -errno, "its target %s", to);
    if (fstatat(t->dirfd, t->name, &there, AT_SYMLINK_NOFOLLOW) == 0) {
        if (there.st_dev == target.st_dev && there.st_ino == target.st_ino)
            return 0;
        if (op->before.kind != FILES_ABSENT && !op->overwrite)
            return error_set(e, EEXIST,
                             "something that is not %s exists there already and overwrite is false", to);
    }
    int r = files_apply_step(a, "hard link");
    if (r < 0)
        return r;
    temp_remove(t);
    if (linkat(to_dir, to_name, t->dirfd, t->temp, 0) < 0)
        return error_errno(e, -errno, "linking it to %s", to);
    r = temp_take_place(a, t, op->overwrite);
    if (r < 0) {
        temp_remove(t);
        return error_errno(e, r, "making it");
    }
    return 0;
}

static int unmask_apply(FilesApply *a, const Target *t, Error *e)
{
    char to[16];
    ssize_t n = readlinkat(t->dirfd, t->name, to, sizeof(to));
    if (n != (ssize_t)strlen("/dev/null") || memcmp(to, "/dev/null", n) != 0)
        return 0;
    int r = files_apply_step(a, "unmask");
    if (r >= 0 && unlinkat(t->dirfd, t->name, 0) < 0)
        r = -errno;
    return r < 0 ? error_errno(e, r, "removing it") : 0;
}

/* ---- the whole ---- */

static int op_apply(FilesApply *a, const FilesOp *op, Error *e)
{
    static int (*const by_kind[])(FilesApply *, const Target *, Error *) = {
        [FILES_DIRECTORY] = directory_apply, [FILES_FILE] = file_apply,     [FILES_SYMLINK] = symlink_apply,
        [FILES_HARDLINK] = hardlink_apply,   [FILES_UNMASK] = unmask_apply,
    };
    Target t = {.op = op};
    int r = owner_resolve(a, false, &op->node->user, &t.uid, e);
    if (r >= 0)
        r = owner_resolve(a, true, &op->node->group, &t.gid, e);
    if (r < 0)
        return r;
    if (strcmp(op->real, "/") == 0) {
        t.dirfd = a->o.root;
        t.name = "";
    } else if ((t.dirfd = parent_open(a, op->real, &t.name)) < 0) {
        return error_errno(e, t.dirfd, "opening its directory");
    }
    temp_name(t.name, t.temp);
    return by_kind[op->kind](a, &t, e);
}

static int op_failed(const FilesOp *op, int r, Error *e)
{
    static const char *const nouns[] = {
        [FILES_DIRECTORY] = "directory", [FILES_FILE] = "file",        [FILES_SYMLINK] = "link",
        [FILES_HARDLINK] = "hard link",  [FILES_UNMASK] = "unmasking",
    };
    const Node *at = op->node->node;
    if (e && !e->code)
        error_errno(e, r, "interrupted");
    error_wrap(e, r, "%s %s", nouns[op->kind], op->node->path);
    return at && at->source && at->line ? error_wrap(e, r, "%s:%u:%u", at->source->name, at->line, at->column)
                                        : r;
}

static size_t remote_note(const IgnResource **list, size_t n, const IgnResource *r)
{
    if (!source_needs_net(r->source))
        return n;
    if (list)
        list[n] = r;
    return n + 1;
}

/* The remote sources of the operations in the order in which they will be asked for; NULL list: how many. */
static size_t remote_list(const FilesPlan *p, size_t from, size_t to, const IgnResource **list)
{
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        if (p->ops[i].kind != FILES_FILE)
            continue;
        const IgnFile *f = (const IgnFile *)p->ops[i].node;
        n = remote_note(list, n, &f->contents);
        IGN_EACH (IgnResource, part, f->append) {
            n = remote_note(list, n, part);
        }
    }
    return n;
}

static FetchPool *pool_make(FilesApply *a, const FilesPlan *p, size_t from, size_t to)
{
    size_t n = remote_list(p, from, to, NULL);
    if (n < 2)
        return NULL;
    const IgnResource **list = ARENA_ARRAY(a->o.arena, const IgnResource *, n);
    remote_list(p, from, to, list);
    return fetch_pool_new(&(FetchPoolOptions){.fetcher = a->o.fetcher, .dirfd = a->o.root}, list, n);
}

int files_apply_run(FilesApply *a, const FilesPlan *p, size_t from, size_t to, Error *e)
{
    int r = 0;
    a->pool = pool_make(a, p, from, to);
    for (size_t i = from; i < to && r >= 0; i++) {
        r = op_apply(a, &p->ops[i], e);
        if (r < 0)
            op_failed(&p->ops[i], r, e);
    }
    fetch_pool_free(TAKE_PTR(a->pool));
    parent_forget(a); /* `dir` is the plan's */
    return r;
}

int files_apply_clean(FilesApply *a, Error *e)
{
    const Map *m = &a->o.journal->before;
    for (size_t i = 0; i < m->size; i++) {
        const char *real = m->slots[i].key;
        _cleanup_free_ char *name = NULL;
        if (!real || !real[1])
            continue;
        _cleanup_close_ int dir = root_open_parent(a->o.root, real, false, 0, &name);
        if (dir < 0)
            continue; /* then nothing is in it */
        char temp[32];
        temp_name(name, temp);
        if (unlinkat(dir, temp, 0) < 0 && errno != ENOENT)
            return error_errno(e, -errno, "removing what an interrupted run left beside %s", real);
    }
    return 0;
}

int files_apply_sync(FilesApply *a, Error *e)
{
    int r = files_apply_step(a, "sync");
    if (r >= 0)
        r = device_note(a, a->o.root);
    for (size_t i = 0; i < a->n_devices && r >= 0; i++)
        if (syncfs(a->devices[i].fd) < 0)
            r = -errno;
    return r < 0 ? error_errno(e, r, "syncing what was written") : 0;
}
