/* What every object has, however it is written: names, times, counts, finalizers; and what a write to one
 * subresource may not touch. Rules: apiserver pkg/registry/rest (BeforeCreate, BeforeUpdate) and the
 * strategies of each kind. */
#include <string.h>
#include <sys/random.h>

#include "apiserver/api_call.h"
#include "apiserver/field_error.h"
#include "apiserver/name_check.h"
#include "kube/kube_kind.h"

enum { GENERATED_DIGITS = 5, GENERATED_MAX = 63 - GENERATED_DIGITS, ANNOTATIONS_MAX = 256 << 10 };

#define METADATA PATH_KEY(NULL, "metadata")

static bool says(const Node *object, const char *key, const char *wanted)
{
    const char *s = node_string(node_get(object, key));
    return s && !strcmp(s, wanted);
}

/* Is the body of the kind that was asked for? */
static int check_type(ApiCall *c, const Node *object)
{
    const ApiKind *k = c->q->kind;
    KubeKind asked = k->kube;
    char version[128];
    asked.version = c->q->version->name;
    kube_api_version(&asked, version);
    const char *given = node_string(node_get(object, "apiVersion")),
               *kind = node_string(node_get(object, "kind"));
    if (!object || object->kind != NODE_OBJECT)
        return call_bad_request(c, "the request has no object in its body");
    if (!given || !kind)
        return call_bad_request(c, "Object 'Kind' is missing in the body: apiVersion and kind must be set");
    if (strcmp(kind, k->kube.kind))
        return call_bad_request(c, "%s in version \"%s\" cannot be handled as a %s", kind, given,
                                k->kube.kind);
    if (!says(object, "apiVersion", version))
        return call_bad_request(
            c, "the API version in the data (%s) does not match the expected API version (%s)", given,
            version);
    return 0;
}

static const char *generate(ApiCall *c, const char *base)
{
    static const char digits[] = "bcdfghjklmnpqrstvwxz2456789";
    uint8_t random[GENERATED_DIGITS];
    char tail[GENERATED_DIGITS + 1] = "";
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        abort();
    for (unsigned i = 0; i < GENERATED_DIGITS; i++)
        tail[i] = digits[random[i] % (sizeof(digits) - 1)];
    return arena_printf(c->a, "%.*s%s", GENERATED_MAX, base, tail);
}

static void check_name(ApiCall *c, const char *name)
{
    const ApiKind *k = c->q->kind;
    const char *wrong = !strcmp(k->kube.plural, "namespaces")                 ? name_check_label(name)
                        : !strcmp(k->kube.group, "rbac.authorization.k8s.io") ? name_check_path_segment(name)
                                                                              : name_check_subdomain(name);
    if (!strcmp(k->store, "certificatesigningrequests.certificates.k8s.io"))
        wrong = name_check_path_segment(name);
    if (wrong)
        field_error_add(&c->report, FIELD_INVALID, PATH_KEY(METADATA, "name"), node_new_string(c->a, name),
                        "%s", wrong);
}

/* Labels and annotations: texts by names. */
static void check_texts(ApiCall *c, const Node *m, const char *field)
{
    const Node *map = node_get(m, field);
    bool labels = !strcmp(field, "labels");
    size_t total = 0;
    const PathStep *path = PATH_KEY(METADATA, field);
    if (!map || map->kind == NODE_NULL)
        return;
    if (map->kind != NODE_OBJECT) {
        field_error_add(&c->report, FIELD_INVALID, path, map, "must be a map of texts");
        return;
    }
    NODE_EACH (n, map) {
        const char *wrong = name_check_label_key(n->key);
        if (wrong)
            field_error_add(&c->report, FIELD_INVALID, path, node_new_string(c->a, n->key), "%s", wrong);
        if (n->kind != NODE_STRING)
            field_error_add(&c->report, FIELD_INVALID, PATH_KEY(path, n->key), n, "must be a text");
        else if (labels && (wrong = name_check_label_value(n->string)))
            field_error_add(&c->report, FIELD_INVALID, path, n, "%s", wrong);
        total += strlen(n->key) + (n->kind == NODE_STRING ? n->len : 0);
    }
    if (!labels && total > ANNOTATIONS_MAX)
        field_error_add(&c->report, FIELD_TOO_LONG, path, NULL, "must have at most %d bytes",
                        ANNOTATIONS_MAX);
}

static void check_finalizers(ApiCall *c, const Node *m)
{
    const Node *list = node_get(m, "finalizers");
    const char *wrong = NULL;
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (n, list)
            if (!node_string(n) || (wrong = name_check_label_key(n->string)))
                field_error_add(&c->report, FIELD_INVALID, PATH_KEY(METADATA, "finalizers"), n, "%s",
                                node_string(n) ? wrong : "must be a text");
}

static void check_owners(ApiCall *c, const Node *m)
{
    static const char *const needed[] = {"apiVersion", "kind", "name", "uid"};
    const Node *list = node_get(m, "ownerReferences");
    size_t i = 0;
    if (!list || list->kind != NODE_ARRAY)
        return;
    NODE_EACH (o, list) {
        const PathStep *path = PATH_INDEX(PATH_KEY(METADATA, "ownerReferences"), i++);
        for (size_t j = 0; j < ELEMENTS(needed); j++)
            if (!node_string(node_get(o, needed[j])) || !*node_string(node_get(o, needed[j])))
                field_error_add(&c->report, FIELD_INVALID, PATH_KEY(path, needed[j]), node_get(o, needed[j]),
                                "must not be empty");
    }
}

static void check_metadata(ApiCall *c, const Node *m)
{
    check_texts(c, m, "labels");
    check_texts(c, m, "annotations");
    check_finalizers(c, m);
    check_owners(c, m);
}

/* The namespace of the URL counts; one in the body must be the same. */
static int set_namespace(ApiCall *c, Node *m)
{
    const char *given = node_string(node_get(m, "namespace")), *asked = c->q->namespace;
    if (!c->q->kind->kube.namespaced) {
        node_remove(m, "namespace");
        return 0;
    }
    if (given && *given && strcmp(given, asked))
        return call_bad_request(
            c, "the namespace of the provided object does not match the namespace sent on the request");
    node_set_string(c->a, m, "namespace", asked);
    return 0;
}

static int check_namespace(ApiCall *c, const char *name)
{
    const ApiKind *namespaces = kind_table_find(c->api->kinds, "", "namespaces");
    Object o;
    if (!c->q->kind->kube.namespaced)
        return 0;
    int r = object_load(c, namespaces, NULL, c->q->namespace, &o);
    if (r < 0)
        return r;
    if (node_get_path(o.node, "metadata.deletionTimestamp"))
        return call_forbidden(c, c->q->kind, name,
                              "unable to create new content in namespace %s because it is being terminated",
                              c->q->namespace);
    return 0;
}

static bool keeps_status(const ApiKind *k)
{
    return !k->custom && !strcmp(k->kube.plural, "nodes");
}

int object_prepare_new(ApiCall *c, Node *object)
{
    const ApiKind *k = c->q->kind;
    int r = check_type(c, object);
    if (r < 0)
        return r;
    Node *m = object_metadata(c, object);
    const char *name = node_string(node_get(m, "name")), *base = node_string(node_get(m, "generateName"));
    r = set_namespace(c, m);
    if (r < 0)
        return r;
    if (node_string(node_get(m, "resourceVersion")) && *node_get(m, "resourceVersion")->string)
        return call_bad_request(c, "resourceVersion should not be set on objects to be created");
    if ((!name || !*name) && base && *base)
        name = node_set(c->a, m, "name", node_new_string(c->a, generate(c, base)))->string;
    if (!name || !*name) {
        field_error_add(&c->report, FIELD_REQUIRED, PATH_KEY(METADATA, "name"), NULL,
                        "name or generateName is required");
        return call_invalid(c, k, "");
    }
    if (c->q->name && strcmp(c->q->name, name))
        return call_bad_request(c, "the name of the object (%s) does not match the name on the URL (%s)",
                                name, c->q->name);
    r = check_namespace(c, name);
    if (r < 0)
        return r;
    check_name(c, name);
    node_remove(m, "deletionTimestamp");
    node_remove(m, "deletionGracePeriodSeconds");
    node_remove(m, "selfLink");
    node_set_string(c->a, m, "uid", uid_new(c->a));
    node_set_string(c->a, m, "creationTimestamp", time_text(c->a, c->now));
    if (k->counts)
        node_set(c->a, m, "generation", node_new_int(c->a, 1));
    else
        node_remove(m, "generation");
    if (c->q->version->status && !keeps_status(k))
        node_remove(object, "status");
    check_metadata(c, m);
    r = kind_prepare(c, k, object, NULL);
    return r < 0 ? r : c->report.errors ? call_invalid(c, k, name) : 0;
}

/* ---- updates ---- */

static void keep_field(ApiCall *c, Node *to, const Node *from, const char *field)
{
    const Node *n = node_get(from, field);
    if (n)
        node_set(c->a, to, field, node_copy(c->a, n));
    else
        node_remove(to, field);
}

/* Only what the subresource is for may change. */
static void keep_the_rest(ApiCall *c, Node *object, const Object *old)
{
    const bool status = c->q->subresource && !strcmp(c->q->subresource, "status");
    if (!status) {
        if (c->q->version->status)
            keep_field(c, object, old->node, "status");
        return;
    }
    Node *next = NULL;
    for (Node *n = object->first; n; n = next) {
        next = n->next;
        if (strcmp(n->key, "status") && strcmp(n->key, "metadata") && !node_get(old->node, n->key))
            node_remove(object, n->key);
    }
    NODE_EACH (n, old->node)
        if (strcmp(n->key, "status") && (c->q->kind->custom || strcmp(n->key, "metadata")))
            keep_field(c, object, old->node, n->key);
}

static void check_deleting(ApiCall *c, const Node *m, const Node *old)
{
    const Node *now = node_get(m, "finalizers"), *then = node_get(old, "finalizers");
    if (!node_get(old, "deletionTimestamp") || !now || now->kind != NODE_ARRAY)
        return;
    NODE_EACH (n, now)
        if (node_string(n) && !list_has(then, n->string))
            field_error_add(
                &c->report, FIELD_FORBIDDEN, PATH_KEY(METADATA, "finalizers"), NULL,
                "no new finalizers can be added if the object is being deleted, found new finalizers "
                "[]string{\"%s\"}",
                n->string);
}

/* Did anything change that a generation counts? */
static bool declared_change(const Node *x, const Node *y, bool has_status)
{
    NODE_EACH (n, x) {
        if (!strcmp(n->key, "metadata") || (has_status && !strcmp(n->key, "status")) ||
            !strcmp(n->key, "apiVersion"))
            continue;
        const Node *other = node_get(y, n->key);
        if (!other || !node_equal(n, other))
            return true;
    }
    return false;
}

static int check_identity(ApiCall *c, Node *m, const Object *old)
{
    const char *name = kube_name(old->node), *given = node_string(node_get(m, "name"));
    const char *version = node_string(node_get(m, "resourceVersion")), *uid = node_string(node_get(m, "uid"));
    int r = set_namespace(c, m);
    if (r < 0)
        return r;
    if (given && strcmp(given, name))
        return call_bad_request(c, "the name of the object (%s) does not match the name on the URL (%s)",
                                given, name);
    if (uid && *uid && strcmp(uid, kube_uid(old->node)))
        return call_conflict(c, c->q->kind, name,
                             "Precondition failed: UID in precondition: %s, UID in object meta: %s", uid,
                             kube_uid(old->node));
    if (version && *version && strcmp(version, kube_resource_version(old->node)))
        return call_conflict(
            c, c->q->kind, name,
            "the object has been modified; please apply your changes to the latest version and "
            "try again");
    if ((!version || !*version) && c->q->kind->custom && c->q->verb == API_UPDATE)
        field_error_add(&c->report, FIELD_INVALID, PATH_KEY(METADATA, "resourceVersion"),
                        node_new_int(c->a, 0), "must be specified for an update");
    return 0;
}

int object_prepare_update(ApiCall *c, const Object *old, Node *object)
{
    static const char *const kept[] = {"name",
                                       "uid",
                                       "creationTimestamp",
                                       "deletionTimestamp",
                                       "deletionGracePeriodSeconds",
                                       "generation",
                                       "resourceVersion",
                                       "selfLink"};
    const ApiKind *k = c->q->kind;
    int r = check_type(c, object);
    Node *m = r < 0 ? NULL : object_metadata(c, object);
    if (r >= 0)
        r = check_identity(c, m, old);
    if (r < 0)
        return r;
    object_taken(c, object);
    keep_the_rest(c, object, old);
    m = object_metadata(c, object);
    const Node *then = node_get(old->node, "metadata");
    for (size_t i = 0; i < ELEMENTS(kept); i++)
        keep_field(c, m, then, kept[i]);
    check_metadata(c, m);
    check_deleting(c, m, then);
    r = kind_prepare(c, k, object, old->node);
    int64_t generation = 0;
    bool status = c->q->version->status;
    if (k->counts && node_int(node_get(m, "generation"), &generation) == 0 &&
        (declared_change(object, old->node, status) || declared_change(old->node, object, status)))
        node_set(c->a, m, "generation", node_new_int(c->a, generation + 1));
    return r < 0 ? r : c->report.errors ? call_invalid(c, k, kube_name(old->node)) : 0;
}
