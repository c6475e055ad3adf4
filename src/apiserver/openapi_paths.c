/* Verbs by a table: which there are on a collection, on an object and on its subresources, and which query
 * parameters each has. kubectl looks for `fieldValidation` and `dryRun` at PATCH, and for the group, version
 * and kind that an operation is about. */
#include "apiserver/openapi_paths.h"

#include <string.h>

typedef struct Verb {
    const char *method, *action;
    bool collection, body, list;
    const char *parameters; /* names with a space behind each */
} Verb;

static const Verb verbs[] = {
    {"get", "list", true, false, true,
     "allowWatchBookmarks continue fieldSelector labelSelector limit resourceVersion resourceVersionMatch "
     "timeoutSeconds watch "},
    {"post", "post", true, true, false, "dryRun fieldManager fieldValidation "},
    {"delete", "deletecollection", true, false, false,
     "dryRun fieldSelector labelSelector propagationPolicy "},
    {"get", "get", false, false, false, ""},
    {"put", "put", false, true, false, "dryRun fieldManager fieldValidation "},
    {"patch", "patch", false, true, false, "dryRun fieldManager fieldValidation force "},
    {"delete", "delete", false, false, false,
     "dryRun gracePeriodSeconds orphanDependents propagationPolicy "},
};

static const char *parameter_type(const char *name)
{
    static const char *const booleans[] = {"allowWatchBookmarks", "watch", "force", "orphanDependents"};
    static const char *const integers[] = {"limit", "timeoutSeconds", "gracePeriodSeconds"};
    for (size_t i = 0; i < ELEMENTS(booleans); i++)
        if (!strcmp(name, booleans[i]))
            return "boolean";
    for (size_t i = 0; i < ELEMENTS(integers); i++)
        if (!strcmp(name, integers[i]))
            return "integer";
    return "string";
}

static void add_parameter(Arena *a, bool v2, Node *list, const char *name, const char *in)
{
    Node *p = node_append(list, node_new(a, NODE_OBJECT)), *type = p;
    node_set_string(a, p, "name", name);
    node_set_string(a, p, "in", in);
    if (!strcmp(in, "path"))
        node_set(a, p, "required", node_new_bool(a, true));
    if (!v2)
        type = node_set(a, p, "schema", node_new(a, NODE_OBJECT));
    node_set_string(a, type, "type", parameter_type(name));
}

static const char *const patch_types[] = {
    "application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml",
    "application/strategic-merge-patch+json", /* of built-in kinds */
};

static void write_body_v3(Arena *a, const OpenapiPaths *p, const Verb *v, Node *operation)
{
    bool patch = !strcmp(v->method, "patch");
    Node *body = node_set(a, operation, "requestBody", node_new(a, NODE_OBJECT));
    Node *content = node_set(a, body, "content", node_new(a, NODE_OBJECT));
    node_set(a, body, "required", node_new_bool(a, true));
    for (size_t i = 0; i < (patch ? ELEMENTS(patch_types) - !p->builtin : 1); i++) {
        Node *type =
            node_set(a, content, patch ? patch_types[i] : "application/json", node_new(a, NODE_OBJECT));
        Node *schema = node_set(a, type, "schema", node_new(a, NODE_OBJECT));
        if (patch)
            node_set_string(a, schema, "type", "object");
        else
            node_set_string(a, schema, "$ref", p->reference);
    }
}

static void write_body_v2(Arena *a, const OpenapiPaths *p, const Verb *v, Node *operation, Node *parameters)
{
    bool patch = !strcmp(v->method, "patch");
    Node *consumes = node_set(a, operation, "consumes", node_new(a, NODE_ARRAY));
    Node *body = node_append(parameters, node_new(a, NODE_OBJECT)), *schema;
    for (size_t i = 0; i < (patch ? ELEMENTS(patch_types) - !p->builtin : 1); i++)
        node_append(consumes, node_new_string(a, patch ? patch_types[i] : "*/*"));
    node_set_string(a, body, "name", "body");
    node_set_string(a, body, "in", "body");
    node_set(a, body, "required", node_new_bool(a, true));
    schema = node_set(a, body, "schema", node_new(a, NODE_OBJECT));
    if (patch)
        node_set_string(a, schema, "type", "object");
    else
        node_set_string(a, schema, "$ref", p->reference);
}

static void write_answer(Arena *a, const OpenapiPaths *p, const Verb *v, Node *operation)
{
    Node *answers = node_set(a, operation, "responses", node_new(a, NODE_OBJECT));
    Node *ok = node_set(a, answers, "200", node_new(a, NODE_OBJECT)), *at = ok;
    node_set_string(a, ok, "description", "OK");
    if (!p->v2) {
        Node *content = node_set(a, ok, "content", node_new(a, NODE_OBJECT));
        at = node_set(a, content, "application/json", node_new(a, NODE_OBJECT));
    }
    Node *schema = node_set(a, at, "schema", node_new(a, NODE_OBJECT));
    node_set_string(a, schema, "$ref", v->list ? p->list_reference : p->reference);
}

static Node *write_operation(Arena *a, const OpenapiPaths *p, const Verb *v, const char *subresource)
{
    const KubeKind *k = p->kind->kind;
    Node *operation = node_new(a, NODE_OBJECT), *parameters = node_new(a, NODE_ARRAY), *gvk;
    node_set_string(a, operation, "operationId",
                    arena_printf(a, "%s_%s_%s_%s%s", v->action, *k->group ? k->group : "core", k->version,
                                 k->plural, subresource));
    node_set(a, operation, "parameters", parameters);
    for (const char *at = v->parameters, *end; (end = strchr(at, ' ')); at = end + 1)
        add_parameter(a, p->v2, parameters, arena_memdup(a, at, (size_t)(end - at)), "query");
    if (v->body && p->v2)
        write_body_v2(a, p, v, operation, parameters);
    else if (v->body)
        write_body_v3(a, p, v, operation);
    write_answer(a, p, v, operation);
    node_set_string(a, operation, "x-kubernetes-action", v->action);
    gvk = node_set(a, operation, "x-kubernetes-group-version-kind", node_new(a, NODE_OBJECT));
    node_set_string(a, gvk, "group", k->group);
    node_set_string(a, gvk, "kind", k->kind);
    node_set_string(a, gvk, "version", k->version);
    return operation;
}

static void write_path(Arena *a, const OpenapiPaths *p, Node *paths, const char *path,
                       const char *subresource)
{
    bool collection = !strstr(path, "{name}");
    Node *item = node_set(a, paths, path, node_new(a, NODE_OBJECT)), *parameters = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < ELEMENTS(verbs); i++) {
        if (verbs[i].collection != collection || (*subresource && !strcmp(verbs[i].method, "delete")))
            continue;
        node_set(a, item, verbs[i].method, write_operation(a, p, &verbs[i], subresource));
    }
    if (strstr(path, "{namespace}"))
        add_parameter(a, p->v2, parameters, "namespace", "path");
    if (!collection)
        add_parameter(a, p->v2, parameters, "name", "path");
    node_set(a, item, "parameters", parameters);
}

void openapi_paths_write(Arena *a, const OpenapiPaths *p, Node *paths)
{
    const KubeKind *k = p->kind->kind;
    const char *all = arena_printf(a, "%s%s/%s/%s%s", *k->group ? "/apis/" : "/api", k->group, k->version,
                                   k->namespaced ? "namespaces/{namespace}/" : "", k->plural);
    const char *one = arena_printf(a, "%s/{name}", all);
    write_path(a, p, paths, all, "");
    write_path(a, p, paths, one, "");
    if (p->kind->has_status)
        write_path(a, p, paths, arena_printf(a, "%s/status", one), "_status");
}
