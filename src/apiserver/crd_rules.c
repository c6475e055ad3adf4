/* A CRD is accepted and established in the moment it is written: there is one server, which knows at once
 * whether its names are free. One whose names another kind has gets NamesAccepted=False, and makes no kind
 * until they are free. apiextensions-apiserver pkg/apis/apiextensions/validation has the rules. */
#include "apiserver/crd_rules.h"

#include <ctype.h>
#include <string.h>

#include "apiserver/crd_schema.h"
#include "apiserver/field_error.h"
#include "format/json.h"
#include "kube/kube_kind.h"

#define CRDS "customresourcedefinitions.apiextensions.k8s.io"
#define SPEC PATH_KEY(NULL, "spec")

static bool is_true(const Node *n)
{
    return n && n->kind == NODE_BOOL && n->boolean;
}

static void require(ApiCall *c, const Node *object, const PathStep *path, const char *key)
{
    const char *s = node_string(node_get(object, key));
    if (!s || !*s)
        field_error_add(&c->report, FIELD_REQUIRED, PATH_KEY(path, key), NULL, "%s", "");
}

static void check_version(ApiCall *c, const Node *v, const PathStep *path)
{
    const Node *schema = node_get_path(v, "schema.openAPIV3Schema");
    CrdSchema *read;
    require(c, v, path, "name");
    if (!schema)
        field_error_add(&c->report, FIELD_REQUIRED, PATH_KEY(PATH_KEY(path, "schema"), "openAPIV3Schema"),
                        NULL, "schemas are required");
    else
        (void)crd_schema_read(c->a, schema, &read, &c->report);
}

static void check_versions(ApiCall *c, const Node *spec)
{
    const Node *versions = node_get(spec, "versions");
    size_t stored = 0, i = 0;
    if (!versions || versions->kind != NODE_ARRAY || !versions->n) {
        field_error_add(&c->report, FIELD_REQUIRED, PATH_KEY(SPEC, "versions"), NULL,
                        "must have exactly one version marked as storage version");
        return;
    }
    if (versions->n > KIND_VERSIONS_MAX)
        field_error_add(&c->report, FIELD_TOO_MANY, PATH_KEY(SPEC, "versions"), NULL, "at most %d",
                        KIND_VERSIONS_MAX);
    NODE_EACH (v, versions) {
        check_version(c, v, PATH_INDEX(PATH_KEY(SPEC, "versions"), i++));
        stored += is_true(node_get(v, "storage"));
    }
    if (stored != 1)
        field_error_add(&c->report, FIELD_INVALID, PATH_KEY(SPEC, "versions"), NULL,
                        "must have exactly one version marked as storage version");
}

static char *lower(Arena *a, const char *s)
{
    char *copy = arena_strdup(a, s);
    for (char *p = copy; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return copy;
}

static void set_names(ApiCall *c, Node *names)
{
    const char *kind = node_string(node_get(names, "kind"));
    if (!kind)
        return;
    if (!node_get(names, "singular"))
        node_set_string(c->a, names, "singular", lower(c->a, kind));
    if (!node_get(names, "listKind"))
        node_set_string(c->a, names, "listKind", arena_printf(c->a, "%sList", kind));
}

static void check_spec(ApiCall *c, Node *object)
{
    Node *spec = node_get(object, "spec"), *names = node_get(spec, "names");
    const char *group = node_string(node_get(spec, "group")),
               *plural = node_string(node_get(names, "plural"));
    const char *scope = node_string(node_get(spec, "scope")), *name = kube_name(object);
    require(c, spec, SPEC, "group");
    require(c, names, PATH_KEY(SPEC, "names"), "plural");
    require(c, names, PATH_KEY(SPEC, "names"), "kind");
    require(c, spec, SPEC, "scope");
    if (scope && strcmp(scope, "Namespaced") && strcmp(scope, "Cluster"))
        field_error_add(&c->report, FIELD_NOT_SUPPORTED, PATH_KEY(SPEC, "scope"), node_get(spec, "scope"),
                        "supported values: \"Cluster\", \"Namespaced\"");
    const char *wanted = group && plural ? arena_printf(c->a, "%s.%s", plural, group) : name;
    if (strcmp(wanted, name))
        field_error_add(&c->report, FIELD_INVALID, PATH_KEY(PATH_KEY(NULL, "metadata"), "name"),
                        node_new_string(c->a, name), "must be spec.names.plural+\".\"+spec.group");
    if (names && names->kind == NODE_OBJECT)
        set_names(c, names);
    if (spec && spec->kind == NODE_OBJECT && !node_get(spec, "conversion"))
        node_set_string(c->a, node_set(c->a, spec, "conversion", node_new(c->a, NODE_OBJECT)), "strategy",
                        "None");
    check_versions(c, spec);
}

static Node *condition(ApiCall *c, const Node *before, const char *type, bool good, const char *reason,
                       const char *message)
{
    Node *n = node_new(c->a, NODE_OBJECT);
    const char *since = time_text(c->a, c->now), *status = good ? "True" : "False";
    if (before && before->kind == NODE_ARRAY)
        NODE_EACH (b, before)
            if (node_string(node_get(b, "type")) && !strcmp(node_get(b, "type")->string, type) &&
                node_string(node_get(b, "status")) && !strcmp(node_get(b, "status")->string, status))
                since = node_string(node_get(b, "lastTransitionTime"));
    node_set_string(c->a, n, "lastTransitionTime", since);
    node_set_string(c->a, n, "message", message);
    node_set_string(c->a, n, "reason", reason);
    node_set_string(c->a, n, "status", status);
    node_set_string(c->a, n, "type", type);
    return n;
}

/* Another kind of the group with this plural or kind, that is not made from this CRD. */
static bool names_free(ApiCall *c, const Node *object)
{
    const char *group = node_string(node_get_path(object, "spec.group"));
    const char *plural = node_string(node_get_path(object, "spec.names.plural"));
    const char *kind = node_string(node_get_path(object, "spec.names.kind"));
    const ApiKind *x = kind_table_find(c->api->kinds, group, plural),
                  *y = kind_table_of_kind(c->api->kinds, group, kind);
    return (!x || x->custom) && (!y || !strcmp(y->store, kube_name(object)));
}

static void set_status(ApiCall *c, Node *object, const Node *old)
{
    const Node *before = node_get_path(old, "status.conditions"),
               *stored = node_get_path(old, "status.storedVersions");
    Node *status = node_set(c->a, object, "status", node_new(c->a, NODE_OBJECT));
    Node *conditions = node_set(c->a, status, "conditions", node_new(c->a, NODE_ARRAY));
    bool good = names_free(c, object);
    node_append(conditions, condition(c, before, "NamesAccepted", good, good ? "NoConflicts" : "Conflict",
                                      good ? "no conflicts found" : "the names are those of another kind"));
    node_append(conditions,
                condition(c, before, "Established", good, good ? "InitialNamesAccepted" : "NotAccepted",
                          good ? "the initial names have been accepted" : "not all names are accepted"));
    node_set(c->a, status, "acceptedNames", node_copy(c->a, node_get_path(object, "spec.names")));
    Node *versions = node_set(c->a, status, "storedVersions",
                              stored ? node_copy(c->a, stored) : node_new(c->a, NODE_ARRAY));
    NODE_EACH (v, node_get_path(object, "spec.versions"))
        if (is_true(node_get(v, "storage")) && !list_has(versions, node_string(node_get(v, "name"))))
            node_append(versions, node_new_string(c->a, node_string(node_get(v, "name"))));
}

int crd_prepare(ApiCall *c, Node *object, const Node *old)
{
    check_spec(c, object);
    if (!c->report.errors)
        set_status(c, object, old);
    return 0;
}

bool crd_established(const Node *crd)
{
    const Node *conditions = node_get_path(crd, "status.conditions");
    if (conditions && conditions->kind == NODE_ARRAY)
        NODE_EACH (n, conditions)
            if (node_string(node_get(n, "type")) && !strcmp(node_get(n, "type")->string, "Established"))
                return node_string(node_get(n, "status")) && !strcmp(node_get(n, "status")->string, "True");
    return false;
}

/* ---- the table ---- */

typedef struct Sync {
    Api *api;
    Arena *arena;
    Node *names; /* an object: what is there */
} Sync;

static int sync_one(void *context, const StoreObject *o)
{
    Sync *s = context;
    const ApiKind *k = kind_table_stored(s->api->kinds, o->key.name);
    node_set(s->arena, s->names, arena_strdup(s->arena, o->key.name), node_new(s->arena, NODE_NULL));
    if (k && k->crd_revision == o->revision)
        return 0;
    Report r = REPORT_INIT(s->arena);
    Source *source = ARENA_NEW(s->arena, Source);
    Node *crd;
    *source = (Source){.name = o->key.name, .text = arena_memdup(s->arena, o->json, o->n), .len = o->n};
    int code = json_read(s->arena, source, SEVERITY_WARNING, &crd, &r);
    report_done(&r);
    if (code >= 0 && crd_established(crd))
        kind_table_put(s->api->kinds, crd, o->revision);
    return 0;
}

static bool is_there(void *context, const char *name)
{
    return node_get(((Sync *)context)->names, name) != NULL;
}

int crd_sync(Api *api, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Sync s = {.api = api, .arena = a, .names = node_new(a, NODE_OBJECT)};
    int r = store_list(api->store, &(StoreList){.kind = CRDS}, sync_one, &s, e);
    if (r >= 0)
        kind_table_retain(api->kinds, is_there, &s);
    api->crds_changed = false;
    return r;
}
