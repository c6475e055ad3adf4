/* The two ways between versions. C types are one union for all of them, so most of a config is kept as it is;
 * what changes is in the tables and functions of translate_up.c (2.x to the newest) and translate_down.c
 * (what an older version cannot say). Both results are asked for validity by the rules of the version they
 * are in, and a finding there is told at the place where the user wrote what caused it. */
#include "ignition/translate.h"

#include <string.h>

#include "ignition/translate_down.h"
#include "ignition/translate_up.h"
#include "ignition/validate.h"

/* ---- findings about a result, told about its origin ---- */
/* Adds the finding at the node of the tree that was written where the entry points; false: there is none. */
static bool report_at_origin(Report *r, const ReportEntry *e, const Node *n, const PathStep *path)
{
    size_t index = 0;

    if (n->line == e->line && n->column == e->column && n->source == e->source) {
        report_add(r, e->severity, path, n, "%s", e->message);
        return true;
    }
    if (n->kind != NODE_OBJECT && n->kind != NODE_ARRAY)
        return false;
    NODE_EACH(child, n)
    {
        const PathStep *step = child->key ? PATH_KEY(path, child->key) : PATH_INDEX(path, index);

        index++;
        if (report_at_origin(r, e, child, step))
            return true;
    }
    return false;
}

void report_adopt_errors(Report *r, const Report *from, const Node *origin, const PathStep *path)
{
    for (size_t i = 0; i < from->n; i++) {
        const ReportEntry *e = &from->entries[i];

        if (e->severity != SEVERITY_ERROR)
            continue;
        if (e->line > 0 && origin && report_at_origin(r, e, origin, path))
            continue;
        report_add_at(r, e->severity, e->source, e->line, e->column, "%s", e->message);
        r->entries[r->n - 1].path = arena_printf(r->arena, "%s%s", path ? path_text(r->arena, path) : "",
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
