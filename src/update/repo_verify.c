/* First commits, trees and metadata of directories, in one thread: they are small, and name the rest. Trees
 * are followed in the order in which they were found, without recursion. Then the files, in several threads.
 * Where a bad object is used is looked for only when there is one: the trees are walked once more, with their
 * paths. */
#include "update/repo_verify.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "update/tree_path.h"

enum { KINDS = OBJECT_COMMIT + 1 };

typedef struct Verify {
    int repo;
    Arena *arena;
    const VerifyOptions *options;
    ChecksumSet objects[KINDS];
    ChecksumSet bad_names; /* rows are those of result.bad */
    VerifyResult result;
    size_t size;
    Buf path;
    unsigned depth;
} Verify;

static void verify_done(Verify *v)
{
    for (size_t i = 0; i < KINDS; i++)
        checksum_set_done(&v->objects[i]);
    checksum_set_done(&v->bad_names);
    free(v->result.bad);
    buf_done(&v->path);
}

static int bad_add(Verify *v, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], ObjectState state,
                   Error *e)
{
    VerifyResult *t = &v->result;

    if (t->n_bad >= VERIFY_BAD_MAX)
        return error_set(e, E2BIG, "more than %d bad objects", VERIFY_BAD_MAX);
    if (checksum_set_add(&v->bad_names, checksum) <= 0)
        return 0;
    if (t->n_bad == v->size) {
        v->size = v->size ? 2 * v->size : 16;
        t->bad = reallocarray(t->bad, v->size, sizeof(*t->bad));
        if (!t->bad)
            abort();
    }
    VerifyBad *b = &t->bad[t->n_bad++];
    *b = (VerifyBad){.kind = kind, .state = state};
    memcpy(b->checksum, checksum, OSTREE_CHECKSUM);
    return 0;
}

/* ---- metadata ---- */

static int add(Verify *v, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], Error *e)
{
    int r = checksum_set_add(&v->objects[kind], checksum);
    return r < 0 ? error_errno(e, r, "objects of the repository") : 0;
}

/* How reading an object that is metadata ended: 0: it is good; 1: bad, and noted. */
static int read_ended(Verify *v, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], int r, Error *e)
{
    if (r >= 0)
        return 0;
    r = bad_add(v, kind, checksum,
                r == -ENOENT    ? OBJECT_MISSING
                : r == -EBADMSG ? OBJECT_DAMAGED
                                : OBJECT_UNREADABLE,
                e);
    return r < 0 ? r : 1;
}

static int commit_verify(Verify *v, const uint8_t commit[OSTREE_CHECKSUM], Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeCommit c;
    int r = read_ended(v, OBJECT_COMMIT, commit, repo_read_commit(v->repo, a, commit, &c, NULL), e);

    v->result.commits++;
    if (r != 0)
        return r;
    if (v->options->n_commits == 0 && repo_is_partial(v->repo, commit)) {
        v->result.partial++;
        return 0;
    }
    r = add(v, OBJECT_TREE, c.tree, e);
    return r < 0 ? r : add(v, OBJECT_DIRMETA, c.meta, e);
}

static int tree_verify(Verify *v, const uint8_t tree[OSTREE_CHECKSUM], bool follow, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeTree t;
    int r = read_ended(v, OBJECT_TREE, tree, repo_read_tree(v->repo, a, tree, &t, NULL), e);

    if (r != 0 || !follow)
        return r;
    for (size_t i = 0; r >= 0 && i < t.n_files; i++)
        r = add(v, OBJECT_FILE, t.files[i].checksum, e);
    for (size_t i = 0; r >= 0 && i < t.n_directories; i++) {
        r = add(v, OBJECT_TREE, t.directories[i].tree, e);
        if (r >= 0)
            r = add(v, OBJECT_DIRMETA, t.directories[i].meta, e);
    }
    return r;
}

static int dirmeta_verify(Verify *v, const uint8_t meta[OSTREE_CHECKSUM], Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeMeta m;

    return read_ended(v, OBJECT_DIRMETA, meta, repo_read_dirmeta(v->repo, a, meta, &m, NULL), e);
}

static int commit_note(void *context, const RepoName *n, Error *e)
{
    uint8_t checksum[OSTREE_CHECKSUM];
    ObjectKind kind;

    if (!object_parse(n->directory, n->name, &kind, checksum) || kind != OBJECT_COMMIT)
        return 0;
    return add(context, kind, checksum, e);
}

static int object_note(void *context, const RepoName *n, Error *e)
{
    uint8_t checksum[OSTREE_CHECKSUM];
    ObjectKind kind;

    return object_parse(n->directory, n->name, &kind, checksum) ? add(context, kind, checksum, e) : 0;
}

/* What commits name is followed; then comes what else lies there, and need not have what it names: an import
 * that was interrupted leaves such. */
static int metadata_verify(Verify *v, Error *e)
{
    const ChecksumSet *trees = &v->objects[OBJECT_TREE], *metas = &v->objects[OBJECT_DIRMETA];
    const ChecksumSet *commits = &v->objects[OBJECT_COMMIT];
    bool whole = v->options->n_commits == 0;
    size_t i;
    int r = whole ? repo_names_each(v->repo, commit_note, v, e) : 0;

    for (i = 0; r >= 0 && i < commits->n; i++)
        r = commit_verify(v, commits->rows[i], e);
    for (i = 0; r >= 0 && i < trees->n; i++)
        r = tree_verify(v, trees->rows[i], true, e);
    if (r >= 0 && whole)
        r = repo_names_each(v->repo, object_note, v, e);
    for (; r >= 0 && i < trees->n; i++)
        r = tree_verify(v, trees->rows[i], false, e);
    for (i = 0; r >= 0 && i < metas->n; i++)
        r = dirmeta_verify(v, metas->rows[i], e);
    v->result.objects = commits->n + trees->n + metas->n;
    return r < 0 ? r : 0;
}

/* ---- files ---- */

static int files_verify(Verify *v, Error *e)
{
    const ChecksumSet *files = &v->objects[OBJECT_FILE];
    _cleanup_free_ ObjectState *states = calloc(files->n + 1, sizeof(*states));
    CheckProgress ended;

    if (!states)
        abort();
    int r = object_check_files(v->repo, files, &v->options->run, states, &ended, e);
    for (size_t i = 0; r >= 0 && i < files->n; i++)
        if (states[i] != OBJECT_GOOD)
            r = bad_add(v, OBJECT_FILE, files->rows[i], states[i], e);
    if (r >= 0) {
        v->result.objects += files->n;
        v->result.bytes = ended.bytes;
    }
    return r;
}

/* ---- where what is bad is used ---- */

static void used(Verify *v, const uint8_t checksum[OSTREE_CHECKSUM])
{
    size_t row = checksum_set_find(&v->bad_names, checksum), i = 0;

    if (row == CHECKSUM_SET_NONE)
        return;
    const char **paths = v->result.bad[row].paths;
    while (i < VERIFY_PATHS_MAX && paths[i]) {
        if (strcmp(paths[i], tree_path_text(&v->path)) == 0)
            return;
        i++;
    }
    if (i < VERIFY_PATHS_MAX)
        paths[i] = arena_strdup(v->arena, tree_path_text(&v->path));
}

static void paths_find(Verify *v, const uint8_t tree[OSTREE_CHECKSUM])
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeTree t;

    used(v, tree);
    if (v->depth >= REPO_DEPTH_MAX || repo_read_tree(v->repo, a, tree, &t, NULL) < 0)
        return;
    v->depth++;
    for (size_t i = 0; i < t.n_files; i++) {
        size_t length = tree_path_push(&v->path, t.files[i].name);
        used(v, t.files[i].checksum);
        tree_path_pop(&v->path, length);
    }
    for (size_t i = 0; i < t.n_directories; i++) {
        size_t length = tree_path_push(&v->path, t.directories[i].name);
        used(v, t.directories[i].meta);
        paths_find(v, t.directories[i].tree);
        tree_path_pop(&v->path, length);
    }
    v->depth--;
}

static void all_paths_find(Verify *v)
{
    const ChecksumSet *commits = &v->objects[OBJECT_COMMIT];

    for (size_t i = 0; i < commits->n; i++) {
        _cleanup_arena_ Arena *a = arena_new();
        OstreeCommit c;
        if (repo_read_commit(v->repo, a, commits->rows[i], &c, NULL) < 0)
            continue;
        used(v, c.meta);
        paths_find(v, c.tree);
    }
}

/* ---- the whole ---- */

int repo_verify(int repo, Arena *a, const VerifyOptions *o, VerifyResult *ret, Error *e)
{
    static const VerifyOptions none;
    _cleanup_(verify_done)
    Verify v = {.repo = repo, .arena = a, .options = o ? o : &none};
    int r = 0;

    for (size_t i = 0; r >= 0 && i < v.options->n_commits; i++)
        r = add(&v, OBJECT_COMMIT, v.options->commits[i], e);
    if (r >= 0)
        r = metadata_verify(&v, e);
    if (r >= 0)
        r = files_verify(&v, e);
    if (r < 0)
        return r;
    if (v.result.n_bad > 0)
        all_paths_find(&v);
    *ret = v.result;
    ret->bad = ARENA_ARRAY(a, VerifyBad, v.result.n_bad + 1);
    if (v.result.n_bad > 0)
        memcpy(ret->bad, v.result.bad, v.result.n_bad * sizeof(VerifyBad));
    return v.result.n_bad > 0;
}
