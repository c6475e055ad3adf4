/* The pure half of the files stage: config in, ordered operations out.
 *
 * Order: directories, files and symbolic links by depth (a parent comes before what is in it), then hard
 * links (their target may be deeper than themselves), then what the stage adds itself (units, presets,
 * crypttab, the result). Paths are resolved before anything is made, as the spec has it: links that the
 * config makes never redirect what the config writes. Refused, all of them at once: two entries that resolve
 * to one path, something in the way without `overwrite`, an entry below a file of the config, `overwrite` of
 * the root itself. */
#include "provision/files_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct Planner {
    FilesPlan *plan;
    const FilesProbe *probe;
    Report *report;
    /* Entries of one directory usually stand in a row: its resolution is kept. */
    const char *dir, *real_dir;
    size_t dir_len;
    bool dir_missing;
} Planner;

typedef struct Entry {
    FilesOp op;
    const char *list; /* its list's name in the config */
    size_t index;     /* in the list */
    unsigned depth;
} Entry;

void files_plan_done(FilesPlan *p)
{
    free(p->ops);
    map_done(&p->paths);
    map_done(&p->removed);
    map_done(&p->blocked);
    *p = (FilesPlan){0};
}

static unsigned path_depth(const char *path)
{
    unsigned depth = 0;
    for (const char *p = path; *p; p++)
        depth += *p == '/' && p[1] && p[1] != '/';
    return depth;
}

/* Lexically: no empty or "." component, ".." takes one away. */
static char *path_clean(Arena *a, const char *path)
{
    char *out = arena_alloc(a, strlen(path) + 2), *to = out;
    bool rooted = *path == '/';
    if (rooted)
        *to++ = '/';
    char *floor = to;
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.' && (to > floor || rooted)) {
            while (to > floor && *--to != '/')
                ;
        } else if (n && !(n == 1 && p[0] == '.')) {
            if (to > out && to[-1] != '/')
                *to++ = '/';
            memcpy(to, p, n);
            to += n;
            if (n == 2 && p[0] == '.' && p[1] == '.')
                floor = to + 1;
        }
        p += n;
        p += *p == '/';
    }
    *to = '\0';
    return *out ? out : arena_strdup(a, ".");
}

static const char *kind_name(FilesKind kind)
{
    static const char *const names[] = {
        [FILES_DIRECTORY] = "directory", [FILES_FILE] = "file",     [FILES_SYMLINK] = "link",
        [FILES_HARDLINK] = "hard link",  [FILES_UNMASK] = "unmask",
    };
    return names[kind];
}

static const char *before_name(FilesBeforeKind kind)
{
    static const char *const names[] = {
        [FILES_ABSENT] = "nothing",           [FILES_IS_FILE] = "a file",
        [FILES_IS_DIRECTORY] = "a directory", [FILES_IS_LINK] = "a symbolic link",
        [FILES_IS_OTHER] = "a special file",
    };
    return names[kind];
}

static void conflict(Planner *p, const Entry *e, const char *text)
{
    const IgnNode *node = e->op.node;
    report_add(p->report, SEVERITY_ERROR,
               e->list ? PATH_INDEX(PATH_KEY(PATH_KEY(NULL, "storage"), e->list), e->index) : NULL,
               node->node, "%s %s: %s", kind_name(e->op.kind), node->path, text);
}

/* Is any directory above `real` in the map? Gives its value. */
static const char *ancestor_in(const Map *m, const char *real)
{
    if (!m->n)
        return NULL;
    char path[4096];
    size_t n = strlen(real);
    if (n >= sizeof(path))
        return NULL;
    memcpy(path, real, n + 1);
    for (char *slash; (slash = strrchr(path, '/')) && slash > path;) {
        *slash = '\0';
        const char *found = map_get(m, path);
        if (found)
            return found;
    }
    return NULL;
}

static int resolve(Planner *p, const char *path, const char **ret)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return -EINVAL;
    size_t n = slash - path;
    if (!p->dir || p->dir_len != n || strncmp(p->dir, path, n) != 0) {
        const char *real;
        int r = p->probe->resolve(p->probe->context, p->plan->arena, path, &real);
        if (r < 0)
            return r;
        const char *end = strrchr(real, '/');
        p->dir = path;
        p->dir_len = n;
        p->real_dir = arena_memdup(p->plan->arena, real, end - real);
        FilesBefore dir = {.kind = FILES_IS_DIRECTORY};
        const char *target;
        r = *p->real_dir ? p->probe->look(p->probe->context, p->plan->arena, p->real_dir, &dir, &target) : 0;
        if (r < 0 && r != -ENOTDIR)
            return r;
        p->dir_missing = r == -ENOTDIR || dir.kind == FILES_ABSENT;
    }
    /* The usual case costs no memory: nothing was resolved away. */
    if (strlen(p->real_dir) == n && memcmp(p->real_dir, path, n) == 0)
        *ret = path;
    else
        *ret = arena_printf(p->plan->arena, "%s%s", p->real_dir, slash);
    return 0;
}

/* The topmost directory that is missing above the operation, for the relabelling. */
static const char *first_missing(Planner *p, const char *real)
{
    const char *missing = real;
    char path[4096];
    size_t n = strlen(real);
    if (n >= sizeof(path))
        return real;
    memcpy(path, real, n + 1);
    for (char *slash; (slash = strrchr(path, '/')) && slash > path;) {
        *slash = '\0';
        FilesBefore b;
        const char *target;
        if (p->probe->look(p->probe->context, p->plan->arena, path, &b, &target) < 0 ||
            b.kind != FILES_ABSENT)
            break;
        missing = arena_strdup(p->plan->arena, path);
    }
    return missing;
}

static bool file_has_contents(const FilesOp *op)
{
    return op->text ? !op->append_text : ((const IgnFile *)op->node)->contents.source != NULL;
}

/* A hard link needs its target, there or to be made before it; and what has its name may be that link
 * already. What an interrupted run left can only be told when the link is made. */
static const char *hard_link_problem(Planner *p, const FilesOp *op)
{
    const char *to = ((const IgnLink *)op->node)->target, *real = to, *ignored;
    Arena *a = p->plan->arena;
    FilesBefore target;
    int r = p->probe->resolve(p->probe->context, a, to, &real);
    if (r >= 0)
        r = p->probe->look(p->probe->context, a, real, &target, &ignored);
    bool goes = map_has(&p->plan->removed, real) || ancestor_in(&p->plan->removed, real);
    if (!map_has(&p->plan->paths, real) && (r < 0 || goes || target.kind == FILES_ABSENT))
        return arena_printf(a, "its target %s does not exist", to);
    if (op->before.kind == FILES_ABSENT || op->overwrite || !op->before.inode)
        return NULL;
    if (!goes && (!target.inode || (target.inode == op->before.inode && target.device == op->before.device)))
        return NULL;
    return arena_printf(a, "%s that is not %s exists there already and overwrite is false",
                        before_name(op->before.kind), to);
}

/* What stands in the way, or NULL. */
static const char *in_the_way(Planner *p, const FilesOp *op, const char *link_target)
{
    Arena *a = p->plan->arena;
    if (strcmp(op->real, "/") == 0)
        return op->kind != FILES_DIRECTORY ? "the root itself cannot be one"
               : op->overwrite             ? "the root itself cannot be overwritten"
                                           : NULL;
    const char *above = ancestor_in(&p->plan->blocked, op->real);
    if (above)
        return arena_printf(a, "it would be below %s, which is not a directory", above);
    FilesBeforeKind there = op->before.kind;
    if (op->kind == FILES_HARDLINK)
        return hard_link_problem(p, op);
    if (there == FILES_ABSENT || op->overwrite || op->kind == FILES_UNMASK)
        return NULL;
    if (op->replace)
        return there == FILES_IS_DIRECTORY ? "a directory exists there already" : NULL;
    switch (op->kind) {
    case FILES_DIRECTORY:
        return there == FILES_IS_DIRECTORY
                   ? NULL
                   : arena_printf(a, "%s exists there already and overwrite is false", before_name(there));
    case FILES_FILE:
        if (there == FILES_IS_FILE && !file_has_contents(op))
            return NULL;
        return arena_printf(a, "%s exists there already and overwrite is false", before_name(there));
    case FILES_SYMLINK: {
        const char *want = ((const IgnLink *)op->node)->target;
        if (there != FILES_IS_LINK)
            return arena_printf(a, "%s exists there already and overwrite is false", before_name(there));
        if (link_target && strcmp(path_clean(a, link_target), path_clean(a, want)) == 0)
            return NULL;
        return arena_printf(a, "a link to %s exists there already, not to %s, and overwrite is false",
                            link_target ? link_target : "somewhere else", want);
    }
    case FILES_HARDLINK:
    case FILES_UNMASK:
        return NULL;
    }
    return NULL;
}

static int push(Planner *p, Entry *e)
{
    FilesPlan *plan = p->plan;
    FilesOp *op = &e->op;
    const char *link_target = NULL;
    op->relabel = op->real;
    if (strcmp(op->real, "/") == 0) {
        op->before.kind = FILES_IS_DIRECTORY;
    } else if (!map_has(&plan->removed, op->real) && !ancestor_in(&plan->removed, op->real) &&
               !p->dir_missing) {
        int r = p->probe->look(p->probe->context, plan->arena, op->real, &op->before, &link_target);
        if (r < 0)
            return conflict(p, e, strerror(-r)), 0;
    }
    const char *problem = in_the_way(p, op, link_target);
    if (problem)
        conflict(p, e, problem);
    if (op->overwrite)
        map_put(&plan->removed, op->real, (void *)op->node->path);
    if (op->kind != FILES_DIRECTORY)
        map_put(&plan->blocked, op->real, (void *)op->node->path);
    if (plan->n == plan->size) {
        plan->size = plan->size ? plan->size * 2 : 64;
        plan->ops = realloc(plan->ops, plan->size * sizeof(*plan->ops));
        if (!plan->ops)
            abort();
    }
    plan->ops[plan->n++] = *op;
    return 0;
}

static bool resolve_entry(Planner *p, Entry *e)
{
    int r = resolve(p, e->op.node->path, &e->op.real);
    if (r < 0) {
        conflict(p, e, strerror(-r));
        return false;
    }
    void *other;
    if (map_put_new(&p->plan->paths, e->op.real, (void *)e->op.node->path, &other) == 0) {
        report_add(
            p->report, SEVERITY_ERROR, PATH_INDEX(PATH_KEY(PATH_KEY(NULL, "storage"), e->list), e->index),
            e->op.node->node,
            "%s at %s resolved to %s after symlink chasing, but another entry with path %s also resolves "
            "there",
            kind_name(e->op.kind), e->op.node->path, e->op.real, (const char *)other);
        return false;
    }
    e->depth = e->op.kind == FILES_HARDLINK ? (unsigned)-1 : path_depth(e->op.real);
    return true;
}

static int entry_compare(const void *a, const void *b)
{
    const Entry *x = *(const Entry *const *)a, *y = *(const Entry *const *)b;
    if (x->depth != y->depth)
        return x->depth < y->depth ? -1 : 1;
    return x < y ? -1 : x > y; /* as in the config */
}

int files_plan_add_storage(FilesPlan *plan, const IgnStorage *s, const FilesProbe *probe, Report *report)
{
    Planner p = {.plan = plan, .probe = probe, .report = report};
    size_t n = s->directories.n + s->files.n + s->links.n, errors = report->errors, i = 0;
    _cleanup_free_ Entry *entries = calloc(n + 1, sizeof(*entries));
    _cleanup_free_ Entry **order = calloc(n + 1, sizeof(*order));
    if (!entries || !order)
        abort();
    IGN_EACH (IgnDirectory, d, s->directories)
        entries[i++] = (Entry){.op = {.kind = FILES_DIRECTORY, .node = &d->base},
                               .list = "directories",
                               .index = d - (IgnDirectory *)s->directories.items};
    IGN_EACH (IgnFile, f, s->files)
        entries[i++] = (Entry){.op = {.kind = FILES_FILE, .node = &f->base},
                               .list = "files",
                               .index = f - (IgnFile *)s->files.items};
    IGN_EACH (IgnLink, l, s->links)
        entries[i++] = (Entry){
            .op = {.kind = opt_bool(l->hard, false) ? FILES_HARDLINK : FILES_SYMLINK, .node = &l->base},
            .list = "links",
            .index = l - (IgnLink *)s->links.items};
    size_t ok = 0;
    for (i = 0; i < n; i++) {
        entries[i].op.overwrite = opt_bool(entries[i].op.node->overwrite, false);
        if (resolve_entry(&p, &entries[i]))
            order[ok++] = &entries[i];
    }
    qsort(order, ok, sizeof(*order), entry_compare);
    p.dir = NULL;
    const char *dir = NULL, *relabel = NULL;
    size_t dir_len = 0;
    for (i = 0; i < ok; i++) {
        FilesOp *op = &order[i]->op;
        size_t len = strrchr(op->real, '/') - op->real;
        if (!dir || dir_len != len || strncmp(dir, op->real, len) != 0) {
            const char *ignored;
            int r = resolve(&p, op->real, &ignored);
            if (r < 0) {
                conflict(&p, order[i], strerror(-r));
                continue;
            }
            dir = op->real;
            dir_len = len;
            relabel = p.dir_missing ? first_missing(&p, op->real) : NULL;
        }
        push(&p, order[i]);
        if (relabel && plan->n)
            plan->ops[plan->n - 1].relabel = relabel;
    }
    return report->errors > errors ? -EINVAL : 0;
}

int files_plan_add(FilesPlan *plan, const FilesOp *op, const FilesProbe *probe, Report *report)
{
    Planner p = {.plan = plan, .probe = probe, .report = report};
    Entry e = {.op = *op};
    size_t errors = report->errors;
    int r = resolve(&p, op->node->path, &e.op.real);
    if (r < 0) {
        conflict(&p, &e, strerror(-r));
        return -EINVAL;
    }
    push(&p, &e);
    if (p.dir_missing)
        plan->ops[plan->n - 1].relabel = first_missing(&p, e.op.real);
    return report->errors > errors ? -EINVAL : 0;
}

const IgnNode *files_plan_file(Arena *a, const char *path, int64_t mode, const Node *at)
{
    IgnFile *f = ARENA_NEW(a, IgnFile);
    f->base.path = path;
    f->base.node = at;
    f->mode = (OptInt){.set = mode >= 0, .value = mode};
    return &f->base;
}

const IgnNode *files_plan_directory(Arena *a, const char *path, int64_t mode)
{
    IgnDirectory *d = ARENA_NEW(a, IgnDirectory);
    d->base.path = path;
    d->mode = (OptInt){.set = true, .value = mode};
    return &d->base;
}

const IgnNode *files_plan_link(Arena *a, const char *path, const char *target, const Node *at)
{
    IgnLink *l = ARENA_NEW(a, IgnLink);
    l->base.path = path;
    l->base.node = at;
    l->target = target;
    return &l->base;
}

static void print_owner(const IgnNode *node, Buf *out)
{
    if (node->user.id.set)
        buf_addf(out, " user %lld", (long long)node->user.id.value);
    else if (node->user.name)
        buf_addf(out, " user %s", node->user.name);
    if (node->group.id.set)
        buf_addf(out, " group %lld", (long long)node->group.id.value);
    else if (node->group.name)
        buf_addf(out, " group %s", node->group.name);
}

static void print_source(const char *source, Buf *out)
{
    if (strncmp(source, "data:", 5) == 0) {
        buf_add_str(out, " inline");
    } else if (*source) {
        buf_addf(out, " from %.*s", (int)strcspn(source, "?#"), source);
    } else {
        buf_add_str(out, " empty");
    }
}

static void print_file(const FilesOp *op, Buf *out)
{
    const IgnFile *f = (const IgnFile *)op->node;
    if (op->text)
        buf_addf(out, "%s %zu bytes", op->append_text ? ", append" : "", op->text_len);
    else if (f->contents.source)
        print_source(f->contents.source, out);
    else if (op->before.kind == FILES_ABSENT)
        buf_add_str(out, " empty");
    IGN_EACH (IgnResource, r, f->append) {
        buf_add_str(out, ", append");
        print_source(r->source ? r->source : "", out);
    }
}

void files_plan_print(const FilesPlan *p, Buf *out)
{
    for (const FilesOp *op = p->ops; op < p->ops + p->n; op++) {
        buf_addf(out, "%s %s", kind_name(op->kind), op->real);
        OptInt mode = {0};
        if (op->kind == FILES_FILE)
            mode = ((const IgnFile *)op->node)->mode;
        else if (op->kind == FILES_DIRECTORY)
            mode = ((const IgnDirectory *)op->node)->mode;
        if (mode.set)
            buf_addf(out, " mode %04llo", (unsigned long long)mode.value);
        print_owner(op->node, out);
        if (op->kind == FILES_FILE)
            print_file(op, out);
        if (op->kind == FILES_SYMLINK || op->kind == FILES_HARDLINK)
            buf_addf(out, " -> %s", ((const IgnLink *)op->node)->target);
        if (op->before.kind != FILES_ABSENT && op->kind != FILES_UNMASK)
            buf_addf(out, " (%s %s)", op->overwrite || op->replace ? "replaces" : "keeps",
                     before_name(op->before.kind));
        buf_add_char(out, '\n');
    }
}
