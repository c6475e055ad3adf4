/* What more than one config says something about: files, directories and links by their path, units by their
 * contents, drop-ins, the values of which one counts. What is joined (keys, kernel arguments, drop-ins beside
 * each other) is no conflict. */
#include <string.h>

#include "installer/plan.h"

typedef struct Names {
    Arena *arena;
    const char **items;
    size_t n, size;
    Map seen; /* to the config that said it, or to &twice */
} Names;

static char twice;

static void name_add(Names *l, const char *what, const MachineConfig *by)
{
    void *first = map_get(&l->seen, what);
    if (first == &twice || first == by)
        return;
    map_put(&l->seen, first ? what : arena_strdup(l->arena, what), first ? (void *)&twice : (void *)by);
    if (!first)
        return;
    if (l->n == l->size) {
        size_t size = l->size ? 2 * l->size : 16;
        const char **items = ARENA_ARRAY(l->arena, const char *, size);
        if (l->n)
            memcpy(items, l->items, l->n * sizeof(*items));
        l->items = items;
        l->size = size;
    }
    l->items[l->n++] = arena_strdup(l->arena, what);
}

static bool unit_says(const IgnUnit *u)
{
    return (u->contents && *u->contents) || u->mask == BOOL_TRUE || u->enabled != BOOL_UNSET;
}

static void names_of(Names *l, const MachineConfig *mc)
{
    const IgnConfig *c = mc->config;
    if (!c)
        return;
    IGN_EACH (IgnFile, f, c->storage.files)
        name_add(l, f->base.path, mc);
    IGN_EACH (IgnDirectory, d, c->storage.directories)
        name_add(l, d->base.path, mc);
    IGN_EACH (IgnLink, k, c->storage.links)
        name_add(l, k->base.path, mc);
    IGN_EACH (IgnUnit, u, c->systemd.units) {
        if (unit_says(u))
            name_add(l, u->name, mc);
        IGN_EACH (IgnDropin, d, u->dropins)
            name_add(l, arena_printf(l->arena, "%s/%s", u->name, d->name), mc);
    }
}

static int compare_names(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static bool says_unit(const MachineConfig *mc, const char *name)
{
    IGN_EACH (IgnUnit, u, mc->config->systemd.units)
        if (!strcmp(u->name, name))
            return unit_says(u);
    return true; /* no unit: a path or a drop-in */
}

static bool is_wanted(const PlanConflict *c, const Map *wanted)
{
    for (size_t i = 0; i < c->n; i++)
        if (map_has(wanted, c->who[i]->name))
            return true;
    return false;
}

static PlanConflict explained(Arena *a, const RenderedConfig *rc, const char *what)
{
    PlanConflict c = {.what = what};
    size_t n = rendered_config_explain(a, rc, what, &c.who, &c.at);
    for (size_t i = 0; i < n; i++)
        if (says_unit(c.who[i], what)) {
            c.who[c.n] = c.who[i];
            c.at[c.n++] = c.at[i];
        }
    return c;
}

/* Values that are not joined; of those that the controller made the image does not count. */
static PlanConflict said_field(Arena *a, const RenderedConfig *rc, const char *field)
{
    PlanConflict c = {.what = arena_printf(a, "spec.%s", field)};
    c.who = ARENA_ARRAY(a, const MachineConfig *, rc->n_sources);
    c.at = ARENA_ARRAY(a, const Node *, rc->n_sources);
    for (size_t i = 0; i < rc->n_sources; i++) {
        const Node *at = node_get_path(rc->sources[i]->node, c.what);
        if (node_string(at) && *node_string(at) && strcmp(node_string(at), "default") != 0 &&
            !rc->sources[i]->generated_by) {
            c.who[c.n] = rc->sources[i];
            c.at[c.n++] = at;
        }
    }
    return c;
}

size_t plan_conflicts(Arena *a, const RenderedConfig *rc, const Map *wanted, PlanConflict **ret)
{
    static const char *const fields[] = {"kernelType", "osImageURL"};
    Names names = {.arena = a};
    size_t n = 0;
    for (size_t i = 0; i < rc->n_sources; i++)
        names_of(&names, rc->sources[i]);
    map_done(&names.seen);
    if (names.n)
        qsort(names.items, names.n, sizeof(*names.items), compare_names);
    *ret = ARENA_ARRAY(a, PlanConflict, names.n + ELEMENTS(fields));
    for (size_t i = 0; i < names.n + ELEMENTS(fields); i++) {
        PlanConflict c =
            i < names.n ? explained(a, rc, names.items[i]) : said_field(a, rc, fields[i - names.n]);
        if (c.n > 1 && is_wanted(&c, wanted))
            (*ret)[n++] = c;
    }
    return n;
}
