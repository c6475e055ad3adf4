/* Objects on their way between the store and a call. An object is stored in one version; what a request's
 * version has otherwise is changed here, which for custom kinds is their apiVersion alone (conversion None).
 * Every change goes through object_put() or object_erase(): they keep the record of owners, tell the watches,
 * and note that kinds or roles have changed. */
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "apiserver/api_call.h"
#include "apiserver/disruption.h"
#include "apiserver/human_duration.h"
#include "apiserver/show.h"
#include "format/json.h"
#include "kube/kube_kind.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

const char *time_text(Arena *a, int64_t seconds)
{
    struct tm tm;
    char text[32];
    time_t t = (time_t)seconds;
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    return arena_strdup(a, text);
}

int64_t time_parse(const char *text)
{
    int64_t seconds;
    return text && time_read(text, &seconds) == 0 ? seconds : -1;
}

const char *uid_new(Arena *a)
{
    uint8_t b[16];
    if (getrandom(b, sizeof(b), 0) != sizeof(b))
        abort();
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    return arena_printf(a, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
                        b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                        b[15]);
}

Node *object_metadata(ApiCall *c, Node *object)
{
    Node *m = node_get(object, "metadata");
    if (!m || m->kind != NODE_OBJECT)
        m = node_set(c->a, object, "metadata", node_new(c->a, NODE_OBJECT));
    return m;
}

bool list_has(const Node *list, const char *text)
{
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (n, list)
            if (node_string(n) && !strcmp(n->string, text))
                return true;
    return false;
}

int object_read(ApiCall *c, const char *json, size_t n, Node **ret)
{
    Report r = REPORT_INIT(c->a);
    Source *source = ARENA_NEW(c->a, Source);
    *source = (Source){.name = "object", .text = json, .len = n, .secret = true};
    int code = json_read(c->a, source, SEVERITY_WARNING, ret, &r);
    report_done(&r);
    if (code < 0)
        return call_refuse(c, 500, "InternalError", NULL,
                           "Internal error occurred: a stored object cannot be read");
    return 0;
}

int object_find(ApiCall *c, const ApiKind *k, const char *namespace, const char *name, Object *ret)
{
    StoreKey key = {k->store, namespace ? namespace : "", name};
    StoreObject o;
    Error e = ERROR_INIT;
    int r = store_get(c->api->store, &key, c->a, &o, &e);
    if (r == -ENOENT)
        return r;
    if (r < 0)
        return call_failed(c, &e);
    *ret = (Object){.json = o.json, .n = o.n, .revision = o.revision};
    return object_read(c, o.json, o.n, &ret->node);
}

int object_load(ApiCall *c, const ApiKind *k, const char *namespace, const char *name, Object *ret)
{
    int r = object_find(c, k, namespace, name, ret);
    return r == -ENOENT ? call_not_found(c, k, name) : r;
}

/* ---- changes ---- */

static int record_owners(ApiCall *c, const StoreKey *key, const Node *object, const Node *instead_of)
{
    const Node *now = node_get_path(object, "metadata.ownerReferences"),
               *then = node_get_path(instead_of, "metadata.ownerReferences");
    Error e = ERROR_INIT;
    int r = 0;
    if (then && then->kind == NODE_ARRAY && !(now && node_equal(now, then)))
        NODE_EACH (o, then)
            if (r >= 0 && node_string(node_get(o, "uid")))
                r = store_own(c->api->store, node_string(node_get(o, "uid")), key, false, &e);
    if (now && now->kind == NODE_ARRAY && !(then && node_equal(now, then)))
        NODE_EACH (o, now)
            if (r >= 0 && node_string(node_get(o, "uid")))
                r = store_own(c->api->store, node_string(node_get(o, "uid")), key, true, &e);
    return r < 0 ? call_failed(c, &e) : 0;
}

static void note_change(ApiCall *c, const ApiKind *k, const StoreObject *change)
{
    watch_hub_add(c->api->hub, change);
    disruption_note(c, k, change->key.namespace);
    if (!strcmp(k->kube.group, RBAC_GROUP))
        authz_changed(c->api->authz);
    if (!strcmp(k->store, "customresourcedefinitions.apiextensions.k8s.io"))
        c->api->crds_changed = true;
}

static StoreKey key_of(const ApiKind *k, const Node *node)
{
    const char *namespace = kube_namespace_of(node);
    return (StoreKey){k->store, k->kube.namespaced && namespace ? namespace : "", kube_name(node)};
}

static void write_text(ApiCall *c, Node *node, Object *ret)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    ret->revision = store_revision(c->api->store) + 1;
    node_set_string(c->a, object_metadata(c, node), "resourceVersion",
                    arena_printf(c->a, "%lld", (long long)ret->revision));
    json_write(node, JSON_COMPACT, &b);
    ret->node = node;
    ret->json = arena_memdup(c->a, b.data, b.len);
    ret->n = b.len;
}

/* What was only tried has no revision of its own. */
static void show_as_before(ApiCall *c, const Object *former, Object *o)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    o->node = node_copy(c->a, o->node);
    node_remove(node_get(o->node, "metadata"), "resourceVersion");
    if (former)
        node_set_string(c->a, node_get(o->node, "metadata"), "resourceVersion",
                        kube_resource_version(former->node));
    json_write(o->node, JSON_COMPACT, &b);
    o->json = arena_memdup(c->a, b.data, b.len);
    o->n = b.len;
}

int object_put(ApiCall *c, const ApiKind *k, const Object *former, Node *node, Object *ret)
{
    Object o;
    Error e = ERROR_INIT;
    StoreKey key = key_of(k, node);
    write_text(c, node, &o);
    if (o.n > API_BODY_MAX)
        return call_refuse(c, 413, "RequestEntityTooLarge", NULL, "Request entity too large: limit is %d",
                           API_BODY_MAX);
    int r = store_put(c->api->store, &key, former ? former->revision : 0, o.json, o.n, &e);
    if (r == -EEXIST)
        return call_refuse(c, 409, "AlreadyExists", call_details(c, k, key.name), "%s \"%s\" already exists",
                           k->store, key.name);
    if (r < 0)
        return call_failed(c, &e);
    note_change(c, k,
                &(StoreObject){.key = key,
                               .revision = o.revision,
                               .verb = former ? STORE_MODIFIED : STORE_ADDED,
                               .json = o.json,
                               .n = o.n,
                               .former = former ? former->json : NULL,
                               .former_n = former ? former->n : 0});
    r = record_owners(c, &key, node, former ? former->node : NULL);
    if (r >= 0 && ret)
        *ret = o;
    if (r >= 0 && ret && c->q && c->q->dry_run)
        show_as_before(c, former, ret);
    return r;
}

int object_erase(ApiCall *c, const ApiKind *k, const Object *former)
{
    Object o;
    Error e = ERROR_INIT;
    Node *node = node_copy(c->a, former->node);
    StoreKey key = key_of(k, node);
    write_text(c, node, &o);
    int r = store_remove(c->api->store, &key, former->revision, o.json, o.n, &e);
    if (r < 0)
        return call_failed(c, &e);
    note_change(c, k,
                &(StoreObject){.key = key,
                               .revision = o.revision,
                               .verb = STORE_REMOVED,
                               .json = o.json,
                               .n = o.n,
                               .former = former->json,
                               .former_n = former->n});
    return record_owners(c, &key, NULL, former->node);
}

/* ---- answers ---- */

Node *object_shown(const ApiCall *c, Node *node)
{
    return show_version(c->a, c->q->kind, c->q->version, node);
}

Node *object_taken(const ApiCall *c, Node *node)
{
    return show_stored(c->a, c->q->kind, node);
}

int call_answer(ApiCall *c, unsigned code, const Object *o)
{
    if (show_as_stored(c->q->kind, c->q->version) && c->q->form == WATCH_PLAIN) {
        *c->answer = (ApiAnswer){.code = code, .json = o->json, .n = o->n};
        return 0;
    }
    return call_answer_shown(c, code, object_shown(c, o->node));
}

int call_answer_shown(ApiCall *c, unsigned code, Node *n)
{
    if (c->q->form != WATCH_PLAIN)
        n = show_table(c->a, c->q->version, n, c->now, c->q->form);
    return call_answer_node(c, code, n);
}
