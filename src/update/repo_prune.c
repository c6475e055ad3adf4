/* Mark: trees are followed in the order in which they were found, without recursion; complete commits first,
 * then, forgiving what is missing, those that were pulled in part.
 * Sweep, in the order in which objects refer to each other: commits; trees, each before those in it; then
 * files and metadata of directories. Between these the directories are synced, so that a power cut cannot
 * bring a commit back whose files are gone. A tree of nobody's that stays behind is then as whole as all
 * others: an import that finds it may use it. For the order, unneeded trees are read twice: once to count how
 * many others hold each, once when the last holder is gone; what cannot be read is taken for one that holds
 * none. */
#include "update/repo_prune.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "update/checksum_set.h"
#include "update/repo.h"

enum { KINDS = OBJECT_COMMIT + 1, DIRECTORIES = REPO_DIRECTORIES };

typedef struct Prune {
    int repo;
    const PruneOptions *options;
    ChecksumSet needed[KINDS];
    ChecksumSet commits, trees; /* that nothing needs */
    uint32_t *holders;          /* of each of `trees` */
    bool touched[DIRECTORIES];
    PruneCounts counts;
} Prune;

static void prune_done(Prune *p)
{
    for (size_t i = 0; i < KINDS; i++)
        checksum_set_done(&p->needed[i]);
    checksum_set_done(&p->commits);
    checksum_set_done(&p->trees);
    free(p->holders);
}

/* ---- mark ---- */

static int need(Prune *p, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], Error *e)
{
    int r = checksum_set_add(&p->needed[kind], checksum);
    return r < 0 ? error_errno(e, r, "objects of the repository") : r;
}

static int ref_add(void *context, const char *name, const uint8_t commit[OSTREE_CHECKSUM], Error *e)
{
    Prune *p = context;

    (void)name;
    if (!repo_has(p->repo, OBJECT_COMMIT, commit))
        return 0;
    int r = need(p, OBJECT_COMMIT, commit, e);
    return r < 0 ? r : 0;
}

static int roots_add(Prune *p, Error *e)
{
    const PruneOptions *o = p->options;
    int r = repo_refs_each(p->repo, ref_add, p, e);

    for (size_t i = 0; r >= 0 && i < o->n_commits; i++) {
        char hex[OSTREE_CHECKSUM_TEXT];
        hex_encode(o->commits[i], OSTREE_CHECKSUM, hex);
        r = repo_has(p->repo, OBJECT_COMMIT, o->commits[i])
                ? need(p, OBJECT_COMMIT, o->commits[i], e)
                : error_set(e, ENOENT, "commit %s is to be kept and is not in the repository", hex);
    }
    return r < 0 ? r : 0;
}

static int commit_follow(Prune *p, const uint8_t commit[OSTREE_CHECKSUM], Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeCommit c;
    int r = repo_read_commit(p->repo, a, commit, &c, e);

    if (r >= 0)
        r = need(p, OBJECT_TREE, c.tree, e);
    if (r >= 0)
        r = need(p, OBJECT_DIRMETA, c.meta, e);
    return r;
}

static int tree_follow(Prune *p, const uint8_t tree[OSTREE_CHECKSUM], bool partial, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Error inner = ERROR_INIT;
    OstreeTree t;
    int r = repo_read_tree(p->repo, a, tree, &t, &inner);

    if (r == -ENOENT && partial)
        return 0;
    if (r < 0)
        return error_set(e, -r, "%s (nothing was removed)", inner.text);
    for (size_t i = 0; r >= 0 && i < t.n_files; i++)
        r = need(p, OBJECT_FILE, t.files[i].checksum, e);
    for (size_t i = 0; r >= 0 && i < t.n_directories; i++) {
        r = need(p, OBJECT_TREE, t.directories[i].tree, e);
        if (r >= 0)
            r = need(p, OBJECT_DIRMETA, t.directories[i].meta, e);
    }
    return r;
}

/* The set of needed trees is the list of those to follow, too. */
static int mark(Prune *p, Error *e)
{
    const ChecksumSet *commits = &p->needed[OBJECT_COMMIT], *trees = &p->needed[OBJECT_TREE];
    size_t followed = 0;
    int r = roots_add(p, e);

    for (int partial = 0; r >= 0 && partial < 2; partial++) {
        for (size_t i = 0; r >= 0 && i < commits->n; i++)
            if (repo_is_partial(p->repo, commits->rows[i]) == (partial == 1))
                r = commit_follow(p, commits->rows[i], e);
        for (; r >= 0 && followed < trees->n; followed++)
            r = tree_follow(p, trees->rows[followed], partial, e);
    }
    return r < 0 ? r : 0;
}

/* ---- removing ---- */

static int entry_remove(Prune *p, int dirfd, const char *name, Error *e)
{
    struct stat st;
    int r = p->options->step && !p->options->dry_run ? p->options->step(p->options->context, "removing") : 0;

    if (r < 0)
        return error_errno(e, r, "interrupted before removing %s", name);
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_errno(e, -errno, "%s", name);
    if (!p->options->dry_run && unlinkat(dirfd, name, 0) < 0)
        return error_errno(e, -errno, "removing %s", name);
    if (st.st_nlink == 1)
        p->counts.bytes += (uint64_t)st.st_blocks * 512;
    return 1;
}

static int object_remove(Prune *p, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], Error *e)
{
    char name[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];

    object_name(kind, checksum, name);
    object_place(name, place);
    int r = entry_remove(p, p->repo, place, e);
    p->touched[checksum[0]] = true;
    p->counts.removed += r > 0;
    return r;
}

static int sync_touched(Prune *p, Error *e)
{
    for (unsigned i = 0; i < DIRECTORIES; i++) {
        char directory[16];
        snprintf(directory, sizeof(directory), "objects/%02x", i);
        if (!p->touched[i] || p->options->dry_run)
            continue;
        _cleanup_close_ int fd = openat(p->repo, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) < 0)
            return error_errno(e, -errno, "%s", directory);
        p->touched[i] = false;
    }
    return 0;
}

/* ---- what lies in the repository ---- */

/* Notes the commits and trees that nothing needs; counts the rest of what stays. */
static int note(void *context, const RepoName *n, Error *e)
{
    Prune *p = context;
    uint8_t checksum[OSTREE_CHECKSUM];
    ObjectKind kind;

    if (!object_parse(n->directory, n->name, &kind, checksum))
        return 0;
    if (checksum_set_has(&p->needed[kind], checksum)) {
        p->counts.kept++;
        return 0;
    }
    if (kind != OBJECT_COMMIT && kind != OBJECT_TREE)
        return 0;
    int r = checksum_set_add(kind == OBJECT_COMMIT ? &p->commits : &p->trees, checksum);
    return r < 0 ? error_errno(e, r, "objects of the repository") : 0;
}

/* What libostree lays beside an object: detached metadata of a commit, and links by payload (to share
 * extents) of a file. They go when what they are of is not there. */
static bool is_companion_of_none(const Prune *p, const RepoName *o)
{
    enum { REST = OSTREE_CHECKSUM_TEXT - 1 - 2, TARGET = 3 + 2 + 1 };
    uint8_t checksum[OSTREE_CHECKSUM];
    char as[OBJECT_NAME_SIZE], target[OBJECT_PLACE_SIZE];
    ObjectKind kind;

    if (strlen(o->name) <= REST)
        return false;
    if (strcmp(o->name + REST, ".commitmeta") == 0) {
        snprintf(as, sizeof(as), "%.*s.commit", REST, o->name);
        return object_parse(o->directory, as, &kind, checksum) &&
               !checksum_set_has(&p->needed[OBJECT_COMMIT], checksum);
    }
    if (strcmp(o->name + REST, ".payload-link") != 0)
        return false;
    ssize_t n = readlinkat(o->dirfd, o->name, target, sizeof(target) - 1); /* "../3b/841d….file" */
    if (n <= TARGET || strncmp(target, "../", 3) != 0)
        return false;
    target[n] = '\0';
    target[5] = '\0';
    return object_parse(target + 3, target + TARGET, &kind, checksum) && kind == OBJECT_FILE &&
           !checksum_set_has(&p->needed[OBJECT_FILE], checksum);
}

static int sweep_rest(void *context, const RepoName *n, Error *e)
{
    Prune *p = context;
    uint8_t checksum[OSTREE_CHECKSUM];
    ObjectKind kind;
    bool object = object_parse(n->directory, n->name, &kind, checksum);

    if (object
            ? (kind != OBJECT_FILE && kind != OBJECT_DIRMETA) || checksum_set_has(&p->needed[kind], checksum)
            : !is_companion_of_none(p, n))
        return 0;
    int r = entry_remove(p, n->dirfd, n->name, e);
    p->counts.removed += object && r > 0;
    return r;
}

/* ---- sweep ---- */

/* The mark of a pull in part goes after its commit: before it the commit would look whole. */
static int sweep_marks(Prune *p, Error *e)
{
    enum { HEX = OSTREE_CHECKSUM_TEXT - 1 };
    int fd = openat(p->repo, "state", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!d)
        return fd < 0 && errno == ENOENT ? 0 : error_errno(e, -errno, "state");
    while (errno = 0, (entry = readdir(d))) {
        uint8_t commit[OSTREE_CHECKSUM];
        if (strlen(entry->d_name) <= HEX || strcmp(entry->d_name + HEX, ".commitpartial") != 0 ||
            !hex_decode(entry->d_name, HEX, commit) || checksum_set_has(&p->needed[OBJECT_COMMIT], commit))
            continue;
        if (!p->options->dry_run && unlinkat(fd, entry->d_name, 0) < 0)
            return error_errno(e, -errno, "state/%s", entry->d_name);
    }
    return errno ? error_errno(e, -errno, "state") : 0;
}

static int sweep_commits(Prune *p, Error *e)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < p->commits.n; i++)
        r = object_remove(p, OBJECT_COMMIT, p->commits.rows[i], e);
    if (r >= 0)
        r = sync_touched(p, e);
    return r < 0 ? r : sweep_marks(p, e);
}

static void holders_count(Prune *p, const uint8_t tree[OSTREE_CHECKSUM])
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeTree t;

    if (repo_read_tree(p->repo, a, tree, &t, NULL) < 0)
        return;
    for (size_t i = 0; i < t.n_directories; i++) {
        size_t row = checksum_set_find(&p->trees, t.directories[i].tree);
        if (row != CHECKSUM_SET_NONE)
            p->holders[row]++;
    }
}

/* Removes it; those in it that nothing holds any more are added to the list. */
static int tree_sweep(Prune *p, uint32_t row, uint32_t *list, size_t *n, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeTree t = {0};

    if (repo_read_tree(p->repo, a, p->trees.rows[row], &t, NULL) < 0)
        t.n_directories = 0;
    int r = object_remove(p, OBJECT_TREE, p->trees.rows[row], e);
    for (size_t i = 0; r >= 0 && i < t.n_directories; i++) {
        size_t held = checksum_set_find(&p->trees, t.directories[i].tree);
        if (held != CHECKSUM_SET_NONE && --p->holders[held] == 0)
            list[(*n)++] = (uint32_t)held;
    }
    return r;
}

static int sweep_trees(Prune *p, Error *e)
{
    size_t n = 0, all = p->trees.n;
    _cleanup_free_ uint32_t *list = calloc(all + 1, sizeof(*list));
    int r = 0;

    p->holders = calloc(all + 1, sizeof(*p->holders));
    if (!list || !p->holders)
        abort();
    for (size_t i = 0; i < all; i++)
        holders_count(p, p->trees.rows[i]);
    for (size_t i = 0; i < all; i++)
        if (p->holders[i] == 0)
            list[n++] = (uint32_t)i;
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = tree_sweep(p, list[i], list, &n, e);
    return r < 0 ? r : sync_touched(p, e);
}

int repo_prune(int repo, const PruneOptions *o, PruneCounts *ret, Error *e)
{
    static const PruneOptions none;
    _cleanup_(prune_done)
    Prune p = {.repo = repo, .options = o ? o : &none};
    _cleanup_close_ int lock = p.options->locked ? -EBADF : repo_lock(repo, e);
    int r = lock < 0 && !p.options->locked ? lock : mark(&p, e);

    if (r >= 0)
        r = repo_names_each(repo, note, &p, e);
    if (r >= 0)
        r = sweep_commits(&p, e);
    if (r >= 0)
        r = sweep_trees(&p, e);
    if (r >= 0)
        r = repo_names_each(repo, sweep_rest, &p, e);
    if (r < 0)
        return r;
    if (ret)
        *ret = p.counts;
    return 0;
}
