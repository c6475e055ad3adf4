/* What makes a schema structural, as apiextensions-apiserver checks it when a CRD is made: every field has
 * one type, said outside of allOf, anyOf, oneOf and not; these only narrow values; the vendor extensions fit
 * together; defaults are values that the schema itself takes. */
#include <string.h>

#include "apiserver/crd_schema_node.h"
#include "apiserver/value.h"

typedef enum Level { LEVEL_ROOT, LEVEL_ITEM, LEVEL_FIELD } Level;

#define AT(path, key) PATH_KEY(path, key)

static const char *subscript(Report *r, const char *key)
{
    return arena_printf(r->arena, "[%s]", key);
}

static void forbid(Report *r, const PathStep *path, const char *key, const char *text)
{
    field_error_add(r, FIELD_FORBIDDEN, AT(path, key), NULL, "%s", text);
}

/* Members that JSON schema has and CRDs have not. */
static void check_unsupported(const CrdSchema *s, const PathStep *path, Report *r)
{
    static const char *const members[] = {"id",          "additionalItems", "patternProperties",
                                          "definitions", "dependencies",    "$ref"};
    for (size_t i = 0; i < ELEMENTS(members); i++)
        if (node_get(s->node, members[i]))
            field_error_add(r, FIELD_FORBIDDEN, AT(path, members[i]), NULL, "%s is not supported",
                            members[i]);
    if (s->unique_items)
        forbid(r, path, "uniqueItems",
               "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
    const Node *preserves = node_get(s->node, "x-kubernetes-preserve-unknown-fields");
    if (preserves && preserves->kind == NODE_BOOL && !preserves->boolean)
        field_error_add(r, FIELD_INVALID, AT(path, "x-kubernetes-preserve-unknown-fields"), preserves,
                        "must be true or undefined");
}

static void need_type(const CrdSchema *s, CrdType type, const PathStep *path, const char *why, Report *r)
{
    if (s->type == type)
        return;
    if (s->type == CRD_ANY)
        field_error_add(r, FIELD_REQUIRED, AT(path, "type"), NULL, "must be %s if %s", crd_type_names[type],
                        why);
    else
        field_error_add(r, FIELD_INVALID, AT(path, "type"), node_get(s->node, "type"), "must be %s if %s",
                        crd_type_names[type], why);
}

static void check_list_keys(const CrdSchema *s, const PathStep *path, Report *r)
{
    const char *name = "x-kubernetes-list-map-keys";
    if (!s->list_keys || !s->list_keys->n) {
        field_error_add(r, FIELD_REQUIRED, AT(path, name), NULL,
                        "must not be empty if x-kubernetes-list-type is map");
        return;
    }
    if (!s->items)
        return;
    const PathStep *items = AT(path, "items"), *properties = AT(items, "properties");
    if (s->items->type != CRD_OBJECT)
        field_error_add(r, FIELD_INVALID, AT(items, "type"), node_get(s->items->node, "type"),
                        "must be object if parent array's x-kubernetes-list-type is map");
    NODE_EACH (k, s->list_keys) {
        const char *key = node_string(k);
        const CrdSchema *p = key ? crd_schema_property(s->items, key) : NULL;
        const PathStep *at = key ? PATH_KEY(properties, subscript(r, key)) : NULL;
        bool required = false;
        if (!p) {
            field_error_add(r, FIELD_INVALID, AT(path, name), s->list_keys,
                            "entries must all be names of item properties");
            continue;
        }
        if (p->type == CRD_ARRAY || p->type == CRD_OBJECT)
            field_error_add(r, FIELD_INVALID, AT(at, "type"), node_get(p->node, "type"),
                            "must be a scalar type if parent array's x-kubernetes-list-type is map");
        if (s->items->required)
            NODE_EACH (q, s->items->required)
                required = required || (node_string(q) && !strcmp(node_string(q), key));
        if (!required && !p->default_value)
            field_error_add(
                r, FIELD_REQUIRED, AT(at, "default"), NULL,
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a "
                "required property");
        if (p->nullable)
            forbid(r, at, "nullable",
                   "this property is in x-kubernetes-list-map-keys, so it cannot be nullable");
    }
}

static void check_list(const CrdSchema *s, const PathStep *path, Report *r)
{
    const char *type = s->list_type, *name = "x-kubernetes-list-type";
    bool map = type && !strcmp(type, "map"), set = type && !strcmp(type, "set");
    if (type)
        need_type(s, CRD_ARRAY, path, "x-kubernetes-list-type is specified", r);
    if (type && !map && !set && strcmp(type, "atomic") != 0)
        field_error_add(r, FIELD_NOT_SUPPORTED, AT(path, name), node_get(s->node, name),
                        "supported values: \"atomic\", \"map\", \"set\"");
    if (s->list_keys && s->list_keys->n && !type)
        field_error_add(r, FIELD_REQUIRED, AT(path, name), NULL,
                        "must be map if x-kubernetes-list-map-keys is non-empty");
    else if (s->list_keys && s->list_keys->n && !map)
        field_error_add(r, FIELD_INVALID, AT(path, name), node_get(s->node, name),
                        "must be map if x-kubernetes-list-map-keys is non-empty");
    if ((map || set) && s->items && s->items->nullable)
        field_error_add(r, FIELD_FORBIDDEN, AT(AT(path, "items"), "nullable"), NULL,
                        "cannot be nullable when x-kubernetes-list-type is %s", type);
    if (set && s->items && s->items->type == CRD_OBJECT &&
        (!s->items->map_type || strcmp(s->items->map_type, "atomic") != 0))
        field_error_add(r, FIELD_INVALID, AT(AT(path, "items"), "x-kubernetes-map-type"), NULL,
                        "must be atomic as item of a list with x-kubernetes-list-type=set");
    if (map)
        check_list_keys(s, path, r);
}

static void check_map(const CrdSchema *s, const PathStep *path, Report *r)
{
    if (!s->map_type)
        return;
    need_type(s, CRD_OBJECT, path, "x-kubernetes-map-type is specified", r);
    if (strcmp(s->map_type, "atomic") != 0 && strcmp(s->map_type, "granular") != 0)
        field_error_add(r, FIELD_NOT_SUPPORTED, AT(path, "x-kubernetes-map-type"),
                        node_get(s->node, "x-kubernetes-map-type"),
                        "supported values: \"atomic\", \"granular\"");
}

static void check_embedded(const CrdSchema *s, const PathStep *path, Report *r)
{
    if (s->int_or_string && s->preserves)
        field_error_add(r, FIELD_INVALID, AT(path, "x-kubernetes-preserve-unknown-fields"),
                        node_get(s->node, "x-kubernetes-preserve-unknown-fields"),
                        "must be false if x-kubernetes-int-or-string is true");
    if (s->int_or_string && s->embedded)
        field_error_add(r, FIELD_INVALID, AT(path, "x-kubernetes-embedded-resource"),
                        node_get(s->node, "x-kubernetes-embedded-resource"),
                        "must be false if x-kubernetes-int-or-string is true");
    if (!s->embedded)
        return;
    need_type(s, CRD_OBJECT, path, "x-kubernetes-embedded-resource is true", r);
    if (s->additional || s->additional_any || s->additional_none)
        forbid(r, path, "additionalProperties", "must not be used if x-kubernetes-embedded-resource is set");
    if (!s->preserves && !s->properties.n)
        field_error_add(r, FIELD_REQUIRED, AT(path, "properties"), NULL,
                        "must not be empty if x-kubernetes-embedded-resource is true without "
                        "x-kubernetes-preserve-unknown-fields");
}

static void check_type(const CrdSchema *s, Level level, const PathStep *path, Report *r)
{
    static const char *const texts[] = {
        [LEVEL_ROOT] = "must not be empty at the root",
        [LEVEL_ITEM] = "must not be empty for specified array items",
        [LEVEL_FIELD] = "must not be empty for specified object fields",
    };
    if (s->type == CRD_ANY && !s->int_or_string && !s->preserves && !s->embedded)
        field_error_add(r, FIELD_REQUIRED, AT(path, "type"), NULL, "%s", texts[level]);
    if (level == LEVEL_ROOT && s->type != CRD_ANY && s->type != CRD_OBJECT)
        field_error_add(r, FIELD_INVALID, AT(path, "type"), node_get(s->node, "type"),
                        "must be object at the root");
    if (s->type == CRD_ARRAY && !s->items)
        field_error_add(r, FIELD_REQUIRED, AT(path, "items"), NULL, "must be specified");
    if (level == LEVEL_ROOT && (s->additional || s->additional_any || s->additional_none))
        forbid(r, path, "additionalProperties", "must not be used at the root");
    if (s->properties.n && (s->additional || s->additional_none))
        forbid(r, path, "additionalProperties", "additionalProperties and properties are mutual exclusive");
}

/* metadata at the root may only narrow the names. */
static void check_metadata(const CrdSchema *s, Level level, const PathStep *path, Report *r)
{
    const CrdSchema *metadata = crd_schema_property(s, "metadata");
    static const char *const strings[] = {"kind", "apiVersion"};
    const PathStep *properties = AT(path, "properties");
    if (level != LEVEL_ROOT && !s->embedded)
        return;
    for (size_t i = 0; i < ELEMENTS(strings); i++) {
        const CrdSchema *p = crd_schema_property(s, strings[i]);
        if (p && p->type != CRD_STRING)
            field_error_add(r, FIELD_INVALID, AT(PATH_KEY(properties, subscript(r, strings[i])), "type"),
                            node_get(p->node, "type"), "must be string");
    }
    if (!metadata)
        return;
    if (metadata->type != CRD_OBJECT)
        field_error_add(r, FIELD_INVALID, AT(AT(properties, "[metadata]"), "type"),
                        node_get(metadata->node, "type"), "must be object");
    bool more = false;
    NODE_EACH (m, metadata->node)
        more = more || (strcmp(m->key, "type") != 0 && strcmp(m->key, "properties") != 0 &&
                        strcmp(m->key, "description") != 0);
    for (size_t i = 0; i < metadata->properties.n; i++)
        more = more || (strcmp(metadata->properties.schemas[i]->key, "name") != 0 &&
                        strcmp(metadata->properties.schemas[i]->key, "generateName") != 0);
    if (level == LEVEL_ROOT && more)
        field_error_add(r, FIELD_FORBIDDEN, AT(properties, "[metadata]"), NULL,
                        "must not specify anything other than name and generateName, but metadata is "
                        "implicitly specified");
}

static bool is_type_only(const CrdSchema *s, CrdType type)
{
    return s->type == type && s->node->n == 1;
}

/* anyOf: [{type: integer}, {type: string}] */
static bool is_int_or_string(const CrdSchemas *any_of)
{
    return any_of->n == 2 && is_type_only(any_of->schemas[0], CRD_INTEGER) &&
           is_type_only(any_of->schemas[1], CRD_STRING);
}

static void check_nested(const CrdSchema *v, bool skip_any_of, const PathStep *path, Report *r);

/* `skip`: the parts that say "integer or string" in long. */
static void check_junctors(const CrdSchema *s, bool skip_any_of, bool skip_first_all_of, const PathStep *path,
                           Report *r)
{
    for (size_t i = 0; !skip_any_of && i < s->any_of.n; i++)
        check_nested(s->any_of.schemas[i], false, PATH_INDEX(AT(path, "anyOf"), i), r);
    for (size_t i = 0; i < s->all_of.n; i++)
        check_nested(s->all_of.schemas[i], skip_first_all_of && i == 0, PATH_INDEX(AT(path, "allOf"), i), r);
    for (size_t i = 0; i < s->one_of.n; i++)
        check_nested(s->one_of.schemas[i], false, PATH_INDEX(AT(path, "oneOf"), i), r);
    if (s->not_)
        check_nested(s->not_, false, AT(path, "not"), r);
}

static void check_nested(const CrdSchema *v, bool skip_any_of, const PathStep *path, Report *r)
{
    static const char *const members[][2] = {
        {"type", "must be empty to be structural"},
        {"additionalProperties", "must be undefined to be structural"},
        {"default", "must be undefined to be structural"},
        {"title", "must be empty to be structural"},
        {"description", "must be empty to be structural"},
        {"nullable", "must be false to be structural"},
        {"x-kubernetes-preserve-unknown-fields", "must be false to be structural"},
        {"x-kubernetes-embedded-resource", "must be false to be structural"},
        {"x-kubernetes-int-or-string", "must be false to be structural"},
        {"x-kubernetes-list-map-keys", "must be empty to be structural"},
        {"x-kubernetes-list-type", "must be undefined to be structural"},
        {"x-kubernetes-map-type", "must be undefined to be structural"},
        {"x-kubernetes-validations", "must be empty to be structural"},
    };
    for (size_t i = 0; i < ELEMENTS(members); i++) {
        const Node *m = node_get(v->node, members[i][0]);
        if (m && !(m->kind == NODE_BOOL && !m->boolean))
            forbid(r, path, members[i][0], members[i][1]);
    }
    check_unsupported(v, path, r);
    check_junctors(v, skip_any_of, false, path, r);
    if (v->items)
        check_nested(v->items, false, AT(path, "items"), r);
    for (size_t i = 0; i < v->properties.n; i++) {
        const CrdSchema *p = v->properties.schemas[i];
        check_nested(p, false, PATH_KEY(AT(path, "properties"), subscript(r, p->key)), r);
    }
    if (crd_schema_property(v, "metadata"))
        field_error_add(r, FIELD_FORBIDDEN, AT(AT(path, "properties"), "[metadata]"), NULL,
                        "must not be specified in a nested context");
}

/* Whatever a junctor talks of is declared outside of it, too. */
static void check_complete(const CrdSchema *v, const CrdSchema *s, const PathStep *at, const PathStep *path,
                           Report *r)
{
    const struct {
        const CrdSchemas *list;
        const char *name;
    } lists[] = {{&v->all_of, "allOf"}, {&v->any_of, "anyOf"}, {&v->one_of, "oneOf"}};
    for (size_t l = 0; l < ELEMENTS(lists); l++)
        for (size_t i = 0; i < lists[l].list->n; i++)
            check_complete(lists[l].list->schemas[i], s, at, PATH_INDEX(AT(path, lists[l].name), i), r);
    if (v->not_)
        check_complete(v->not_, s, at, AT(path, "not"), r);
    if (v == s)
        return;
    if (v->items && !s->items)
        field_error_add(r, FIELD_REQUIRED, AT(at, "items"), NULL, "because it is defined in %s",
                        field_text(r->arena, AT(path, "items")));
    else if (v->items)
        check_complete(v->items, s->items, AT(at, "items"), AT(path, "items"), r);
    for (size_t i = 0; i < v->properties.n; i++) {
        const char *key = v->properties.schemas[i]->key, *sub = subscript(r, key);
        const PathStep *p_at = PATH_KEY(AT(at, "properties"), sub),
                       *p = PATH_KEY(AT(path, "properties"), sub);
        const CrdSchema *declared = crd_schema_property(s, key);
        if (!declared)
            field_error_add(r, FIELD_REQUIRED, p_at, NULL, "because it is defined in %s",
                            field_text(r->arena, p));
        else
            check_complete(v->properties.schemas[i], declared, p_at, p, r);
    }
}

/* A default must be a value of its own schema that loses nothing by it. */
static void check_default(const CrdSchema *s, const PathStep *path, Report *r)
{
    if (!s->default_value)
        return;
    _cleanup_report_ Report findings = REPORT_INIT(r->arena);
    Node *value = node_copy(r->arena, s->default_value);
    crd_schema_apply_value(r->arena, s, value, &findings);
    if (findings.warnings)
        field_error_add(r, FIELD_INVALID, AT(path, "default"), s->default_value,
                        "must not have unknown fields");
    crd_schema_validate(s, value, &findings);
    for (size_t i = 0; i < findings.n; i++) {
        if (findings.entries[i].severity != SEVERITY_ERROR || r->errors >= FIELD_ERRORS_MAX)
            continue;
        report_add(r, SEVERITY_ERROR, NULL, s->default_value, "%s", findings.entries[i].message);
        r->entries[r->n - 1].path = field_text(r->arena, AT(path, "default"));
    }
}

static void check(const CrdSchema *s, Level level, const PathStep *path, Report *r)
{
    bool any_of = is_int_or_string(&s->any_of);
    bool all_of = s->all_of.n && is_int_or_string(&s->all_of.schemas[0]->any_of);
    check_unsupported(s, path, r);
    check_type(s, level, path, r);
    check_embedded(s, path, r);
    check_metadata(s, level, path, r);
    check_list(s, path, r);
    check_map(s, path, r);
    check_junctors(s, s->int_or_string && any_of, s->int_or_string && all_of, path, r);
    check_complete(s, s, path, path, r);
    if (level == LEVEL_ROOT && s->default_value)
        forbid(r, path, "default", "must not be set at the root");
    else
        check_default(s, path, r);
    if (s->items)
        check(s->items, LEVEL_ITEM, AT(path, "items"), r);
    if (s->additional)
        check(s->additional, LEVEL_FIELD, AT(path, "additionalProperties"), r);
    for (size_t i = 0; i < s->properties.n; i++) {
        const CrdSchema *p = s->properties.schemas[i];
        bool meta = level == LEVEL_ROOT && !strcmp(p->key, "metadata");
        if (!meta)
            check(p, LEVEL_FIELD, PATH_KEY(AT(path, "properties"), subscript(r, p->key)), r);
    }
}

void crd_schema_check(const CrdSchema *s, const PathStep *path, Report *r)
{
    check(s, LEVEL_ROOT, path, r);
}
