/* Both trees of a directory are read and merged by name, files and directories in one order. A directory
 * whose tree is the same checksum on both sides is not entered. Of a file with another checksum the objects
 * say what is different: metadata by what the checksum is made of, contents by reading them only where the
 * sizes agree. */
#include "update/tree_diff.h"

#include <string.h>

#include "update/file_meta.h"
#include "update/repo.h"
#include "update/tree_path.h"

typedef struct Diff {
    int repo;
    Arena *arena;
    TreeDiff found;
    size_t size;
    Buf path;
    unsigned depth;
} Diff;

/* One name of a tree; a file's checksum, or a directory's two. */
typedef struct Entry {
    const char *name;
    const uint8_t *checksum; /* of a file, or of a directory's metadata */
    const uint8_t *tree;     /* NULL: a file */
} Entry;

typedef struct Side {
    OstreeTree tree;
    size_t file, directory; /* the next ones */
} Side;

static bool side_peek(const Side *s, Entry *ret)
{
    const OstreeFileRow *f = s->file < s->tree.n_files ? &s->tree.files[s->file] : NULL;
    const OstreeDirectoryRow *d =
        s->directory < s->tree.n_directories ? &s->tree.directories[s->directory] : NULL;

    if (f && d && strcmp(f->name, d->name) > 0)
        f = NULL;
    if (f)
        *ret = (Entry){f->name, f->checksum, NULL};
    else if (d)
        *ret = (Entry){d->name, d->meta, d->tree};
    return f || d;
}

static void side_next(Side *s, const Entry *e)
{
    if (e->tree)
        s->directory++;
    else
        s->file++;
}

static int row_add(Diff *d, const Entry *from, const Entry *to, unsigned what, Error *e)
{
    if (d->found.n >= TREE_DIFF_MAX)
        return error_set(e, E2BIG, "the trees differ in more than %d places", TREE_DIFF_MAX);
    if (d->found.n == d->size) {
        d->size = d->size ? 2 * d->size : 64;
        d->found.rows = reallocarray(d->found.rows, d->size, sizeof(TreeDiffRow));
        if (!d->found.rows)
            abort();
    }
    TreeDiffRow *row = &d->found.rows[d->found.n++];
    *row = (TreeDiffRow){.path = arena_strdup(d->arena, tree_path_text(&d->path)),
                         .kind = !from ? TREE_ADDED
                                 : !to ? TREE_REMOVED
                                       : TREE_MODIFIED,
                         .what = what,
                         .from_directory = from && from->tree,
                         .to_directory = to && to->tree};
    if (from)
        memcpy(row->from, from->checksum, OSTREE_CHECKSUM);
    if (to)
        memcpy(row->to, to->checksum, OSTREE_CHECKSUM);
    d->found.added += row->kind == TREE_ADDED;
    d->found.removed += row->kind == TREE_REMOVED;
    d->found.modified += row->kind == TREE_MODIFIED;
    return 0;
}

/* ---- files ---- */

static bool meta_equal(const OstreeMeta *a, const OstreeMeta *b)
{
    _cleanup_buf_ Buf x = BUF_INIT, y = BUF_INIT;

    ostree_dirmeta_encode(a, &x);
    ostree_dirmeta_encode(b, &y);
    return x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
}

static unsigned file_compare(const Diff *d, const uint8_t from[OSTREE_CHECKSUM],
                             const uint8_t to[OSTREE_CHECKSUM])
{
    _cleanup_arena_ Arena *a = arena_new();
    char name[OBJECT_NAME_SIZE], places[2][OBJECT_PLACE_SIZE];
    const char *targets[2];
    struct stat st[2];
    OstreeMeta m[2];

    object_name(OBJECT_FILE, from, name);
    object_place(name, places[0]);
    object_name(OBJECT_FILE, to, name);
    object_place(name, places[1]);
    for (size_t i = 0; i < 2; i++)
        if (file_meta_read(a, d->repo, places[i], &m[i], &st[i]) < 0)
            return TREE_CONTENTS;
    if ((m[0].mode & S_IFMT) != (m[1].mode & S_IFMT))
        return TREE_TYPE;
    unsigned what = meta_equal(&m[0], &m[1]) ? 0 : TREE_META;
    if (st[0].st_size != st[1].st_size)
        return what | TREE_CONTENTS;
    if (S_ISREG(m[0].mode))
        return file_contents_equal(d->repo, places[0], d->repo, places[1]) > 0 ? what : what | TREE_CONTENTS;
    if (file_target_read(a, d->repo, places[0], &targets[0]) < 0 ||
        file_target_read(a, d->repo, places[1], &targets[1]) < 0 || strcmp(targets[0], targets[1]) != 0)
        what |= TREE_CONTENTS;
    return what;
}

/* ---- directories ---- */

static int trees_compare(Diff *d, const uint8_t *from, const uint8_t *to, Error *e);

static int entry_compare(Diff *d, const Entry *from, const Entry *to, Error *e)
{
    bool both = from && to, same = both && memcmp(from->checksum, to->checksum, OSTREE_CHECKSUM) == 0;
    const uint8_t *from_tree = from ? from->tree : NULL, *to_tree = to ? to->tree : NULL;
    unsigned what = 0;
    int r = 0;

    if (both && !from_tree != !to_tree)
        what = TREE_TYPE;
    else if (both && !same)
        what = from_tree ? TREE_META : file_compare(d, from->checksum, to->checksum);
    if (!both || what)
        r = row_add(d, from, to, what, e);
    if (r < 0 || (!from_tree && !to_tree))
        return r;
    return trees_compare(d, from_tree, to_tree, e);
}

static int sides_merge(Diff *d, Side *from, Side *to, Error *e)
{
    Entry a, b;
    int r = 0;

    for (;;) {
        bool has_a = side_peek(from, &a), has_b = side_peek(to, &b);
        if (r < 0 || (!has_a && !has_b))
            return r;
        int order = !has_a ? 1 : !has_b ? -1 : strcmp(a.name, b.name);
        size_t length = tree_path_push(&d->path, order <= 0 ? a.name : b.name);
        r = entry_compare(d, order <= 0 ? &a : NULL, order >= 0 ? &b : NULL, e);
        tree_path_pop(&d->path, length);
        if (order <= 0)
            side_next(from, &a);
        if (order >= 0)
            side_next(to, &b);
    }
}

/* NULL: there is none on this side. */
static int trees_compare(Diff *d, const uint8_t *from, const uint8_t *to, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Side sides[2] = {{{0}, 0, 0}, {{0}, 0, 0}};
    int r = 0;

    if (from && to && memcmp(from, to, OSTREE_CHECKSUM) == 0)
        return 0;
    if (++d->depth > REPO_DEPTH_MAX)
        return error_set(e, ELOOP, "/%s of the commit is too deep", tree_path_text(&d->path));
    if (from)
        r = repo_read_tree(d->repo, a, from, &sides[0].tree, e);
    if (r >= 0 && to)
        r = repo_read_tree(d->repo, a, to, &sides[1].tree, e);
    if (r >= 0)
        r = sides_merge(d, &sides[0], &sides[1], e);
    d->depth--;
    return r;
}

int tree_diff(int repo, Arena *a, const uint8_t from[OSTREE_CHECKSUM], const uint8_t to[OSTREE_CHECKSUM],
              TreeDiff *ret, Error *e)
{
    _cleanup_arena_ Arena *inner = arena_new();
    Diff d = {.repo = repo, .arena = a};
    OstreeCommit commits[2];
    int r = repo_read_commit(repo, inner, from, &commits[0], e);

    if (r >= 0)
        r = repo_read_commit(repo, inner, to, &commits[1], e);
    if (r >= 0) {
        Entry roots[2] = {{"", commits[0].meta, commits[0].tree}, {"", commits[1].meta, commits[1].tree}};
        r = entry_compare(&d, &roots[0], &roots[1], e);
    }
    if (r >= 0) {
        *ret = d.found;
        ret->rows = ARENA_ARRAY(a, TreeDiffRow, d.found.n + 1);
        if (d.found.n > 0)
            memcpy(ret->rows, d.found.rows, d.found.n * sizeof(TreeDiffRow));
    }
    free(d.found.rows);
    buf_done(&d.path);
    return r;
}
