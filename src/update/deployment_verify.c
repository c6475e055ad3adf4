/* One walk of the commit's tree with the deployment's beside it. A file that is the object's own inode is
 * only noted: all of those are hashed together at the end, each object once, however many names it has.
 * usr/etc may be the commit's /etc (tree_checkout.h). No link is followed. */
#include "update/deployment_verify.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "update/tree_path.h"

typedef struct Link {
    const char *path;
    size_t row; /* of the object */
} Link;

typedef struct Walk {
    int repo;
    Arena *arena;
    DeploymentResult result;
    size_t size;
    ChecksumSet objects; /* that the deployment links */
    Link *links;
    size_t n_links, links_size;
    Buf path;
    unsigned depth;
} Walk;

static void walk_done(Walk *w)
{
    checksum_set_done(&w->objects);
    free(w->result.rows);
    free(w->links);
    buf_done(&w->path);
}

static int fail(const Walk *w, int r, Error *e)
{
    return error_errno(e, r, "/%s of the deployment", tree_path_text(&w->path));
}

static int row_add(Walk *w, const char *path, DeploymentChange change, bool directory, Error *e)
{
    DeploymentResult *t = &w->result;

    if (t->n >= DEPLOYMENT_ROWS_MAX)
        return error_set(e, E2BIG, "more than %d differences of the deployment", DEPLOYMENT_ROWS_MAX);
    if (t->n == w->size) {
        w->size = w->size ? 2 * w->size : 64;
        t->rows = reallocarray(t->rows, w->size, sizeof(*t->rows));
        if (!t->rows)
            abort();
    }
    t->rows[t->n++] = (DeploymentRow){arena_strdup(w->arena, path), change, directory};
    return 0;
}

static int here(Walk *w, DeploymentChange change, bool directory, Error *e)
{
    return row_add(w, tree_path_text(&w->path), change, directory, e);
}

/* ---- files ---- */

static int link_note(Walk *w, const uint8_t checksum[OSTREE_CHECKSUM], Error *e)
{
    int r = checksum_set_add(&w->objects, checksum);

    if (r < 0)
        return fail(w, r, e);
    if (w->n_links == w->links_size) {
        w->links_size = w->links_size ? 2 * w->links_size : 1024;
        w->links = reallocarray(w->links, w->links_size, sizeof(*w->links));
        if (!w->links)
            abort();
    }
    w->links[w->n_links++] =
        (Link){arena_strdup(w->arena, tree_path_text(&w->path)), checksum_set_find(&w->objects, checksum)};
    return 0;
}

static int file_verify(Walk *w, int dirfd, const OstreeFileRow *f, Error *e)
{
    char name[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];
    uint8_t found[OSTREE_CHECKSUM];
    struct stat st, object;
    uint64_t bytes = 0;

    if (fstatat(dirfd, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? here(w, DEPLOYMENT_MISSING, false, e) : fail(w, -errno, e);
    w->result.files++;
    object_name(OBJECT_FILE, f->checksum, name);
    object_place(name, place);
    if (fstatat(w->repo, place, &object, AT_SYMLINK_NOFOLLOW) == 0 && object.st_ino == st.st_ino &&
        object.st_dev == st.st_dev)
        return link_note(w, f->checksum, e);
    int r = file_checksum(dirfd, f->name, found, &bytes);
    w->result.bytes += bytes;
    if (r < 0 && r != -EINVAL)
        return fail(w, r, e);
    return r < 0 || memcmp(found, f->checksum, OSTREE_CHECKSUM) != 0 ? here(w, DEPLOYMENT_REPLACED, false, e)
                                                                     : 0;
}

/* ---- directories ---- */

static bool tree_has(const OstreeTree *t, const char *name)
{
    return ostree_tree_file(t, name) || ostree_tree_directory(t, name);
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What is there and not in the tree, sorted. */
static int added_find(Walk *w, int fd, const OstreeTree *t, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_free_ const char **names = NULL;
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    _cleanup_closedir_ DIR *d = again < 0 ? NULL : fdopendir(again);
    struct dirent *entry;
    size_t n = 0;

    if (!d)
        return fail(w, -errno, e);
    while (errno = 0, (entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || tree_has(t, entry->d_name))
            continue;
        names = n < DEPLOYMENT_ROWS_MAX ? reallocarray(names, n + 1, sizeof(*names)) : names;
        if (n >= DEPLOYMENT_ROWS_MAX)
            return fail(w, -E2BIG, e);
        if (!names)
            abort();
        names[n++] = arena_strdup(a, entry->d_name);
    }
    if (errno)
        return fail(w, -errno, e);
    if (n > 1)
        qsort(names, n, sizeof(*names), name_order);
    for (size_t i = 0; r >= 0 && i < n; i++) {
        struct stat st;
        size_t length = tree_path_push(&w->path, names[i]);
        r = fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0
                ? fail(w, -errno, e)
                : here(w, DEPLOYMENT_ADDED, S_ISDIR(st.st_mode), e);
        tree_path_pop(&w->path, length);
    }
    return r;
}

static int tree_verify(Walk *w, int fd, const OstreeTree *t, Error *e);

static int directory_verify(Walk *w, int dirfd, const OstreeDirectoryRow *row, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    uint8_t meta[OSTREE_CHECKSUM];
    OstreeTree t;
    _cleanup_close_ int fd = openat(dirfd, row->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT                      ? here(w, DEPLOYMENT_MISSING, true, e)
               : errno == ENOTDIR || errno == ELOOP ? here(w, DEPLOYMENT_REPLACED, true, e)
                                                    : fail(w, -errno, e);
    if (++w->depth > REPO_DEPTH_MAX)
        return fail(w, -ELOOP, e);
    int r = directory_checksum(fd, meta);
    if (r < 0)
        return fail(w, r, e);
    if (memcmp(meta, row->meta, OSTREE_CHECKSUM) != 0)
        r = here(w, DEPLOYMENT_REPLACED, true, e);
    if (r >= 0)
        r = repo_read_tree(w->repo, a, row->tree, &t, e);
    if (r >= 0)
        r = tree_verify(w, fd, &t, e);
    w->depth--;
    return r;
}

static int tree_verify(Walk *w, int fd, const OstreeTree *t, Error *e)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < t->n_files; i++) {
        size_t length = tree_path_push(&w->path, t->files[i].name);
        r = file_verify(w, fd, &t->files[i], e);
        tree_path_pop(&w->path, length);
    }
    for (size_t i = 0; r >= 0 && i < t->n_directories; i++) {
        size_t length = tree_path_push(&w->path, t->directories[i].name);
        r = directory_verify(w, fd, &t->directories[i], e);
        tree_path_pop(&w->path, length);
    }
    return r < 0 ? r : added_find(w, fd, t, e);
}

/* ---- the whole ---- */

/* usr as it was checked out: with the commit's /etc in it, where the commit had that instead of usr/etc. */
static int usr_read(Walk *w, const uint8_t commit[OSTREE_CHECKSUM], RepoEntry *usr, OstreeTree *ret, Error *e)
{
    RepoEntry etc;
    int r = repo_find(w->repo, commit, "usr", usr, e);

    if (r >= 0 && !usr->directory)
        r = error_set(e, ENOTDIR, "/usr of the commit is no directory");
    if (r >= 0)
        r = repo_read_tree(w->repo, w->arena, usr->checksum, ret, e);
    if (r < 0 || tree_has(ret, "etc") || repo_find(w->repo, commit, "etc", &etc, NULL) < 0 || !etc.directory)
        return r;
    OstreeDirectoryRow *rows = ARENA_ARRAY(w->arena, OstreeDirectoryRow, ret->n_directories + 1);
    size_t before = 0;
    while (before < ret->n_directories && strcmp(ret->directories[before].name, "etc") < 0)
        before++;
    if (ret->n_directories > 0) {
        memcpy(rows, ret->directories, before * sizeof(*rows));
        memcpy(rows + before + 1, ret->directories + before, (ret->n_directories - before) * sizeof(*rows));
    }
    rows[before] = (OstreeDirectoryRow){.name = "etc"};
    memcpy(rows[before].tree, etc.checksum, OSTREE_CHECKSUM);
    memcpy(rows[before].meta, etc.meta, OSTREE_CHECKSUM);
    ret->directories = rows;
    ret->n_directories++;
    return 0;
}

static int links_verify(Walk *w, const CheckRun *run, Error *e)
{
    _cleanup_free_ ObjectState *states = calloc(w->objects.n + 1, sizeof(*states));
    CheckProgress ended;

    if (!states)
        abort();
    int r = object_check_files(w->repo, &w->objects, run, states, &ended, e);
    for (size_t i = 0; r >= 0 && i < w->n_links; i++) {
        ObjectState s = states[w->links[i].row];
        if (s == OBJECT_UNREADABLE || s == OBJECT_MISSING)
            return error_set(e, EIO, "/%s of the deployment is %s", w->links[i].path, object_state_text(s));
        if (s == OBJECT_DAMAGED)
            r = row_add(w, w->links[i].path, DEPLOYMENT_CHANGED, false, e);
    }
    if (r >= 0)
        w->result.bytes += ended.bytes;
    return r;
}

int deployment_verify(int repo, Arena *a, const uint8_t commit[OSTREE_CHECKSUM], int deployment,
                      const CheckRun *run, DeploymentResult *ret, Error *e)
{
    _cleanup_(walk_done)
    Walk w = {.repo = repo, .arena = a};
    uint8_t meta[OSTREE_CHECKSUM];
    RepoEntry usr;
    OstreeTree t;
    int r = usr_read(&w, commit, &usr, &t, e);

    if (r < 0)
        return r;
    _cleanup_close_ int fd = openat(deployment, "usr", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_errno(e, -errno, "/usr of the deployment");
    tree_path_push(&w.path, "usr");
    r = directory_checksum(fd, meta);
    if (r >= 0 && memcmp(meta, usr.meta, OSTREE_CHECKSUM) != 0)
        r = here(&w, DEPLOYMENT_REPLACED, true, e);
    if (r >= 0)
        r = tree_verify(&w, fd, &t, e);
    if (r >= 0)
        r = links_verify(&w, run, e);
    if (r < 0)
        return r;
    *ret = w.result;
    ret->rows = ARENA_ARRAY(a, DeploymentRow, w.result.n + 1);
    if (w.result.n > 0)
        memcpy(ret->rows, w.result.rows, w.result.n * sizeof(DeploymentRow));
    return w.result.n > 0;
}
