/* Documents are made anew from the table of built-in types and from the schemas of CRDs: what a kind refers
 * to is collected in a list that grows while it is walked. Version 2 knows no oneOf, anyOf, allOf, not and
 * nullable: schemas of CRDs lose them there, as in a real server. */
#include <stdio.h>
#include <string.h>

#include "apiserver/builtin_text.h"
#include "apiserver/openapi.h"
#include "apiserver/openapi_paths.h"
#include "base/map.h"

#define META "io.k8s.apimachinery.pkg.apis.meta.v1."

/* Scalars that have a name of their own. */
static const struct {
    const char *type, *model, *schema_type, *format, *text;
} scalars[] = {
    {"string", NULL, "string", NULL, NULL},
    {"int32", NULL, "integer", "int32", NULL},
    {"int64", NULL, "integer", "int64", NULL},
    {"bool", NULL, "boolean", NULL, NULL},
    {"double", NULL, "number", "double", NULL},
    {"bytes", NULL, "string", "byte", NULL},
    {"time", META "Time", "string", "date-time", "A time as RFC 3339 writes it."},
    {"microtime", META "MicroTime", "string", "date-time",
     "A time as RFC 3339 writes it, with microseconds."},
    {"quantity", "io.k8s.apimachinery.pkg.api.resource.Quantity", "string", NULL,
     "A number with a unit: 500m, 2, 4Gi."},
    {"intstr", "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "string", "int-or-string",
     "A number, or a share as 10%."},
    {"any", "io.k8s.apimachinery.pkg.runtime.RawExtension", "object", NULL, "A value of any form."},
};

typedef struct Writer {
    Arena *arena;
    bool v2;
    Node *schemas;
    Map known;                 /* names in `schemas` */
    const BuiltinType **types; /* to be written */
    size_t n, size;
} Writer;

static const char *model_of(Arena *a, const char *type)
{
    static const struct {
        const char *prefix, *model;
    } packages[] = {
        {"meta.v1.", META},
        {"apiextensions.v1.", "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."},
    };
    for (size_t i = 0; i < ELEMENTS(packages); i++)
        if (!strncmp(type, packages[i].prefix, strlen(packages[i].prefix)))
            return arena_printf(a, "%s%s", packages[i].model, type + strlen(packages[i].prefix));
    return arena_printf(a, "io.k8s.api.%s", type);
}

static const char *reference(Writer *w, const char *model)
{
    return arena_printf(w->arena, "#/%s/%s", w->v2 ? "definitions" : "components/schemas", model);
}

/* Beside a reference nothing counts in version 3, so it goes into allOf there. */
static void refer(Writer *w, Node *schema, const char *model)
{
    Node *target = schema;
    if (!w->v2)
        target = node_append(node_set(w->arena, schema, "allOf", node_new(w->arena, NODE_ARRAY)),
                             node_new(w->arena, NODE_OBJECT));
    node_set_string(w->arena, target, "$ref", reference(w, model));
}

static void need(Writer *w, const BuiltinType *type)
{
    if (!map_put_new(&w->known, type->name, (void *)type, NULL))
        return;
    if (w->n == w->size) {
        size_t size = w->size ? w->size * 2 : 64;
        const BuiltinType **types = ARENA_ARRAY(w->arena, const BuiltinType *, size);
        if (w->n)
            memcpy(types, w->types, w->n * sizeof(*types));
        w->types = types;
        w->size = size;
    }
    w->types[w->n++] = type;
}

static void write_scalar(Writer *w, Node *schema, Span type)
{
    for (size_t i = 0; i < ELEMENTS(scalars); i++) {
        if (!span_is(type, scalars[i].type))
            continue;
        if (!scalars[i].model) {
            node_set_string(w->arena, schema, "type", scalars[i].schema_type);
            node_set_string(w->arena, schema, "format", scalars[i].format);
            return;
        }
        refer(w, schema, scalars[i].model);
        if (!map_put_new(&w->known, scalars[i].model, w, NULL))
            return;
        Node *named = node_set(w->arena, w->schemas, scalars[i].model, node_new(w->arena, NODE_OBJECT));
        node_set_string(w->arena, named, "type", scalars[i].schema_type);
        node_set_string(w->arena, named, "format", scalars[i].format);
        node_set_string(w->arena, named, "description", scalars[i].text);
    }
}

static void write_type(Writer *w, const BuiltinType *of, Node *schema, Span type)
{
    Span inner = {type.s + 1, type.n - 2};
    if (*type.s == '[' || *type.s == '{') {
        node_set_string(w->arena, schema, "type", *type.s == '[' ? "array" : "object");
        Node *values = node_set(w->arena, schema, *type.s == '[' ? "items" : "additionalProperties",
                                node_new(w->arena, NODE_OBJECT));
        write_type(w, of, values, inner);
        return;
    }
    const BuiltinType *named = builtin_type_within(of, type);
    if (!named) {
        write_scalar(w, schema, type);
        return;
    }
    need(w, named);
    refer(w, schema, model_of(w->arena, named->name));
}

/* How lists are merged, for patches that kubectl makes and for apply. */
static void write_extensions(Writer *w, Node *schema, const BuiltinField *f)
{
    Arena *a = w->arena;
    if (f->list_keys.n) {
        Node *keys = node_set(a, schema, "x-kubernetes-list-map-keys", node_new(a, NODE_ARRAY));
        for (const char *p = f->list_keys.s, *end = p + f->list_keys.n; p < end;) {
            size_t n = strcspn(p, ",= !@^|%#");
            node_append(keys, node_new_string_n(a, p, n));
            p += n;
            while (p < end && *p != ',')
                p++;
            p++;
        }
    }
    if (f->list_keys.n || f->set || (f->atomic && *f->type.s == '['))
        node_set_string(a, schema, "x-kubernetes-list-type",
                        f->list_keys.n ? "map"
                        : f->set       ? "set"
                                       : "atomic");
    if (f->atomic && *f->type.s != '[')
        node_set_string(a, schema, "x-kubernetes-map-type", "atomic");
    if (f->merge_key.n)
        node_set(a, schema, "x-kubernetes-patch-merge-key",
                 node_new_string_n(a, f->merge_key.s, f->merge_key.n));
    const char *strategy = f->merges && f->retain_keys ? "merge,retainKeys"
                           : f->merges                 ? "merge"
                           : f->retain_keys            ? "retainKeys"
                           : f->replaces               ? "replace"
                                                       : NULL;
    node_set_string(a, schema, "x-kubernetes-patch-strategy", strategy);
}

static Node *write_builtin(Writer *w, const BuiltinType *type)
{
    Arena *a = w->arena;
    Node *schema = node_set(a, w->schemas, model_of(a, type->name), node_new(a, NODE_OBJECT));
    Node *properties = node_new(a, NODE_OBJECT), *required = node_new(a, NODE_ARRAY);
    BuiltinField f;

    node_set_string(a, schema, "description", builtin_text(type, NULL));
    node_set_string(a, schema, "type", "object");
    for (const char *at = type->fields; builtin_field_next(&at, &f);) {
        const char *name = arena_memdup(a, f.name.s, f.name.n);
        Node *p = node_set(a, properties, name, node_new(a, NODE_OBJECT));
        node_set_string(a, p, "description", builtin_text(type, name));
        write_type(w, type, p, f.type);
        write_extensions(w, p, &f);
        if (f.required)
            node_append(required, node_new_string(a, name));
    }
    if (required->n)
        node_set(a, schema, "required", required);
    if (properties->n)
        node_set(a, schema, "properties", properties);
    return schema;
}

static void write_kind_names(Arena *a, Node *schema, const KubeKind *kind, const char *suffix)
{
    static const char name[] = "x-kubernetes-group-version-kind";
    Node *list = node_get(schema, name), *gvk;
    if (!list)
        list = node_set(a, schema, name, node_new(a, NODE_ARRAY));
    gvk = node_append(list, node_new(a, NODE_OBJECT));
    node_set_string(a, gvk, "group", kind->group);
    node_set_string(a, gvk, "kind", arena_printf(a, "%s%s", kind->kind, suffix));
    node_set_string(a, gvk, "version", kind->version);
}

/* ---- custom resources ---- */

/* "io.openshift.machineconfiguration.v1.MachineConfig" */
static const char *custom_model(Arena *a, const KubeKind *kind)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    for (const char *end = kind->group + strlen(kind->group); end > kind->group;) {
        const char *start = end;
        while (start > kind->group && start[-1] != '.')
            start--;
        buf_addf(&b, "%.*s.", (int)(end - start), start);
        end = start > kind->group ? start - 1 : start;
    }
    buf_addf(&b, "%s.%s", kind->version, kind->kind);
    return arena_strdup(a, b.data);
}

static bool in_v2(const char *key)
{
    static const char *const gone[] = {
        "oneOf", "anyOf", "allOf", "not", "nullable", "default", "x-kubernetes-validations"};
    for (size_t i = 0; i < ELEMENTS(gone); i++)
        if (!strcmp(key, gone[i]))
            return false;
    return true;
}

static Node *copy_schema(Writer *w, const Node *n);

static Node *copy_named(Writer *w, const Node *n)
{
    Node *out = node_new(w->arena, NODE_OBJECT);
    NODE_EACH (c, n) {
        Node *made = copy_schema(w, c);
        made->key = c->key;
        node_append(out, made);
    }
    return out;
}

static Node *copy_schema(Writer *w, const Node *n)
{
    if (n->kind != NODE_OBJECT || !w->v2)
        return node_copy(w->arena, n);
    Node *out = node_new(w->arena, NODE_OBJECT);
    NODE_EACH (c, n) {
        if (!in_v2(c->key))
            continue;
        Node *made = !strcmp(c->key, "properties") && c->kind == NODE_OBJECT ? copy_named(w, c)
                     : !strcmp(c->key, "items") || !strcmp(c->key, "additionalProperties")
                         ? copy_schema(w, c)
                         : node_copy(w->arena, c);
        made->key = c->key;
        node_append(out, made);
    }
    return out;
}

static void write_custom(Writer *w, const OpenapiKind *k)
{
    Arena *a = w->arena;
    const BuiltinType *meta = builtin_type_get("meta.v1.ObjectMeta"), *pod = builtin_type_get("core.v1.Pod");
    Node *schema = k->schema ? copy_schema(w, k->schema) : node_new(a, NODE_OBJECT);
    if (!k->schema)
        node_set(a, schema, "x-kubernetes-preserve-unknown-fields", node_new_bool(a, true));
    node_set_string(a, schema, "type", "object");
    Node *properties = node_get(schema, "properties"), *metadata = node_new(a, NODE_OBJECT);
    if (!properties)
        properties = node_set(a, schema, "properties", node_new(a, NODE_OBJECT));
    static const char *const names[] = {"apiVersion", "kind"};
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        Node *p = node_set(a, properties, names[i], node_new(a, NODE_OBJECT));
        node_set_string(a, p, "description", builtin_text(pod, names[i]));
        node_set_string(a, p, "type", "string");
    }
    need(w, meta);
    node_set(a, properties, "metadata", metadata);
    node_set_string(a, metadata, "description", builtin_text(pod, "metadata"));
    refer(w, metadata, model_of(a, meta->name));
    write_kind_names(a, schema, k->kind, "");
    node_set(a, w->schemas, custom_model(a, k->kind), schema);
}

/* ---- the whole ---- */

static const char *model_of_kind(Arena *a, const KubeKind *kind)
{
    const BuiltinType *type = builtin_type_of_kind(kind);
    return type ? model_of(a, type->name) : custom_model(a, kind);
}

static void write_list(Writer *w, const KubeKind *kind)
{
    Arena *a = w->arena;
    const char *model = model_of_kind(a, kind);
    const BuiltinType *list_meta = builtin_type_get("meta.v1.ListMeta"),
                      *pod = builtin_type_get("core.v1.Pod");
    Node *schema = node_set(a, w->schemas, arena_printf(a, "%sList", model), node_new(a, NODE_OBJECT));
    Node *required = node_new(a, NODE_ARRAY), *properties = node_new(a, NODE_OBJECT), *p;

    node_set_string(a, schema, "description", arena_printf(a, "A list of objects of kind %s.", kind->kind));
    node_set_string(a, schema, "type", "object");
    node_set(a, schema, "required", required);
    node_append(required, node_new_string(a, "items"));
    node_set(a, schema, "properties", properties);
    static const char *const names[] = {"apiVersion", "kind"};
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        p = node_set(a, properties, names[i], node_new(a, NODE_OBJECT));
        node_set_string(a, p, "description", builtin_text(pod, names[i]));
        node_set_string(a, p, "type", "string");
    }
    p = node_set(a, properties, "items", node_new(a, NODE_OBJECT));
    node_set_string(a, p, "type", "array");
    refer(w, node_set(a, p, "items", node_new(a, NODE_OBJECT)), model);
    need(w, list_meta);
    refer(w, node_set(a, properties, "metadata", node_new(a, NODE_OBJECT)), model_of(a, list_meta->name));
    write_kind_names(a, schema, kind, "List");
}

static void write_kind(Writer *w, const OpenapiKind *k, Node *paths)
{
    const BuiltinType *type = builtin_type_of_kind(k->kind);
    const char *model = model_of_kind(w->arena, k->kind);
    if (type)
        need(w, type);
    else
        write_custom(w, k);
    write_list(w, k->kind);
    OpenapiPaths p = {w->v2, k, reference(w, model), reference(w, arena_printf(w->arena, "%sList", model)),
                      type != NULL};
    openapi_paths_write(w->arena, &p, paths);
}

static void write_types(Writer *w)
{
    for (size_t i = 0; i < w->n; i++) /* grows */
        (void)write_builtin(w, w->types[i]);
}

/* Kinds of a type that is written as a built-in get their names there. */
static void name_builtin(Writer *w, const KubeKind *kind)
{
    const BuiltinType *type = builtin_type_of_kind(kind);
    Node *schema = type ? node_get(w->schemas, model_of(w->arena, type->name)) : NULL;
    if (schema)
        write_kind_names(w->arena, schema, kind, "");
}

static bool is_of(const OpenapiKind *k, const char *group, const char *version)
{
    return !group || (!strcmp(k->kind->group, group) && !strcmp(k->kind->version, version));
}

static void write_info(Arena *a, Node *document)
{
    Node *info = node_set(a, document, "info", node_new(a, NODE_OBJECT));
    node_set_string(a, info, "title", "Kubernetes");
    node_set_string(a, info, "version", "basalt");
}

/* `group` NULL: all. */
static size_t write_all(Writer *w, const OpenapiKinds *kinds, const char *group, const char *version,
                        Node *paths)
{
    size_t n = 0;
    for (size_t i = 0; i < kinds->n; i++)
        if (is_of(&kinds->kinds[i], group, version)) {
            write_kind(w, &kinds->kinds[i], paths);
            n++;
        }
    write_types(w);
    for (size_t i = 0; i < kinds->n; i++)
        if (is_of(&kinds->kinds[i], group, version))
            name_builtin(w, kinds->kinds[i].kind);
    map_done(&w->known);
    return n;
}

Node *openapi_v3_group(Arena *a, const OpenapiKinds *kinds, const char *group, const char *version)
{
    Writer w = {.arena = a, .schemas = node_new(a, NODE_OBJECT)};
    Node *document = node_new(a, NODE_OBJECT), *paths = node_new(a, NODE_OBJECT), *components;
    node_set_string(a, document, "openapi", "3.0.0");
    write_info(a, document);
    node_set(a, document, "paths", paths);
    components = node_set(a, document, "components", node_new(a, NODE_OBJECT));
    node_set(a, components, "schemas", w.schemas);
    return write_all(&w, kinds, group, version, paths) ? document : NULL;
}

Node *openapi_v2(Arena *a, const OpenapiKinds *kinds)
{
    Writer w = {.arena = a, .v2 = true, .schemas = node_new(a, NODE_OBJECT)};
    Node *document = node_new(a, NODE_OBJECT), *paths = node_new(a, NODE_OBJECT);
    node_set_string(a, document, "swagger", "2.0");
    write_info(a, document);
    node_set(a, document, "paths", paths);
    node_set(a, document, "definitions", w.schemas);
    (void)write_all(&w, kinds, NULL, NULL, paths);
    return document;
}

Node *openapi_v3_index(Arena *a, const OpenapiKinds *kinds)
{
    Node *document = node_new(a, NODE_OBJECT), *paths = node_new(a, NODE_OBJECT);
    node_set(a, document, "paths", paths);
    for (size_t i = 0; i < kinds->n; i++) {
        const KubeKind *k = kinds->kinds[i].kind;
        const char *path =
            arena_printf(a, "%s%s%s%s", *k->group ? "apis/" : "api", k->group, "/", k->version);
        if (node_get(paths, path))
            continue;
        Node *entry = node_set(a, paths, path, node_new(a, NODE_OBJECT));
        node_set_string(a, entry, "serverRelativeURL", arena_printf(a, "/openapi/v3/%s", path));
    }
    return document;
}
