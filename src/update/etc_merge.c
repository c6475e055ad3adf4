/* The plan: the old defaults, /etc and the new defaults are walked side by side, names sorted, through
 * directory descriptors. What differs between the first two is a change; the third says what it hides, and
 * what cannot be merged. `blocked` is a directory of /etc whose name is no directory in the new defaults any
 * more: a change below it ends the plan, unless the directory itself is a change, which replaces what is
 * there. */
#include "update/etc_merge.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "update/file_meta.h"
#include "update/tree_path.h"

enum { OLD, LOCAL, NEW, TREES };
enum { NAMES_MAX = 1 << 20 };

typedef struct Plan {
    Arena *arena;
    EtcMerge merge;
    size_t size;
    Buf path;
    unsigned depth;
    bool with_new;
} Plan;

/* A directory in each of the trees; -EBADF where it is not there. */
typedef struct Level {
    int fds[TREES];
    bool blocked;
} Level;
#define NO_LEVEL ((Level){.fds = {-EBADF, -EBADF, -EBADF}})

/* One name in each of the trees. */
typedef struct Names {
    const char *name;
    const int *fds;
    mode_t types[TREES]; /* 0: not there */
} Names;

static void plan_done(Plan *p)
{
    free(p->merge.changes);
    buf_done(&p->path);
}

static int fail(const Plan *p, int r, Error *e)
{
    return error_errno(e, r, "/etc/%s", tree_path_text(&p->path));
}

/* ---- two nodes ---- */

static bool is_counted(const OstreeXattr *x)
{
    return strcmp(x->name, "security.selinux") != 0;
}

static bool xattrs_equal(const OstreeMeta *a, const OstreeMeta *b)
{
    size_t i = 0, k = 0;

    for (;;) {
        while (i < a->n_xattrs && !is_counted(&a->xattrs[i]))
            i++;
        while (k < b->n_xattrs && !is_counted(&b->xattrs[k]))
            k++;
        if (i >= a->n_xattrs || k >= b->n_xattrs)
            return i >= a->n_xattrs && k >= b->n_xattrs;
        const OstreeXattr *x = &a->xattrs[i++], *y = &b->xattrs[k++];
        if (strcmp(x->name, y->name) != 0 || x->n != y->n || memcmp(x->value, y->value, x->n) != 0)
            return false;
    }
}

static int data_equal(Arena *a, const Names *n, int one, int other)
{
    const char *target[2];

    if (S_ISREG(n->types[one]))
        return file_contents_equal(n->fds[one], n->name, n->fds[other], n->name);
    if (!S_ISLNK(n->types[one]))
        return 1;
    int r = file_target_read(a, n->fds[one], n->name, &target[0]);
    if (r >= 0)
        r = file_target_read(a, n->fds[other], n->name, &target[1]);
    return r < 0 ? r : strcmp(target[0], target[1]) == 0;
}

/* In what a name differs between two trees that both have it; of directories, themselves only. */
static int node_compare(const Names *n, int one, int other, unsigned *ret)
{
    _cleanup_arena_ Arena *a = arena_new();
    struct stat st[2];
    OstreeMeta m[2];
    unsigned what = 0;
    int r = file_meta_read(a, n->fds[one], n->name, &m[0], &st[0]);

    if (r >= 0)
        r = file_meta_read(a, n->fds[other], n->name, &m[1], &st[1]);
    if (r < 0)
        return r;
    *ret = 0;
    if (st[0].st_dev == st[1].st_dev && st[0].st_ino == st[1].st_ino)
        return 0;
    what |= m[0].uid != m[1].uid || m[0].gid != m[1].gid ? ETC_OWNER : 0;
    if ((m[0].mode & S_IFMT) != (m[1].mode & S_IFMT)) {
        *ret = what | ETC_TYPE;
        return 0;
    }
    what |= m[0].mode != m[1].mode ? ETC_MODE : 0;
    what |= xattrs_equal(&m[0], &m[1]) ? 0 : ETC_XATTRS;
    if (S_ISREG(m[0].mode) && st[0].st_size != st[1].st_size)
        r = 0;
    else
        r = data_equal(a, n, one, other);
    if (r < 0)
        return r;
    *ret = what | (r == 0 ? ETC_CONTENTS : 0);
    return 0;
}

/* ---- names of directories ---- */

typedef struct NameList {
    char **names;
    size_t n, size;
} NameList;

static void name_list_done(NameList *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->names[i]);
    free(l->names);
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Adds the names of a directory that may be absent. */
static int names_add(NameList *l, int fd)
{
    int again = fd < 0 ? -EBADF : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_closedir_ DIR *d = again < 0 ? NULL : fdopendir(again);
    struct dirent *entry;

    if (!d)
        return fd < 0 ? 0 : -errno;
    while (errno = 0, (entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (l->n >= NAMES_MAX)
            return -E2BIG;
        if (l->n == l->size) {
            l->size = l->size ? 2 * l->size : 64;
            l->names = reallocarray(l->names, l->size, sizeof(*l->names));
        }
        if (!l->names || !(l->names[l->n++] = strdup(entry->d_name)))
            abort();
    }
    return -errno;
}

/* Sorted, each once. */
static int names_of(NameList *l, int one, int other)
{
    size_t kept = 0;
    int r = names_add(l, one);

    if (r >= 0)
        r = names_add(l, other);
    if (l->n > 1)
        qsort(l->names, l->n, sizeof(*l->names), name_order);
    for (size_t i = 0; i < l->n; i++)
        if (kept > 0 && strcmp(l->names[kept - 1], l->names[i]) == 0)
            free(l->names[i]);
        else
            l->names[kept++] = l->names[i];
    l->n = kept;
    return r;
}

static int types_read(Names *n)
{
    for (int i = 0; i < TREES; i++) {
        struct stat st;
        n->types[i] = 0;
        if (n->fds[i] < 0)
            continue;
        if (fstatat(n->fds[i], n->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            n->types[i] = st.st_mode & S_IFMT;
        else if (errno != ENOENT)
            return -errno;
    }
    return 0;
}

/* A level below, of those of the trees that `which` has. */
static int level_open(const Names *n, unsigned which, Level *ret)
{
    for (int i = 0; i < TREES; i++) {
        if (!(which & 1u << i) || !S_ISDIR(n->types[i]))
            continue;
        ret->fds[i] = openat(n->fds[i], n->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (ret->fds[i] < 0)
            return -errno;
    }
    return 0;
}

static void level_close(Level *l)
{
    for (int i = 0; i < TREES; i++)
        closep(&l->fds[i]);
}

/* ---- what a change hides ---- */

/* 1: the trees below a name are not the same in two of them, which both have it. */
static int tree_differs(const Names *n, int one, int other, unsigned depth)
{
    _cleanup_(name_list_done)
    NameList list = {0};
    _cleanup_(level_close)
    Level level = NO_LEVEL;
    unsigned what;
    int r = node_compare(n, one, other, &what);

    if (r < 0 || what || !S_ISDIR(n->types[one]))
        return r < 0 ? r : what != 0;
    if (depth > ETC_DEPTH_MAX)
        return -ELOOP;
    r = level_open(n, 1u << one | 1u << other, &level);
    if (r >= 0)
        r = names_of(&list, level.fds[one], level.fds[other]);
    for (size_t i = 0; r == 0 && i < list.n; i++) {
        Names below = {.name = list.names[i], .fds = level.fds};
        r = types_read(&below);
        if (r >= 0)
            r = !below.types[one] || !below.types[other] ? 1 : tree_differs(&below, one, other, depth + 1);
    }
    return r;
}

/* 1: the new default is another than the old one, and than what is in /etc. Directories that both are count
 * for themselves; what is in them has rows of its own. */
static int is_hiding(Plan *p, const Names *n, EtcKind kind)
{
    unsigned what = 0;
    int r = 0;

    if (!p->with_new)
        return 0;
    if (!n->types[NEW])
        return kind == ETC_MODIFIED;
    if (kind == ETC_REMOVED)
        return tree_differs(n, OLD, NEW, p->depth);
    r = node_compare(n, LOCAL, NEW, &what);
    if (r < 0 || !what)
        return r;
    if (kind == ETC_ADDED)
        return 1;
    if (S_ISDIR(n->types[OLD]) && !S_ISDIR(n->types[LOCAL]))
        return tree_differs(n, OLD, NEW, p->depth);
    r = node_compare(n, OLD, NEW, &what);
    return r < 0 ? r : what != 0;
}

static bool is_carried(mode_t type)
{
    return S_ISREG(type) || S_ISLNK(type) || S_ISDIR(type);
}

static int merge_check(const Plan *p, const Names *n, const Level *l, EtcKind kind, Error *e)
{
    if (!p->with_new || kind == ETC_REMOVED)
        return 0;
    if (l->blocked && is_carried(n->types[LOCAL]))
        return error_set(
            e, ENOTDIR,
            "/etc/%s was changed, but the new default of a directory above it is none; move it away",
            p->path.data);
    if (S_ISDIR(n->types[NEW]) && !S_ISDIR(n->types[LOCAL]) && !S_ISDIR(n->types[OLD]))
        return error_set(e, EISDIR, "/etc/%s was changed, but its new default is a directory; move it away",
                         p->path.data);
    if (kind == ETC_MODIFIED && S_ISDIR(n->types[LOCAL]) && S_ISDIR(n->types[OLD]) && n->types[NEW] &&
        !S_ISDIR(n->types[NEW]))
        return error_set(e, ENOTDIR,
                         "the directory /etc/%s was changed, but its new default is none; move it away",
                         p->path.data);
    return 0;
}

/* ---- the walk ---- */

static int change_add(Plan *p, const Names *n, const Level *l, const EtcChange *change, Error *e)
{
    int r = merge_check(p, n, l, change->kind, e);

    if (r < 0)
        return r;
    r = is_hiding(p, n, change->kind);
    if (r < 0)
        return fail(p, r, e);
    if (p->merge.n >= ETC_CHANGES_MAX)
        return error_set(e, E2BIG, "more than %d changes in /etc", ETC_CHANGES_MAX);
    if (p->merge.n == p->size) {
        p->size = p->size ? 2 * p->size : 64;
        p->merge.changes = reallocarray(p->merge.changes, p->size, sizeof(EtcChange));
        if (!p->merge.changes)
            abort();
    }
    EtcChange *c = &p->merge.changes[p->merge.n++];
    *c = *change;
    c->path = arena_strdup(p->arena, p->path.data);
    c->conflict = r > 0;
    p->merge.conflicts += c->conflict;
    return 0;
}

static int level_walk(Plan *p, const Level *l, Error *e);

/* What is in a directory of /etc. Below one that is a change itself, nothing of the new defaults is in the
 * way: it takes the place of what is no directory. */
static int below_walk(Plan *p, const Names *n, const Level *above, bool is_change, Error *e)
{
    _cleanup_(level_close)
    Level level = NO_LEVEL;
    bool old = S_ISDIR(n->types[OLD]);
    int r = level_open(n, 1u << LOCAL | 1u << NEW | (old ? 1u << OLD : 0), &level);

    if (r < 0)
        return fail(p, r, e);
    level.blocked = !is_change && (above->blocked || (n->types[NEW] && !S_ISDIR(n->types[NEW])));
    return level_walk(p, &level, e);
}

static int name_walk(Plan *p, const Level *l, const char *name, Error *e)
{
    Names n = {.name = name, .fds = l->fds};
    EtcChange change = {.kind = ETC_MODIFIED};
    int r = types_read(&n);

    if (r < 0)
        return fail(p, r, e);
    change.type = n.types[LOCAL] ? n.types[LOCAL] : n.types[OLD];
    if (!n.types[OLD])
        change.kind = ETC_ADDED;
    else if (!n.types[LOCAL])
        change.kind = ETC_REMOVED;
    else
        r = node_compare(&n, OLD, LOCAL, &change.what);
    if (r < 0)
        return fail(p, r, e);
    bool is_change = change.kind != ETC_MODIFIED || change.what != 0;
    if (is_change)
        r = change_add(p, &n, l, &change, e);
    return r < 0 || !S_ISDIR(n.types[LOCAL]) ? r : below_walk(p, &n, l, is_change, e);
}

static int level_walk(Plan *p, const Level *l, Error *e)
{
    _cleanup_(name_list_done)
    NameList list = {0};
    int r = ++p->depth > ETC_DEPTH_MAX ? -ELOOP : names_of(&list, l->fds[OLD], l->fds[LOCAL]);

    if (r < 0)
        return fail(p, r, e);
    for (size_t i = 0; r >= 0 && i < list.n; i++) {
        size_t length = tree_path_push(&p->path, list.names[i]);
        r = name_walk(p, l, list.names[i], e);
        tree_path_pop(&p->path, length);
    }
    p->depth--;
    return r;
}

static int plan_make(Arena *a, const Level *top, bool with_new, EtcMerge *ret, Error *e)
{
    _cleanup_(plan_done)
    Plan p = {.arena = a, .with_new = with_new};

    int r = level_walk(&p, top, e);
    if (r < 0)
        return r;
    *ret = p.merge;
    ret->changes = ARENA_ARRAY(a, EtcChange, p.merge.n + 1);
    if (p.merge.n > 0)
        memcpy(ret->changes, p.merge.changes, p.merge.n * sizeof(EtcChange));
    return 0;
}

int etc_changes(Arena *a, int old_defaults, int etc, EtcMerge *ret, Error *e)
{
    return plan_make(a, &(Level){.fds = {old_defaults, etc, -EBADF}}, false, ret, e);
}

int etc_merge_plan(Arena *a, int old_defaults, int etc, int new_defaults, EtcMerge *ret, Error *e)
{
    return plan_make(a, &(Level){.fds = {old_defaults, etc, new_defaults}}, true, ret, e);
}
