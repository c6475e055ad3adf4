/* Reading a config: JSON → version → shape → rules. The shape is a walk over the tree beside the rows of
 * schema.h: what has a row is stored, what has none is an "unused key" warning that says which version knows
 * it, what has the wrong kind is an error, and the walk goes on, so that one run tells everything. Keys match
 * without regard to case, as they do in Ignition, which reads with Go's decoder; null is as good as nothing.
 * Refused: texts without a version, versions that are not taken (nothing else is then checked, because no
 * rules are known to check by), and strings with NUL characters, which no consumer could hold. */
#include "ignition/parse.h"

#include <string.h>
#include <strings.h>

#include "base/map.h"
#include "format/json.h"
#include "ignition/schema.h"
#include "ignition/translate.h"
#include "ignition/validate.h"

typedef struct Reader {
    Arena *arena;
    Report *report;
    IgnVersion version;
} Reader;

static const struct {
    NodeKind node;
    const char *noun;
} kinds[] = {
    [IGN_KIND_STRING] = {NODE_STRING, "a string"},  [IGN_KIND_INT] = {NODE_NUMBER, "a whole number"},
    [IGN_KIND_BOOL] = {NODE_BOOL, "true or false"}, [IGN_KIND_OBJECT] = {NODE_OBJECT, "an object"},
    [IGN_KIND_OBJECTS] = {NODE_ARRAY, "a list"},    [IGN_KIND_STRINGS] = {NODE_ARRAY, "a list"},
};

static const char *node_noun(const Node *n)
{
    static const char *const nouns[] = {
        [NODE_NULL] = "null",       [NODE_BOOL] = "a boolean", [NODE_NUMBER] = "a number",
        [NODE_STRING] = "a string", [NODE_ARRAY] = "a list",   [NODE_OBJECT] = "an object",
    };
    return nouns[n->kind];
}

static bool kind_check(const Reader *r, IgnKind kind, const Node *n, const PathStep *path)
{
    if (n->kind == kinds[kind].node)
        return true;
    report_add(r->report, SEVERITY_ERROR, path, n, "expected %s, found %s", kinds[kind].noun, node_noun(n));
    return false;
}

/* Never NULL: after a finding it is the empty string, so that no rule misses the field as well. */
static const char *read_string(const Reader *r, const Node *n, const PathStep *path)
{
    if (n->kind == NODE_NULL || !kind_check(r, IGN_KIND_STRING, n, path))
        return "";
    if (strlen(n->string) != n->len) {
        report_add(r->report, SEVERITY_ERROR, path, n, "a string cannot hold NUL characters");
        return "";
    }
    return n->string;
}

static OptInt read_int(const Reader *r, const Node *n, const PathStep *path)
{
    OptInt i = {.set = true};
    if (!kind_check(r, IGN_KIND_INT, n, path))
        return i;
    switch (node_int(n, &i.value)) {
    case 0:
        break;
    case -ERANGE:
        report_add(r->report, SEVERITY_ERROR, path, n, "number is out of range");
        break;
    default:
        report_add(r->report, SEVERITY_ERROR, path, n, "expected a whole number, found %s", n->string);
    }
    return i;
}

static void read_object(const Reader *r, const IgnType *type, void *object, const Node *n,
                        const PathStep *path);

static IgnList read_objects(const Reader *r, const IgnType *type, const Node *n, const PathStep *path)
{
    IgnList list = {.node = n};
    if (!kind_check(r, IGN_KIND_OBJECTS, n, path))
        return list;

    char *object = list.items = arena_alloc(r->arena, type->size * n->n);
    NODE_EACH (child, n) {
        read_object(r, type, object, child, PATH_INDEX(path, list.n));
        object += type->size;
        list.n++;
    }
    return list;
}

static IgnList read_strings(const Reader *r, const Node *n, const PathStep *path)
{
    IgnList list = {.node = n};
    if (!kind_check(r, IGN_KIND_STRINGS, n, path))
        return list;

    const char **strings = list.items = ARENA_ARRAY(r->arena, const char *, n->n);
    NODE_EACH (child, n) {
        strings[list.n] = read_string(r, child, PATH_INDEX(path, list.n));
        list.n++;
    }
    return list;
}

static void read_field(const Reader *r, const IgnField *f, void *at, const Node *n, const PathStep *path)
{
    switch (f->kind) {
    case IGN_KIND_STRING:
        *(const char **)at = read_string(r, n, path);
        break;
    case IGN_KIND_INT:
        *(OptInt *)at = read_int(r, n, path);
        break;
    case IGN_KIND_BOOL:
        if (kind_check(r, IGN_KIND_BOOL, n, path))
            *(OptBool *)at = n->boolean ? BOOL_TRUE : BOOL_FALSE;
        break;
    case IGN_KIND_OBJECT:
        read_object(r, f->type, at, n, path);
        break;
    case IGN_KIND_OBJECTS:
        *(IgnList *)at = read_objects(r, f->type, n, path);
        break;
    case IGN_KIND_STRINGS:
        *(IgnList *)at = read_strings(r, n, path);
        break;
    }
}

/* A key without a row: says which versions have it, which is what the reader of the warning needs next. */
static void warn_unused(const Reader *r, const IgnType *type, const Node *n, const PathStep *path)
{
    const IgnField *other = NULL; /* the first later row, else the last earlier one */
    for (const IgnField *f = type->fields; f->name; f++)
        if (strcmp(f->name, n->key) == 0 && (!other || other->since < r->version))
            other = f;

    const char *which = "";
    if (other && other->since > r->version)
        which = arena_printf(r->arena, " (in spec %s and later)", ign_version_text(other->since));
    else if (other)
        which = arena_printf(r->arena, " (only in spec 2, up to %s)", ign_version_text(other->until));
    report_add_key(r->report, SEVERITY_WARNING, path, n, "unused key %s%s", n->key, which);
}

static void read_object(const Reader *r, const IgnType *type, void *object, const Node *n,
                        const PathStep *path)
{
    *(const Node **)object = n;
    if (n->kind == NODE_NULL || !kind_check(r, IGN_KIND_OBJECT, n, path))
        return;

    NODE_EACH (child, n) {
        const PathStep *at = PATH_KEY(path, child->key);
        const IgnField *f = ign_field_find(type, child->key, r->version);
        if (!f && (f = ign_field_find_nocase(type, child->key, r->version)))
            report_add_key(r->report, SEVERITY_WARNING, at, child, "unused key %s (taken as %s)", child->key,
                           f->name);
        if (!f)
            warn_unused(r, type, child, at);
        else if (child->kind != NODE_NULL)
            read_field(r, f, ign_field_at(object, f), child, at);
    }
}

/* Whether the path, or what it leads through, is in the map. */
static bool is_below(Arena *a, const Map *places, const char *path)
{
    char *p = arena_strdup(a, path), *dot;
    while (!map_has(places, p)) {
        dot = strrchr(p, '.');
        if (!dot)
            return false;
        *dot = '\0';
    }
    return true;
}

/* A wrong kind is told once: rules that then miss the value there, or something in it, say nothing new. */
static void drop_consequences(Arena *a, Report *r, size_t from, size_t to)
{
    _cleanup_map_ Map wrong = MAP_INIT;
    for (size_t i = from; i < to; i++)
        if (r->entries[i].severity == SEVERITY_ERROR)
            map_put(&wrong, r->entries[i].path, &r->entries[i]);
    if (wrong.n == 0)
        return;

    size_t kept = to;
    for (size_t i = to; i < r->n; i++) {
        ReportEntry *e = &r->entries[i];
        if (e->severity == SEVERITY_ERROR && is_below(a, &wrong, e->path))
            r->errors--;
        else
            r->entries[kept++] = *e;
    }
    r->n = kept;
}

static Node *get_nocase(const Node *object, const char *key)
{
    Node *exact = node_get(object, key);
    if (exact || object->kind != NODE_OBJECT)
        return exact;
    NODE_EACH (child, object)
        if (strcasecmp(child->key, key) == 0)
            return child;
    return NULL;
}

/* Configs of spec 1, which said "ignitionVersion": 1. */
static int refuse_v1(const Node *n, const PathStep *path, Report *r)
{
    const Node *v1 = node_get(n, "ignitionVersion");
    if (!v1)
        return 0;
    Error e = ERROR_INIT;
    IgnVersion none;
    ign_version_parse("1.0.0", &none, &e);
    report_add(r, SEVERITY_ERROR, PATH_KEY(path, "ignitionVersion"), v1, "%s", e.text);
    return -EINVAL;
}

static int read_version(const Reader *r, const Node *n, const PathStep *path, IgnVersion *ret)
{
    if (!kind_check(r, IGN_KIND_OBJECT, n, path))
        return -EINVAL;

    const Node *meta = get_nocase(n, "ignition"), *version = NULL;
    path = PATH_KEY(path, "ignition");
    if (meta && meta->kind != NODE_NULL) {
        if (!kind_check(r, IGN_KIND_OBJECT, meta, path))
            return -EINVAL;
        version = get_nocase(meta, "version");
    }
    path = PATH_KEY(path, "version");
    if (version && version->kind == NODE_NULL)
        version = NULL;
    if (version && !kind_check(r, IGN_KIND_STRING, version, path))
        return -EINVAL;
    if (!version && refuse_v1(n, path->up->up, r->report) < 0)
        return -EINVAL;

    Error e = ERROR_INIT;
    if (ign_version_parse(version ? version->string : "", ret, &e) < 0) {
        report_add(r->report, SEVERITY_ERROR, path, version ? version : meta ? meta : n, "%s", e.text);
        return -EINVAL;
    }
    return 0;
}

int ign_config_from_node(Arena *a, const Node *node, const PathStep *path, IgnConfig **ret, Report *r)
{
    Reader reader = {.arena = a, .report = r};
    size_t errors = r->errors, before = r->n;
    if (read_version(&reader, node, path, &reader.version) < 0)
        return -EINVAL;

    IgnConfig *c = ARENA_NEW(a, IgnConfig);
    c->version = reader.version;
    read_object(&reader, &ign_config_type, c, node, path);
    size_t shape = r->n;
    ign_config_validate(c, path, r);
    drop_consequences(a, r, before, shape);
    if (r->errors > errors)
        return -EINVAL;
    *ret = c;
    return 0;
}

int ign_config_parse(Arena *a, const Source *source, IgnParse flags, IgnConfig **ret, Report *r)
{
    if (source->len == 0) {
        report_add_at(r, SEVERITY_ERROR, source, 0, 0, "not a config (empty)");
        return -ENODATA;
    }
    Node *root;
    Severity twice = flags & IGN_PARSE_DUPLICATE_KEYS_OK ? SEVERITY_WARNING : SEVERITY_ERROR;
    size_t errors = r->errors;
    int q = json_read(a, source, twice, &root, r);
    if (q < 0)
        return q;
    q = ign_config_from_node(a, root, NULL, ret, r);
    return q < 0 ? q : r->errors > errors ? -EINVAL : 0;
}

int ign_config_parse_newest(Arena *a, const Source *source, IgnParse flags, IgnConfig **ret, Report *r)
{
    IgnConfig *c;
    int q = ign_config_parse(a, source, flags, &c, r);
    return q < 0 ? q : ign_config_lift(a, c, ret, r);
}
