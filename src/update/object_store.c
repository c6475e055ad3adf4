/* New objects wait in tmp/basalt-import, flat, under their final names with their kind. commit: sync the file
 * system, so that no name can come before its contents; rename each into its place, commits last; sync the
 * directories. A
 * power cut between two renames leaves whole objects that nothing refers to, and the rest aside, where the
 * next session finds and removes it. One writer at a time (repo_lock()). */
#include "update/object_store.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/file.h"

enum { XATTRS_SURE = 2 << 10 /* of a file, that any file system has room for */ };

struct ObjectStore {
    int repo, aside, lock;
    const ChecksumSet *suspects;
    ObjectStoreStep step;
    void *context;
    pthread_mutex_t mutex; /* of the counts */
    ObjectCounts counts;
};

/* ---- a repository ---- */

int object_store_init(int dirfd, const char *path, Error *e)
{
    static const char *const directories[] = {"objects",   "refs/heads", "refs/mirrors", "refs/remotes",
                                              "tmp/cache", "state",      "extensions"};
    static const char config[] = "[core]\nrepo_version=1\nmode=bare\n";
    int r = dir_make_all_at(dirfd, path, 0755);
    _cleanup_close_ int repo = r < 0 ? -EBADF : openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (repo < 0)
        return error_errno(e, r < 0 ? r : -errno, "%s", path);
    if (faccessat(repo, "config", F_OK, 0) == 0)
        return 0;
    for (size_t i = 0; r >= 0 && i < ELEMENTS(directories); i++)
        r = dir_make_all_at(repo, directories[i], 0755);
    if (r >= 0) /* the last: a repository is what has one */
        r = file_write_at(repo, "config", config, sizeof(config) - 1, FILE_WRITE(.sync = true));
    return r < 0 ? error_errno(e, r, "making the repository %s", path) : 0;
}

static int aside_make(ObjectStore *s, Error *e)
{
    int r = tree_remove_at(s->repo, OBJECTS_ASIDE);
    if (r >= 0)
        r = dir_make_all_at(s->repo, OBJECTS_ASIDE, 0700);
    if (r < 0)
        return error_errno(e, r, OBJECTS_ASIDE);
    s->aside = openat(s->repo, OBJECTS_ASIDE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return s->aside < 0 ? error_errno(e, -errno, OBJECTS_ASIDE) : 0;
}

int object_store_open_reading(int dirfd, const char *path, ObjectStore **ret, Error *e)
{
    _cleanup_object_store_ ObjectStore *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->aside = s->lock = -EBADF;
    pthread_mutex_init(&s->mutex, NULL);
    s->repo = repo_open(dirfd, path, e);
    if (s->repo < 0)
        return s->repo;
    *ret = TAKE_PTR(s);
    return 0;
}

int object_store_open(int dirfd, const char *path, ObjectStoreStep step, void *context, ObjectStore **ret,
                      Error *e)
{
    _cleanup_object_store_ ObjectStore *s = NULL;
    int r = object_store_open_reading(dirfd, path, &s, e);

    if (r < 0)
        return r;
    s->step = step;
    s->context = context;
    r = s->lock = repo_lock(s->repo, e);
    if (r >= 0)
        r = aside_make(s, e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

void object_store_free(ObjectStore *s)
{
    if (!s)
        return;
    if (s->aside >= 0) {
        close(s->aside);
        (void)tree_remove_at(s->repo, OBJECTS_ASIDE);
    }
    closep(&s->lock);
    closep(&s->repo);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

static int step(ObjectStore *s, const char *what, Error *e)
{
    int r = s->step ? s->step(s->context, what) : 0;
    return r < 0 ? error_errno(e, r, "interrupted before %s", what) : 0;
}

/* ---- names ---- */

void object_store_suspect(ObjectStore *s, const ChecksumSet *suspects)
{
    s->suspects = suspects;
}

const ChecksumSet *object_store_suspects(const ObjectStore *s)
{
    return s->suspects;
}

static bool is_suspect(const ObjectStore *s, const char *name)
{
    uint8_t checksum[OSTREE_CHECKSUM];
    return s->suspects && hex_decode(name, (size_t)2 * OSTREE_CHECKSUM, checksum) &&
           checksum_set_has(s->suspects, checksum);
}

static bool has_name(const ObjectStore *s, const char *name)
{
    char place[OBJECT_PLACE_SIZE];

    object_place(name, place);
    return (faccessat(s->repo, place, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && !is_suspect(s, name)) ||
           faccessat(s->aside, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool object_store_has(const ObjectStore *s, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM])
{
    char name[OBJECT_NAME_SIZE];

    object_name(kind, checksum, name);
    return has_name(s, name);
}

int object_store_read(const ObjectStore *s, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM],
                      size_t max, Buf *ret, Error *e)
{
    char name[OBJECT_NAME_SIZE];

    object_name(kind, checksum, name);
    bool aside = faccessat(s->aside, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    return aside ? repo_read_as(s->aside, name, checksum, max, ret, e)
                 : repo_read(s->repo, kind, checksum, max, ret, e);
}

int object_store_directory(const ObjectStore *s)
{
    return s->repo;
}

int object_store_stat(const ObjectStore *s, const uint8_t file[OSTREE_CHECKSUM], struct stat *ret, Error *e)
{
    char name[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];

    object_name(OBJECT_FILE, file, name);
    object_place(name, place);
    if (fstatat(s->aside, name, ret, AT_SYMLINK_NOFOLLOW) < 0 &&
        fstatat(s->repo, place, ret, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(e, -errno, "%s", place);
    return 0;
}

/* ---- putting ---- */

/* 1, or 0 when another thread was first. */
static int counted(ObjectStore *s, int r, uint64_t bytes, const char *name, Error *e)
{
    if (r == -EEXIST)
        return 0;
    if (r < 0)
        return error_errno(e, r, "writing object %s", name);
    pthread_mutex_lock(&s->mutex);
    s->counts.objects++;
    s->counts.bytes += bytes;
    pthread_mutex_unlock(&s->mutex);
    return 1;
}

int object_store_put(ObjectStore *s, ObjectKind kind, const void *data, size_t n,
                     uint8_t ret[OSTREE_CHECKSUM], Error *e)
{
    char name[OBJECT_NAME_SIZE];
    int r = digest_bytes(DIGEST_SHA256, data, n, ret, e);

    if (r < 0)
        return r;
    object_name(kind, ret, name);
    if (has_name(s, name))
        return 0;
    r = step(s, "an object", e);
    return r < 0 ? r
                 : counted(s, file_write_at(s->aside, name, data, n, FILE_WRITE(.exclusive = true)), n, name,
                           e);
}

/* ext4 calls it a full disk when they do not fit into a block. */
static int xattrs_write(int fd, const OstreeMeta *m)
{
    size_t total = 0;

    for (size_t i = 0; i < m->n_xattrs; i++) {
        total += strlen(m->xattrs[i].name) + m->xattrs[i].n;
        if (fsetxattr(fd, m->xattrs[i].name, m->xattrs[i].value, m->xattrs[i].n, 0) < 0)
            return errno == ENOSPC && total > XATTRS_SURE ? -E2BIG : -errno;
    }
    return 0;
}

/* A symlink has to be made under a name; nobody else looks for one that is no object's. */
static int symlink_write(ObjectStore *s, const OstreeMeta *m, const char *target, const char *name)
{
    char fresh[OBJECT_NAME_SIZE + 32], path[OBJECT_NAME_SIZE + 64];
    int r = 0;

    snprintf(fresh, sizeof(fresh), "%s.%lx", name, (unsigned long)pthread_self());
    if (symlinkat(target, s->aside, fresh) < 0)
        return -errno;
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", s->aside, fresh);
    if (fchownat(s->aside, fresh, m->uid, m->gid, AT_SYMLINK_NOFOLLOW) < 0)
        r = -errno;
    for (size_t i = 0; r >= 0 && i < m->n_xattrs; i++)
        if (lsetxattr(path, m->xattrs[i].name, m->xattrs[i].value, m->xattrs[i].n, 0) < 0)
            r = -errno;
    if (r >= 0 && renameat(s->aside, fresh, s->aside, name) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(s->aside, fresh, 0);
    return r;
}

int object_store_put_symlink(ObjectStore *s, const OstreeMeta *m, const char *target,
                             uint8_t ret[OSTREE_CHECKSUM], Error *e)
{
    _cleanup_buf_ Buf head = BUF_INIT;
    char name[OBJECT_NAME_SIZE];

    ostree_file_header(m, target, &head);
    int r = digest_bytes(DIGEST_SHA256, head.data, head.len, ret, e);
    if (r < 0)
        return r;
    object_name(OBJECT_FILE, ret, name);
    if (has_name(s, name))
        return 0;
    r = step(s, "an object", e);
    return r < 0 ? r : counted(s, symlink_write(s, m, target, name), 0, name, e);
}

/* ---- files by pieces ---- */

int object_file_begin(ObjectFile *f, ObjectStore *s, const OstreeMeta *meta, Error *e)
{
    _cleanup_buf_ Buf head = BUF_INIT;
    Buf kept = f->buffer;

    f->buffer = BUF_INIT;
    object_file_done(f);
    kept.len = 0;
    *f = (ObjectFile){.store = s, .meta = meta, .buffer = kept, .fd = -EBADF, .twin = -EBADF};
    int r = digest_new(DIGEST_SHA256, &f->digest, e);
    if (r < 0)
        return r;
    ostree_file_header(meta, NULL, &head);
    digest_update(f->digest, head.data, head.len);
    return 0;
}

void object_file_expect(ObjectFile *f, const uint8_t checksum[OSTREE_CHECKSUM])
{
    char name[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];

    object_name(OBJECT_FILE, checksum, name);
    object_place(name, place);
    closep(&f->twin);
    f->twin = openat(f->store->repo, place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static bool twin_has(ObjectFile *f, const char *data, size_t n)
{
    char piece[16 << 10];

    for (size_t at = 0; at < n;) {
        size_t take = n - at < sizeof(piece) ? n - at : sizeof(piece);
        if (file_read_part(f->twin, piece, take, f->size + at) < 0 || memcmp(piece, data + at, take) != 0)
            return false;
        at += take;
    }
    return true;
}

static int spool_open(ObjectFile *f, Error *e)
{
    int r = step(f->store, "a large file", e);

    if (r < 0)
        return r;
    f->fd = openat(f->store->aside, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (f->fd < 0)
        return error_errno(e, -errno, "a file of the repository");
    r = file_write_fd(f->fd, f->buffer.data, f->buffer.len);
    f->buffer.len = 0;
    return r < 0 ? error_errno(e, r, "writing to the repository") : 0;
}

/* What it had in common with the other so far is written after all. */
static int twin_part(ObjectFile *f, Error *e)
{
    _cleanup_close_ int twin = TAKE_FD(f->twin);
    uint64_t left = f->size;
    int r = spool_open(f, e);

    while (r >= 0 && left > 0) {
        char piece[16 << 10];
        size_t take = left < sizeof(piece) ? (size_t)left : sizeof(piece);
        r = file_read_part(twin, piece, take, f->size - left);
        if (r >= 0)
            r = file_write_fd(f->fd, piece, take);
        left -= take;
        if (r < 0)
            (void)error_errno(e, r, "writing to the repository");
    }
    return r;
}

int object_file_add(ObjectFile *f, const void *data, size_t n, Error *e)
{
    int r = 0;

    digest_update(f->digest, data, n);
    if (f->twin >= 0 && twin_has(f, data, n)) {
        f->size += n;
        return 0;
    }
    if (f->twin >= 0)
        r = twin_part(f, e);
    f->size += n;
    if (r < 0)
        return r;
    if (f->fd < 0 && f->size <= OBJECT_IN_MEMORY) {
        buf_add(&f->buffer, data, n);
        return 0;
    }
    if (f->fd < 0)
        r = spool_open(f, e);
    if (r < 0)
        return r;
    r = file_write_fd(f->fd, data, n);
    return r < 0 ? error_errno(e, r, "writing to the repository") : 0;
}

/* Owner before mode and attributes: giving a file away takes setuid and capabilities from it. */
static int file_finish(ObjectFile *f, const char *name)
{
    static const struct timespec epoch[2];
    const OstreeMeta *m = f->meta;
    char path[64];
    int r = 0;

    if (f->fd < 0) {
        f->fd = openat(f->store->aside, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
        if (f->fd < 0)
            return -errno;
        r = file_write_fd(f->fd, f->buffer.data, f->buffer.len);
    }
    if (r >= 0 && fchown(f->fd, m->uid, m->gid) < 0)
        r = -errno;
    if (r >= 0)
        r = xattrs_write(f->fd, m);
    if (r >= 0 && (fchmod(f->fd, m->mode & 07777) < 0 || futimens(f->fd, epoch) < 0))
        r = -errno;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
    if (r >= 0 && linkat(AT_FDCWD, path, f->store->aside, name, AT_SYMLINK_FOLLOW) < 0)
        r = -errno;
    return r;
}

int object_file_end(ObjectFile *f, uint8_t ret[OSTREE_CHECKSUM], Error *e)
{
    uint8_t out[DIGEST_SIZE_MAX];
    char name[OBJECT_NAME_SIZE];
    int r = 0;

    (void)digest_finish(f->digest, out);
    memcpy(ret, out, OSTREE_CHECKSUM);
    object_name(OBJECT_FILE, ret, name);
    if (!has_name(f->store, name)) {
        r = f->twin >= 0 ? twin_part(f, e) : 0;
        if (r >= 0)
            r = step(f->store, "an object", e);
        if (r >= 0)
            r = counted(f->store, file_finish(f, name), f->size, name, e);
    }
    closep(&f->fd);
    closep(&f->twin);
    f->fd = f->twin = -EBADF;
    return r;
}

void object_file_done(ObjectFile *f)
{
    digest_free(f->digest);
    closep(&f->fd);
    closep(&f->twin);
    buf_done(&f->buffer);
    *f = OBJECT_FILE_INIT;
}

/* ---- the end ---- */

static bool is_commit(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && strcmp(dot, ".commit") == 0;
}

static int move_all(ObjectStore *s, bool commits, bool touched[256], Error *e)
{
    _cleanup_close_ int again = openat(s->aside, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = again < 0 ? NULL : fdopendir(again);
    struct dirent *entry;

    if (!d)
        return error_errno(e, -errno, OBJECTS_ASIDE);
    again = -EBADF;
    while (errno = 0, (entry = readdir(d))) {
        char place[OBJECT_PLACE_SIZE], directory[16];
        uint8_t first;
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= OBJECT_NAME_SIZE ||
            !hex_decode(entry->d_name, 2, &first) || is_commit(entry->d_name) != commits)
            continue;
        object_place(entry->d_name, place);
        snprintf(directory, sizeof(directory), "objects/%.2s", entry->d_name);
        int r = step(s, "an object's place", e);
        if (r < 0)
            return r;
        if (!touched[first] && mkdirat(s->repo, directory, 0755) < 0 && errno != EEXIST)
            return error_errno(e, -errno, "%s", directory);
        touched[first] = true;
        if (renameat(s->aside, entry->d_name, s->repo, place) < 0)
            return error_errno(e, -errno, "%s", place);
    }
    return errno ? error_errno(e, -errno, OBJECTS_ASIDE) : 0;
}

static int sync_directories(ObjectStore *s, const bool touched[256], Error *e)
{
    for (unsigned i = 0; i < 256; i++) {
        char directory[16];
        snprintf(directory, sizeof(directory), "objects/%02x", i);
        _cleanup_close_ int fd =
            touched[i] ? openat(s->repo, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;
        if (touched[i] && (fd < 0 || dir_sync(fd) < 0))
            return error_errno(e, -errno, "%s", directory);
    }
    _cleanup_close_ int objects = openat(s->repo, "objects", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return objects < 0 || dir_sync(objects) < 0 ? error_errno(e, -errno, "objects") : 0;
}

/* Commits when all that they are of has its place: ostree's fsck follows each that it finds. */
int object_store_commit(ObjectStore *s, ObjectCounts *ret, Error *e)
{
    int r = step(s, "the sync", e);

    if (r >= 0 && s->counts.objects > 0 && syncfs(s->aside) < 0)
        r = error_errno(e, -errno, "writing the repository");
    for (int commits = 0; r >= 0 && s->counts.objects > 0 && commits < 2; commits++) {
        bool touched[256] = {false};
        r = move_all(s, commits, touched, e);
        if (r >= 0)
            r = sync_directories(s, touched, e);
    }
    if (r < 0)
        return r;
    if (ret)
        *ret = s->counts;
    s->counts = (ObjectCounts){0};
    return 0;
}
