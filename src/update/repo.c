/* The one place that knows where an object lies and how a repository is locked. The lock is a record lock of
 * the open file (F_OFD_SETLK) on .lock, as libostree takes it; where the file system has none, flock(), as
 * libostree falls back too. Refused: a ref that is not a checksum (who removes what no ref needs must not
 * take it for none), a name of a tree that could lead elsewhere (the decoder), metadata that is not what its
 * name says. */
#include "update/repo.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/file.h"
#include "update/tree_path.h"

enum { CONFIG_MAX = 64 << 10, REF_MAX = 4 << 10, REF_DEPTH_MAX = 32 };

static const char *const suffixes[] = {".file", ".dirtree", ".dirmeta", ".commit"};

/* ---- a repository ---- */

/* The word of "mode=" in the config; libostree writes key files. */
static bool is_bare(const Buf *config)
{
    for (const char *line = config->data; line && *line;
         line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        size_t n = strcspn(line, "\n");
        if (n == strlen("mode=bare") && strncmp(line, "mode=bare", n) == 0)
            return true;
    }
    return false;
}

int repo_open(int dirfd, const char *path, Error *e)
{
    _cleanup_close_ int repo = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_buf_ Buf config = BUF_INIT;

    if (repo < 0)
        return error_errno(e, -errno, "%s", path);
    if (file_read_at(repo, "config", CONFIG_MAX, &config, NULL) < 0 || !is_bare(&config))
        return error_set(e, EMEDIUMTYPE, "%s is no OSTree repository of the mode 'bare'", path);
    return TAKE_FD(repo);
}

int repo_lock(int repo, Error *e)
{
    _cleanup_close_ int lock = openat(repo, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0660);

    if (lock < 0)
        return error_errno(e, -errno, "the repository's lock");
    int r = file_lock_try(lock);
    if (r == -EINVAL)
        r = flock(lock, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
    if (r == -EAGAIN)
        return error_set(e, EBUSY, "another program is changing the repository");
    return r < 0 ? error_errno(e, r, "the repository's lock") : TAKE_FD(lock);
}

/* ---- names ---- */

void object_name(ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], char out[OBJECT_NAME_SIZE])
{
    hex_encode(checksum, OSTREE_CHECKSUM, out);
    strcpy(out + OSTREE_CHECKSUM_TEXT - 1, suffixes[kind]);
}

void object_place(const char *name, char out[OBJECT_PLACE_SIZE])
{
    snprintf(out, OBJECT_PLACE_SIZE, "objects/%.2s/%s", name, name + 2);
}

bool object_parse(const char *directory, const char *name, ObjectKind *ret_kind, uint8_t ret[OSTREE_CHECKSUM])
{
    enum { REST = OSTREE_CHECKSUM_TEXT - 1 - 2 };
    char again[OBJECT_NAME_SIZE];

    if (strlen(directory) != 2 || strlen(name) <= REST || !hex_decode(directory, 2, ret) ||
        !hex_decode(name, REST, ret + 1))
        return false;
    for (ObjectKind kind = 0; kind < ELEMENTS(suffixes); kind++) {
        object_name(kind, ret, again); /* capitals are no name */
        if (memcmp(again, directory, 2) == 0 && strcmp(again + 2, name) == 0) {
            *ret_kind = kind;
            return true;
        }
    }
    return false;
}

/* ---- objects ---- */

bool repo_has(int repo, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM])
{
    char name[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];

    object_name(kind, checksum, name);
    object_place(name, place);
    return faccessat(repo, place, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int repo_read_as(int dirfd, const char *path, const uint8_t checksum[OSTREE_CHECKSUM], size_t max, Buf *ret,
                 Error *e)
{
    uint8_t found[OSTREE_CHECKSUM];
    Buf b = BUF_INIT;

    int r = file_read_at(dirfd, path, max, &b, e);
    if (r >= 0)
        r = digest_bytes(DIGEST_SHA256, b.data, b.len, found, e);
    if (r >= 0 && memcmp(found, checksum, OSTREE_CHECKSUM) != 0)
        r = error_set(e, EBADMSG, "object %s of the repository is damaged", path);
    if (r < 0) {
        buf_done(&b);
        return r;
    }
    buf_done(ret);
    *ret = b;
    return 0;
}

int repo_read(int repo, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], size_t max, Buf *ret,
              Error *e)
{
    char name[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];

    object_name(kind, checksum, name);
    object_place(name, place);
    return repo_read_as(repo, place, checksum, max, ret, e);
}

static int not_a(const char *what, const uint8_t checksum[OSTREE_CHECKSUM], Error *e)
{
    char hex[OSTREE_CHECKSUM_TEXT];

    hex_encode(checksum, OSTREE_CHECKSUM, hex);
    return error_set(e, EBADMSG, "object %s of the repository is no %s", hex, what);
}

int repo_read_commit(int repo, Arena *a, const uint8_t checksum[OSTREE_CHECKSUM], OstreeCommit *ret, Error *e)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    int r = repo_read(repo, OBJECT_COMMIT, checksum, REPO_METADATA_MAX, &b, e);

    return r < 0 ? r : ostree_commit_decode(a, b.data, b.len, ret) < 0 ? not_a("commit", checksum, e) : 0;
}

int repo_read_tree(int repo, Arena *a, const uint8_t checksum[OSTREE_CHECKSUM], OstreeTree *ret, Error *e)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    int r = repo_read(repo, OBJECT_TREE, checksum, REPO_METADATA_MAX, &b, e);

    return r < 0 ? r : ostree_tree_decode(a, b.data, b.len, ret) < 0 ? not_a("directory", checksum, e) : 0;
}

int repo_read_dirmeta(int repo, Arena *a, const uint8_t checksum[OSTREE_CHECKSUM], OstreeMeta *ret, Error *e)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    int r = repo_read(repo, OBJECT_DIRMETA, checksum, REPO_METADATA_MAX, &b, e);

    return r < 0                                              ? r
           : ostree_dirmeta_decode(a, b.data, b.len, ret) < 0 ? not_a("directory's metadata", checksum, e)
                                                              : 0;
}

int repo_open_file(int repo, const uint8_t checksum[OSTREE_CHECKSUM])
{
    char name[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];

    object_name(OBJECT_FILE, checksum, name);
    object_place(name, place);
    int fd = openat(repo, place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* ---- paths ---- */

static int entry_find(int repo, const RepoEntry *at, const char *name, RepoEntry *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeTree t;

    if (!at->directory)
        return -ENOTDIR;
    int r = repo_read_tree(repo, a, at->checksum, &t, e);
    if (r < 0)
        return r;
    const OstreeDirectoryRow *d = ostree_tree_directory(&t, name);
    const OstreeFileRow *f = ostree_tree_file(&t, name);
    RepoEntry found = {.directory = d != NULL};
    if (!d && !f)
        return -ENOENT;
    memcpy(found.checksum, d ? d->tree : f->checksum, OSTREE_CHECKSUM);
    if (d)
        memcpy(found.meta, d->meta, OSTREE_CHECKSUM);
    *ret = found;
    return 0;
}

int repo_find(int repo, const uint8_t commit[OSTREE_CHECKSUM], const char *path, RepoEntry *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_free_ char *copy = strdup(path);
    RepoEntry at = {.directory = true};
    char *save = NULL;
    OstreeCommit c;

    if (!copy)
        abort();
    int r = repo_read_commit(repo, a, commit, &c, e);
    if (r < 0)
        return r;
    memcpy(at.checksum, c.tree, OSTREE_CHECKSUM);
    memcpy(at.meta, c.meta, OSTREE_CHECKSUM);
    for (char *name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
        Error inner = ERROR_INIT;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            return error_set(e, EINVAL, "'%s' is no path of a commit", path);
        r = entry_find(repo, &at, name, &at, &inner);
        if (r < 0)
            return inner.code ? error_set(e, -r, "%s", inner.text)
                              : error_errno(e, r, "'%s' in the commit", path);
    }
    *ret = at;
    return 0;
}

/* ---- refs ---- */

typedef struct Refs {
    RepoRefVisit visit;
    void *context;
    Buf name;
} Refs;

static int refs_below(Refs *refs, int parent, const char *name, unsigned depth, Error *e);

static int ref_read(Refs *refs, int dirfd, const char *name, Error *e)
{
    uint8_t commit[OSTREE_CHECKSUM];
    _cleanup_buf_ Buf b = BUF_INIT;
    int r = file_read_at(dirfd, name, REF_MAX, &b, e);

    if (r == -EISDIR)
        return error_set(e, EISDIR, "ref %s is a directory behind a link", refs->name.data);
    if (r < 0)
        return error_wrap(e, r, "ref %s", refs->name.data);
    while (b.len > 0 && strchr(" \t\r\n", b.data[b.len - 1]))
        b.len--;
    if (b.len != OSTREE_CHECKSUM_TEXT - 1 || !hex_decode(b.data, b.len, commit))
        return error_set(e, EBADMSG, "ref %s has no checksum", refs->name.data);
    return refs->visit(refs->context, refs->name.data, commit, e);
}

static int ref_visit(Refs *refs, int dirfd, const struct dirent *entry, unsigned depth, Error *e)
{
    size_t length = tree_path_push(&refs->name, entry->d_name);
    struct stat st;

    int r = fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0
                ? error_errno(e, -errno, "ref %s", refs->name.data)
            : S_ISDIR(st.st_mode) ? refs_below(refs, dirfd, entry->d_name, depth + 1, e)
                                  : ref_read(refs, dirfd, entry->d_name, e);
    tree_path_pop(&refs->name, length);
    return r;
}

static int refs_below(Refs *refs, int parent, const char *name, unsigned depth, Error *e)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!d)
        return fd < 0 && errno == ENOENT ? 0 : error_errno(e, -errno, "refs/%s", tree_path_text(&refs->name));
    if (depth > REF_DEPTH_MAX)
        return error_set(e, ELOOP, "refs/%s is too deep", tree_path_text(&refs->name));
    while (errno = 0, (entry = readdir(d))) {
        if (entry->d_name[0] == '.') /* no ref begins so; unfinished files do */
            continue;
        int r = ref_visit(refs, dirfd(d), entry, depth, e);
        if (r < 0)
            return r;
    }
    return errno ? error_errno(e, -errno, "refs/%s", tree_path_text(&refs->name)) : 0;
}

int repo_refs_each(int repo, RepoRefVisit visit, void *context, Error *e)
{
    static const char *const kinds[] = {"refs/heads", "refs/remotes", "refs/mirrors"};
    Refs refs = {.visit = visit, .context = context};
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ELEMENTS(kinds); i++)
        r = refs_below(&refs, repo, kinds[i], 0, e);
    buf_done(&refs.name);
    return r;
}

/* ---- what lies there ---- */

static int directory_each(int repo, const char *directory, RepoNameVisit visit, void *context, Error *e)
{
    char path[16];
    struct dirent *entry;

    snprintf(path, sizeof(path), "objects/%s", directory);
    int fd = openat(repo, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d)
        return fd < 0 && errno == ENOENT ? 0 : error_errno(e, -errno, "%s", path);
    while (errno = 0, (entry = readdir(d))) {
        int r = visit(context, &(RepoName){fd, directory, entry->d_name}, e);
        if (r < 0)
            return r;
    }
    return errno ? error_errno(e, -errno, "%s", path) : 0;
}

int repo_names_each(int repo, RepoNameVisit visit, void *context, Error *e)
{
    int r = 0;

    for (unsigned i = 0; r >= 0 && i < REPO_DIRECTORIES; i++) {
        char directory[3];
        snprintf(directory, sizeof(directory), "%02x", i & 0xff);
        r = directory_each(repo, directory, visit, context, e);
    }
    return r;
}

bool repo_is_partial(int repo, const uint8_t commit[OSTREE_CHECKSUM])
{
    char hex[OSTREE_CHECKSUM_TEXT], path[OSTREE_CHECKSUM_TEXT + 32];

    hex_encode(commit, OSTREE_CHECKSUM, hex);
    snprintf(path, sizeof(path), "state/%s.commitpartial", hex);
    return faccessat(repo, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
