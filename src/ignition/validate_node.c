/* Rules of files, directories and links, alone and together: no entry below a link of the same config, no
 * hard link to a directory of it, no file where a unit of it will be written. Which of them stand below which
 * is asked of maps of paths, never of pairs. */
#include <string.h>

#include "base/map.h"
#include "ignition/validate_rule.h"

enum { MODE_MAX = 07777, MODE_SPECIAL = 07000 };

/* ---- paths ---- */

static bool path_is_clean(const char *path)
{
    if (strcmp(path, "/") == 0)
        return true;
    for (const char *p = path; *p;) {
        size_t n = strcspn(++p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && memcmp(p, "..", 2) == 0))
            return false;
        p += n;
    }
    return true;
}

const char *check_path(const char *path)
{
    if (is_empty(path))
        return "path not specified";
    if (*path != '/')
        return "path not absolute";
    return path_is_clean(path) ? NULL : "path is not fully simplified";
}

/* An absolute path without empty, "." and ".." elements. */
static char *path_clean(Arena *a, const char *path)
{
    char *clean = arena_alloc(a, strlen(path) + 2), *end = clean;
    while (*path) {
        path += strspn(path, "/");
        size_t n = strcspn(path, "/");
        if (n == 2 && memcmp(path, "..", 2) == 0) {
            while (end > clean && *--end != '/')
                ;
        } else if (n > 0 && !(n == 1 && *path == '.')) {
            *end++ = '/';
            memcpy(end, path, n);
            end += n;
        }
        path += n;
    }
    if (end == clean)
        *end++ = '/';
    *end = '\0';
    return clean;
}

/* ---- one entry ---- */

static void check_mode(const Checker *k, OptInt mode)
{
    if (!mode.set)
        return;
    if (mode.value < 0 || mode.value > MODE_MAX)
        check_field(k, SEVERITY_ERROR, "mode", "illegal file mode");
    if (k->version < IGN_3_6 && (mode.value & MODE_SPECIAL))
        check_field(
            k, SEVERITY_WARNING, "mode",
            "setuid/setgid/sticky bits are not supported or functional in spec versions older than 3.6.0");
}

static void check_file(const Checker *k, const void *object)
{
    const IgnFile *f = object;
    check_field(k, SEVERITY_ERROR, "path", check_path(f->base.path));
    check_mode(k, f->mode);
    if (f->base.overwrite == BOOL_TRUE && !f->contents.source)
        check_field(k, SEVERITY_ERROR, "overwrite", "overwrite must be false if source is unspecified");
}

static void check_directory(const Checker *k, const void *object)
{
    const IgnDirectory *d = object;
    check_field(k, SEVERITY_ERROR, "path", check_path(d->base.path));
    check_mode(k, d->mode);
}

static void check_link(const Checker *k, const void *object)
{
    check_field(k, SEVERITY_ERROR, "path", check_path(((const IgnLink *)object)->base.path));
}

static void check_owner(const Checker *k, const void *object)
{
    const IgnOwner *o = object;
    if (o->id.set && !is_empty(o->name))
        check_object(k, SEVERITY_ERROR, "cannot set both id and name");
}

/* ---- entries together ---- */

/* The lists that hold nodes; `base` stands first in each type. */
static const struct {
    const char *name, *below_link;
    size_t offset, size;
} lists[] = {
    {"directories", "directory path includes link in config", offsetof(IgnStorage, directories),
     sizeof(IgnDirectory)},
    {"files", "file path includes link in config", offsetof(IgnStorage, files), sizeof(IgnFile)},
    {"links", "link path includes link in config", offsetof(IgnStorage, links), sizeof(IgnLink)},
};

static const IgnList *node_list(const IgnStorage *s, size_t which)
{
    return (const IgnList *)((const char *)s + lists[which].offset);
}

static const IgnNode *node_at(const IgnStorage *s, size_t which, size_t i)
{
    return (const IgnNode *)((const char *)node_list(s, which)->items + i * lists[which].size);
}

/* Whether something above `path` is in the map. */
static bool has_ancestor_in(Arena *scratch, const Map *links, const char *path)
{
    char *p = arena_strdup(scratch, path), *slash;
    while ((slash = strrchr(p, '/')) && slash > p) {
        *slash = '\0';
        if (map_has(links, p))
            return true;
    }
    return false;
}

static void check_below_links(const Checker *k, const IgnStorage *s)
{
    _cleanup_map_ Map links = MAP_INIT;
    IGN_EACH (IgnLink, l, s->links)
        if (!is_empty(l->base.path))
            map_put(&links, l->base.path, l);
    if (links.n == 0)
        return;
    for (size_t w = 0; w < ELEMENTS(lists); w++)
        for (size_t i = 0; i < node_list(s, w)->n; i++) {
            const char *path = node_at(s, w, i)->path;
            if (path && has_ancestor_in(k->scratch, &links, path))
                check_entry(k, SEVERITY_ERROR, lists[w].name, node_list(s, w), i, NULL, lists[w].below_link);
        }
}

/* Owners of a hard link are those of its target. */
static void check_hard_link_owner(const Checker *k, const IgnStorage *s, size_t i)
{
    const IgnLink *l = IGN_AT(s->links, IgnLink, i);
    const struct {
        const IgnOwner *owner;
        const char *field, *part;
        bool set;
    } parts[] = {
        {&l->base.user, "user", "id", l->base.user.id.set},
        {&l->base.user, "user", "name", l->base.user.name != NULL},
        {&l->base.group, "group", "id", l->base.group.id.set},
        {&l->base.group, "group", "name", l->base.group.name != NULL},
    };
    const PathStep *entry = PATH_INDEX(PATH_KEY(k->path, "links"), i);
    for (size_t n = 0; n < ELEMENTS(parts); n++) {
        if (!parts[n].set)
            continue;
        const Node *owner = parts[n].owner->node, *at = owner ? node_get(owner, parts[n].part) : NULL;
        report_add(k->report, SEVERITY_WARNING, PATH_KEY(PATH_KEY(entry, parts[n].field), parts[n].part),
                   at             ? at
                   : owner        ? owner
                   : l->base.node ? l->base.node
                                  : k->node,
                   "user/group ignored for hard link");
    }
}

/* As Ignition has it, a relative target counts from the link itself. */
static const char *hard_target(Arena *a, const IgnLink *l)
{
    const char *target = l->target ? l->target : "";
    if (*target != '/')
        target = arena_printf(a, "%s/%s", l->base.path ? l->base.path : "", target);
    return path_clean(a, target);
}

static void check_links(const Checker *k, const IgnStorage *s)
{
    _cleanup_map_ Map directories = MAP_INIT;
    IGN_EACH (IgnDirectory, d, s->directories)
        map_put(&directories, d->base.path ? d->base.path : "", d);
    for (size_t i = 0; i < s->links.n; i++) {
        const IgnLink *l = IGN_AT(s->links, IgnLink, i);
        if (is_empty(l->target) && k->version >= IGN_3_3) {
            check_entry(k, SEVERITY_ERROR, "links", &s->links, i, "target", "link target is required");
            continue;
        }
        if (l->hard != BOOL_TRUE)
            continue;
        if (map_has(&directories, hard_target(k->scratch, l)))
            check_entry(k, SEVERITY_ERROR, "links", &s->links, i, NULL, "hard link target is a directory");
        check_hard_link_owner(k, s, i);
    }
}

static void check_storage(const Checker *k, const void *object)
{
    check_below_links(k, object);
    check_links(k, object);
}

/* Where the units of the config will be written. */
static void collect_unit_paths(Arena *a, const IgnSystemd *s, Map *paths)
{
    IGN_EACH (IgnUnit, u, s->units) {
        const char *name = u->name ? u->name : "";
        if (!is_empty(u->contents))
            map_put(paths, arena_printf(a, "/etc/systemd/system/%s", name), u);
        IGN_EACH (IgnDropin, d, u->dropins)
            if (!is_empty(d->contents))
                map_put(paths, arena_printf(a, "/etc/systemd/system/%s.d/%s", name, d->name ? d->name : ""),
                        d);
    }
}

static void check_unit_paths(const Checker *k, const void *object)
{
    const IgnConfig *c = object;
    _cleanup_map_ Map paths = MAP_INIT;
    collect_unit_paths(k->scratch, &c->systemd, &paths);
    if (paths.n == 0)
        return;
    Checker storage = *k;
    storage.type = &ign_storage_type;
    storage.path = PATH_KEY(k->path, "storage");
    for (size_t w = 0; w < ELEMENTS(lists); w++)
        for (size_t i = 0; i < node_list(&c->storage, w)->n; i++) {
            const char *path = node_at(&c->storage, w, i)->path;
            if (path && map_has(&paths, path))
                check_entry(&storage, SEVERITY_ERROR, lists[w].name, node_list(&c->storage, w), i, "path",
                            "path conflicts with systemd unit or dropin");
        }
}

const IgnRule ign_node_rules[] = {
    {&ign_file_type, check_file, IGN_3_0, IGN_3_7_EXP},
    {&ign_directory_type, check_directory, IGN_3_0, IGN_3_7_EXP},
    {&ign_link_type, check_link, IGN_3_0, IGN_3_7_EXP},
    {&ign_owner_type, check_owner, IGN_3_0, IGN_3_7_EXP},
    {&ign_storage_type, check_storage, IGN_3_0, IGN_3_7_EXP},
    {&ign_config_type, check_unit_paths, IGN_3_0, IGN_3_7_EXP},
    {},
};
