/* The two ways between versions. C types are one union for all of them, so most of a config is kept as it is;
 * what changes is in the tables and functions of translate_up.c (2.x to the newest) and translate_down.c
 * (what an older version cannot say). Both results are asked for validity by the rules of the version they
 * are in, and a finding there is told at the place where the user wrote what caused it. */
#include "ignition/translate.h"

#include <stdlib.h>

#include "ignition/translate_down.h"
#include "ignition/translate_up.h"
#include "ignition/validate.h"

/* ---- findings about a result, told about its origin ---- */
/* An error of the result, and the path of what was written at its place. */
typedef struct Misfit {
    const ReportEntry *entry;
    const char *path; /* NULL until found */
} Misfit;

typedef struct Search {
    Arena *arena;
    Misfit **by_place;
    size_t n;
} Search;

static int place_compare(const ReportEntry *e, uint32_t line, uint32_t column)
{
    if (e->line != line)
        return e->line < line ? -1 : 1;
    return e->column < column ? -1 : e->column > column;
}

static int misfit_compare(const void *x, const void *y)
{
    const Misfit *const *a = x, *const *b = y;

    return place_compare((*a)->entry, (*b)->entry->line, (*b)->entry->column);
}

/* One walk over the tree for all errors; what stands around a place comes first and keeps it. */
static void search_tree(const Search *s, const Node *n, const PathStep *path)
{
    size_t low = 0, high = s->n, index = 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (place_compare(s->by_place[middle]->entry, n->line, n->column) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < s->n && place_compare(s->by_place[low]->entry, n->line, n->column) == 0; low++)
        if (!s->by_place[low]->path && s->by_place[low]->entry->source == n->source)
            s->by_place[low]->path = path_text(s->arena, path);
    if (n->kind != NODE_OBJECT && n->kind != NODE_ARRAY)
        return;
    NODE_EACH (child, n) {
        search_tree(s, child, child->key ? PATH_KEY(path, child->key) : PATH_INDEX(path, index));
        index++;
    }
}

void report_adopt_errors(Report *r, const Report *from, const Node *origin, const PathStep *path)
{
    Misfit *all = ARENA_ARRAY(r->arena, Misfit, from->errors);
    Search s = {.arena = r->arena, .by_place = ARENA_ARRAY(r->arena, Misfit *, from->errors)};

    for (size_t i = 0; i < from->n; i++) {
        if (from->entries[i].severity == SEVERITY_ERROR) {
            all[s.n].entry = &from->entries[i];
            s.by_place[s.n] = &all[s.n];
            s.n++;
        }
    }
    if (s.n == 0)
        return;
    qsort(s.by_place, s.n, sizeof(*s.by_place), misfit_compare);
    if (origin && origin->line > 0)
        search_tree(&s, origin, path);
    for (size_t i = 0; i < s.n; i++) {
        const ReportEntry *e = all[i].entry;

        report_add_at(r, e->severity, e->source, e->line, e->column, "%s", e->message);
        r->entries[r->n - 1].at_container = e->at_container;
        r->entries[r->n - 1].path =
            all[i].path
                ?: arena_printf(r->arena, "%s%s", path ? path_text(r->arena, path) : "",
                                path && *e->path == '$' ? e->path + 1 : e->path);
    }
}

void report_name_version(Report *r, IgnVersion version)
{
    for (size_t i = 0; i < r->n; i++)
        r->entries[i].message =
            arena_printf(r->arena, "%s (in spec %s)", r->entries[i].message, ign_version_text(version));
}

/* ---- up ---- */
static IgnList modes_masked(Arena *a, const IgnList *list, size_t size, size_t mode_at)
{
    IgnList out = list_with_room(a, list->n, size, list->node);

    for (size_t i = 0; i < list->n; i++)
        ((OptInt *)((char *)list_add(&out, (const char *)list->items + i * size, size) + mode_at))->value &=
            ~(int64_t)07000;
    return out;
}

/* Until 3.5 the bits for setuid, setgid and sticky were taken and ignored. */
static void lift_v3(Arena *a, IgnConfig *c)
{
    if (c->version >= IGN_3_6)
        return;
    c->storage.files = modes_masked(a, &c->storage.files, sizeof(IgnFile), offsetof(IgnFile, mode));
    c->storage.directories =
        modes_masked(a, &c->storage.directories, sizeof(IgnDirectory), offsetof(IgnDirectory, mode));
}

int ign_config_lift_with(Arena *a, const IgnConfig *c, const IgnLiftOptions *options, IgnConfig **ret,
                         Report *r)
{
    static const IgnLiftOptions none;
    IgnConfig *to = ARENA_NEW(a, IgnConfig);
    size_t errors = r->errors;

    *to = *c;
    if (c->version == IGN_NEWEST) {
        *ret = to;
        return 0;
    }
    if (c->version <= IGN_2_4)
        lift_v2(&(Lift){.arena = a, .from = c, .to = to, .options = options ?: &none, .report = r});
    else
        lift_v3(a, to);
    to->version = IGN_NEWEST;
    to->ignition.version = ign_version_text(IGN_NEWEST);
    if (r->errors == errors) {
        _cleanup_report_ Report result = REPORT_INIT(r->arena);

        ign_config_validate(to, NULL, &result);
        report_adopt_errors(r, &result, c->node, options ? options->path : NULL);
    }
    if (r->errors > errors)
        return -EINVAL;
    *ret = to;
    return 0;
}

int ign_config_lift(Arena *a, const IgnConfig *c, IgnConfig **ret, Report *r)
{
    return ign_config_lift_with(a, c, NULL, ret, r);
}

/* ---- down ---- */
int ign_config_lower(Arena *a, const IgnConfig *newest, IgnVersion to, IgnConfig **ret, Report *r)
{
    IgnConfig *out = ARENA_NEW(a, IgnConfig);
    size_t errors = r->errors;

    if (to < IGN_2_2 || to > IGN_NEWEST) {
        report_add(r, SEVERITY_ERROR, NULL, NULL,
                   "configs are not written in spec %s (2.2.0 to 2.4.0, 3.0.0 to %s)", ign_version_text(to),
                   ign_version_text(IGN_NEWEST));
        return -EINVAL;
    }
    *out = *newest;
    lower_check(newest, to, r);
    out->version = to;
    out->ignition.version = ign_version_text(to);
    if (r->errors == errors && to <= IGN_2_4) {
        lower_v2(a, out, r);
    } else if (r->errors == errors && to < IGN_NEWEST) {
        _cleanup_report_ Report result = REPORT_INIT(r->arena);

        ign_config_validate(out, NULL, &result);
        report_name_version(&result, to);
        report_adopt_errors(r, &result, NULL, NULL);
    }
    if (r->errors > errors)
        return -EINVAL;
    *ret = out;
    return 0;
}
