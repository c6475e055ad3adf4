/* A schema becomes a tree of its own, once when a CRD is stored. Members are read by a table of kinds; what
 * is no schema, of another kind, too deep or too large is a finding. The rules of structural schemas are held
 * against the tree afterwards (crd_schema_rules.c). */
#include <string.h>

#include "apiserver/crd_schema_node.h"

const char *const crd_type_names[] = {
    [CRD_ANY] = "",
    [CRD_OBJECT] = "object",
    [CRD_ARRAY] = "array",
    [CRD_STRING] = "string",
    [CRD_INTEGER] = "integer",
    [CRD_NUMBER] = "number",
    [CRD_BOOLEAN] = "boolean",
};

typedef struct Reader {
    Arena *arena;
    Report *report;
    size_t nodes;
    unsigned depth;
} Reader;

static CrdSchema *read_schema(Reader *r, const Node *n, const PathStep *path);

static bool kind_ok(Reader *r, const Node *n, NodeKind kind, const PathStep *path)
{
    if (n->kind == kind)
        return true;
    field_error_add(r->report, FIELD_INVALID, path, n, "must be %s", node_kind_name(kind));
    return false;
}

static const Node *member(Reader *r, const Node *n, const char *key, NodeKind kind, const PathStep *path)
{
    const Node *m = node_get(n, key);
    return m && m->kind != NODE_NULL && kind_ok(r, m, kind, PATH_KEY(path, key)) ? m : NULL;
}

static bool flag(Reader *r, const Node *n, const char *key, const PathStep *path)
{
    const Node *m = member(r, n, key, NODE_BOOL, path);
    return m && m->boolean;
}

static int64_t count(Reader *r, const Node *n, const char *key, const PathStep *path)
{
    const Node *m = member(r, n, key, NODE_NUMBER, path);
    int64_t v = -1;
    if (!m)
        return -1;
    if (node_int(m, &v) < 0 || v < 0) {
        field_error_add(r->report, FIELD_INVALID, PATH_KEY(path, key), m, "must be an integer of 0 or more");
        return -1;
    }
    return v;
}

static CrdSchemas read_list(Reader *r, const Node *n, const char *key, const PathStep *path)
{
    const Node *list = member(r, n, key, NODE_ARRAY, path);
    CrdSchemas s = {0};
    size_t i = 0;
    if (!list)
        return s;
    s.schemas = ARENA_ARRAY(r->arena, CrdSchema *, list->n + 1);
    NODE_EACH (item, list) {
        CrdSchema *made = read_schema(r, item, PATH_INDEX(PATH_KEY(path, key), i++));
        if (made)
            s.schemas[s.n++] = made;
    }
    return s;
}

static CrdSchemas read_properties(Reader *r, const Node *n, const PathStep *path)
{
    const Node *object = member(r, n, "properties", NODE_OBJECT, path);
    CrdSchemas s = {0};
    if (!object)
        return s;
    s.schemas = ARENA_ARRAY(r->arena, CrdSchema *, object->n + 1);
    NODE_EACH (p, object) {
        const char *key = arena_printf(r->arena, "[%s]", p->key);
        CrdSchema *made = read_schema(r, p, PATH_KEY(PATH_KEY(path, "properties"), key));
        if (!made)
            continue;
        made->key = p->key;
        s.schemas[s.n++] = made;
    }
    return s;
}

static CrdSchema *read_one(Reader *r, const Node *n, const char *key, const PathStep *path)
{
    const Node *m = node_get(n, key);
    return m && m->kind != NODE_NULL ? read_schema(r, m, PATH_KEY(path, key)) : NULL;
}

static void read_type(Reader *r, const Node *n, const PathStep *path, CrdSchema *s)
{
    const Node *type = member(r, n, "type", NODE_STRING, path);
    if (!type || !*type->string)
        return;
    for (size_t i = 1; i < ELEMENTS(crd_type_names); i++)
        if (!strcmp(type->string, crd_type_names[i]))
            s->type = (CrdType)i;
    if (s->type == CRD_ANY)
        field_error_add(r->report, FIELD_NOT_SUPPORTED, PATH_KEY(path, "type"), type,
                        "supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", "
                        "\"string\"");
    if (!strcmp(type->string, "null"))
        field_error_add(r->report, FIELD_FORBIDDEN, PATH_KEY(path, "type"), NULL,
                        "type cannot be set to null, use nullable as an alternative");
}

static void read_pattern(Reader *r, const Node *n, const PathStep *path, CrdSchema *s)
{
    const Node *pattern = member(r, n, "pattern", NODE_STRING, path);
    Error e = ERROR_INIT;
    if (!pattern || !*pattern->string)
        return;
    s->pattern_text = pattern->string;
    if (go_pattern_read(r->arena, pattern->string, &s->pattern, &e) < 0)
        field_error_add(r->report, FIELD_INVALID, PATH_KEY(path, "pattern"), pattern,
                        "must be a valid regular expression, but isn't: %s", e.text);
}

static void read_additional(Reader *r, const Node *n, const PathStep *path, CrdSchema *s)
{
    const Node *m = node_get(n, "additionalProperties");
    if (m && m->kind == NODE_BOOL) {
        s->additional_any = m->boolean;
        s->additional_none = !m->boolean;
    } else {
        s->additional = read_one(r, n, "additionalProperties", path);
    }
}

static void read_format(Reader *r, const Node *n, const PathStep *path, CrdSchema *s)
{
    const Node *format = member(r, n, "format", NODE_STRING, path);
    if (!format)
        return;
    s->format = format->string;
    if (s->type == CRD_ANY || s->type == CRD_STRING)
        s->check = format_check_get(format->string);
}

static void read_values(Reader *r, const Node *n, const PathStep *path, CrdSchema *s)
{
    s->enum_values = member(r, n, "enum", NODE_ARRAY, path);
    s->required = member(r, n, "required", NODE_ARRAY, path);
    s->minimum = member(r, n, "minimum", NODE_NUMBER, path);
    s->maximum = member(r, n, "maximum", NODE_NUMBER, path);
    s->multiple_of = member(r, n, "multipleOf", NODE_NUMBER, path);
    s->exclusive_minimum = flag(r, n, "exclusiveMinimum", path);
    s->exclusive_maximum = flag(r, n, "exclusiveMaximum", path);
    s->unique_items = flag(r, n, "uniqueItems", path);
    s->length = (CrdLength){count(r, n, "minLength", path), count(r, n, "maxLength", path)};
    s->n_items = (CrdLength){count(r, n, "minItems", path), count(r, n, "maxItems", path)};
    s->n_properties = (CrdLength){count(r, n, "minProperties", path), count(r, n, "maxProperties", path)};
    read_pattern(r, n, path, s);
    read_format(r, n, path, s);
    if (s->required) {
        size_t i = 0;
        NODE_EACH (name, s->required)
            (void)kind_ok(r, name, NODE_STRING, PATH_INDEX(PATH_KEY(path, "required"), i++));
    }
}

static void read_extensions(Reader *r, const Node *n, const PathStep *path, CrdSchema *s)
{
    const Node *list = member(r, n, "x-kubernetes-list-type", NODE_STRING, path);
    const Node *map = member(r, n, "x-kubernetes-map-type", NODE_STRING, path);
    s->preserves = flag(r, n, "x-kubernetes-preserve-unknown-fields", path);
    s->embedded = flag(r, n, "x-kubernetes-embedded-resource", path);
    s->int_or_string = flag(r, n, "x-kubernetes-int-or-string", path);
    s->list_type = list ? list->string : NULL;
    s->map_type = map ? map->string : NULL;
    s->list_keys = member(r, n, "x-kubernetes-list-map-keys", NODE_ARRAY, path);
}

static CrdSchema *read_schema(Reader *r, const Node *n, const PathStep *path)
{
    if (!kind_ok(r, n, NODE_OBJECT, path))
        return NULL;
    if (r->depth >= CRD_SCHEMA_DEPTH_MAX || r->nodes >= CRD_SCHEMA_NODES_MAX) {
        field_error_add(r->report, FIELD_FORBIDDEN, path, NULL,
                        "a schema deeper than %d or of more than %d parts", CRD_SCHEMA_DEPTH_MAX,
                        CRD_SCHEMA_NODES_MAX);
        return NULL;
    }
    CrdSchema *s = ARENA_NEW(r->arena, CrdSchema);
    r->depth++;
    r->nodes++;
    s->node = n;
    read_type(r, n, path, s);
    s->nullable = flag(r, n, "nullable", path);
    s->default_value = node_get(n, "default");
    read_values(r, n, path, s);
    read_extensions(r, n, path, s);
    s->properties = read_properties(r, n, path);
    read_additional(r, n, path, s);
    const Node *items = node_get(n, "items");
    if (items && items->kind == NODE_ARRAY)
        field_error_add(r->report, FIELD_FORBIDDEN, PATH_KEY(path, "items"), NULL,
                        "items must be a schema object and not an array");
    else
        s->items = read_one(r, n, "items", path);
    s->not_ = read_one(r, n, "not", path);
    s->all_of = read_list(r, n, "allOf", path);
    s->any_of = read_list(r, n, "anyOf", path);
    s->one_of = read_list(r, n, "oneOf", path);
    r->depth--;
    return s;
}

CrdSchema *crd_schema_property(const CrdSchema *s, const char *name)
{
    for (size_t i = 0; i < s->properties.n; i++)
        if (!strcmp(s->properties.schemas[i]->key, name))
            return s->properties.schemas[i];
    return NULL;
}

int crd_schema_read_at(Arena *a, const Node *openapi_v3_schema, const PathStep *path, CrdSchema **ret,
                       Report *r)
{
    Reader reader = {.arena = a, .report = r};
    size_t before = r->errors;
    CrdSchema *s = read_schema(&reader, openapi_v3_schema, path);
    if (s && r->errors == before)
        crd_schema_check(s, path, r);
    if (r->errors != before)
        return -EINVAL;
    *ret = s;
    return 0;
}

int crd_schema_read(Arena *a, const Node *openapi_v3_schema, CrdSchema **ret, Report *r)
{
    const PathStep *path = PATH_KEY(PATH_KEY(PATH_KEY(NULL, "spec"), "validation"), "openAPIV3Schema");
    return crd_schema_read_at(a, openapi_v3_schema, path, ret, r);
}
