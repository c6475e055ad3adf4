/* The walk over a config that applies the rules: on each object first the checks of its type, then the search
 * for entries that stand twice, then its fields in the order of the tables. Everything is linear in the size
 * of the config. A config that was merged from several texts has findings at whichever text said it. */
#include "ignition/validate.h"

#include <string.h>

#include "base/map.h"
#include "ignition/validate_rule.h"
#include "ignition/validate_v2.h"

static const IgnRule *const tables[] = {ign_resource_rules, ign_node_rules, ign_disk_rules,
                                        ign_luks_rules,     ign_lvm_rules,  ign_unit_rules};

enum { KEY_MAX = 256 };

/* ---- findings ---- */

void check_field(const Checker *k, Severity severity, const char *field, const char *message)
{
    if (!message)
        return;
    const Node *at = k->own ? node_get(k->node, field) : NULL;
    report_add(k->report, severity, PATH_KEY(k->path, field), at ? at : k->node, "%s", message);
}

void check_object(const Checker *k, Severity severity, const char *message)
{
    if (message)
        report_add(k->report, severity, k->path, k->node, "%s", message);
}

/* Objects know where they were written, strings are counted off. Merged lists and made entries have no node;
 * then the nearest thing around has to do. */
static const Node *entry_node(const Checker *k, const IgnField *f, const IgnList *list, size_t i)
{
    const Node *own = f->type ? *(const Node *const *)((char *)list->items + i * f->type->size) : NULL;
    if (own || !list->node || list->node->kind != NODE_ARRAY)
        return own ? own : list->node ? list->node : k->node;
    EntryCursor *c = k->cursor;
    if (c->list != list->node || c->index > i)
        *c = (EntryCursor){.list = list->node, .entry = list->node->first};
    for (; c->entry && c->index < i; c->index++)
        c->entry = c->entry->next;
    return c->entry ? c->entry : list->node;
}

void check_entry(const Checker *k, Severity severity, const char *list, const IgnList *entries, size_t i,
                 const char *field, const char *message)
{
    if (!message)
        return;
    const Node *at = entry_node(k, ign_field_find(k->type, list, k->version), entries, i);
    const Node *in = field ? node_get(at, field) : NULL;
    const PathStep *entry = PATH_INDEX(PATH_KEY(k->path, list), i);
    report_add(k->report, severity, field ? PATH_KEY(entry, field) : entry, in ? in : at, "%s", message);
}

/* ---- the same entry twice ---- */

static const char *entry_key(Arena *scratch, const IgnField *f, const void *entry)
{
    char buf[KEY_MAX];
    const char *key = f->type ? f->type->key(entry, buf, sizeof(buf)) : *(const char *const *)entry;
    return key == buf ? arena_strdup(scratch, buf) : key;
}

static void check_repeats(const Checker *k, const IgnField *f, const IgnList *list, Map *seen)
{
    size_t size = f->type ? f->type->size : sizeof(const char *);
    for (size_t i = 0; i < list->n; i++) {
        const void *entry = (char *)list->items + i * size;
        if (map_put_new(seen, entry_key(k->scratch, f, entry), (void *)entry, NULL) == 0)
            report_add(k->report, SEVERITY_ERROR, PATH_INDEX(PATH_KEY(k->path, f->name), i),
                       entry_node(k, f, list, i), "duplicate entry defined");
    }
}

static void check_duplicates(const Checker *k, const IgnType *type, const void *object)
{
    _cleanup_map_ Map shared = MAP_INIT; /* no object has lists of two shared spaces */
    for (const IgnField *f = type->fields; f->name; f++) {
        const IgnList *list = ign_field_at(object, f);
        if ((f->kind != IGN_KIND_OBJECTS && f->kind != IGN_KIND_STRINGS) || f->merge == IGN_MERGE_CONCAT ||
            !ign_field_in(f, k->version) || list->n == 0)
            continue;
        _cleanup_map_ Map own = MAP_INIT;
        if (f->key_space != IGN_SPACE_OWN)
            check_repeats(k, f, list, &shared);
        else if (list->n > 1)
            check_repeats(k, f, list, &own);
    }
}

/* ---- the walk ---- */

static void walk(const Checker *around, const IgnType *type, const void *object, const PathStep *path)
{
    const Node *node = *(const Node *const *)object;
    Checker k = *around;
    k.type = type;
    k.path = path;
    k.own = node != NULL;
    k.node = node ? node : around->node;

    for (size_t t = 0; t < ELEMENTS(tables); t++)
        for (const IgnRule *rule = tables[t]; rule->type; rule++)
            if (rule->type == type && rule->since <= k.version && k.version <= rule->until)
                rule->check(&k, object);
    check_duplicates(&k, type, object);

    for (const IgnField *f = type->fields; f->name; f++) {
        if (!f->type || !ign_field_in(f, k.version))
            continue;
        const PathStep *at = PATH_KEY(path, f->name);
        if (f->kind == IGN_KIND_OBJECT) {
            walk(&k, f->type, ign_field_at(object, f), at);
            continue;
        }
        const IgnList *list = ign_field_at(object, f);
        for (size_t i = 0; i < list->n; i++)
            walk(&k, f->type, (char *)list->items + i * f->type->size, PATH_INDEX(at, i));
    }
}

void ign_config_validate(const IgnConfig *c, const PathStep *path, Report *r)
{
    if (c->version <= IGN_2_4) {
        ign_config_validate_v2(c, path, r);
        return;
    }
    _cleanup_arena_ Arena *scratch = arena_new();
    EntryCursor cursor = {};
    Checker k = {.version = c->version, .report = r, .scratch = scratch, .cursor = &cursor};
    walk(&k, &ign_config_type, c, path);
}
