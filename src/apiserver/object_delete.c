/* Deletion. An object goes at once unless somebody has to know before: finalizers, the grace of a pod that is
 * on a node, a namespace with contents. What it owned is looked at when it is gone (or, foreground, before),
 * within the same call: what has no other owner goes too. There is no kubelet that every pod could wait for:
 * a pod whose grace is over goes by the clock (api_tick()), if its node's agent has not removed it before. */
#include <string.h>

#include "apiserver/api_call.h"
#include "apiserver/disruption.h"
#include "kube/kube_kind.h"

#define FOREGROUND "foregroundDeletion"
enum { DELETIONS_MAX = 100000, GRACE_DEFAULT = 30 };

/* Something to look at when the object itself is done. */
typedef struct Doomed {
    struct Doomed *next;
    enum { DEPENDENTS, OWNER, NAMESPACE } what;
    const char *uid;
    const ApiKind *kind;
    const char *namespace, *name;
    bool foreground;
} Doomed;

static void push(ApiCall *c, const Doomed *d)
{
    Doomed *copy = ARENA_NEW(c->a, Doomed), **p = &c->doomed;
    *copy = *d;
    while (*p)
        p = &(*p)->next;
    *p = copy;
}

static bool is_true(const Node *n)
{
    return n && n->kind == NODE_BOOL && n->boolean;
}

int delete_options_read(ApiCall *c, DeleteOptions *ret)
{
    const Node *b = c->q->body, *p = node_get(b, "preconditions");
    const char *grace = c->q->grace;
    *ret = (DeleteOptions){.grace = -1, .propagation = c->q->propagation};
    if (node_string(node_get(b, "propagationPolicy")))
        ret->propagation = node_string(node_get(b, "propagationPolicy"));
    else if (is_true(node_get(b, "orphanDependents")))
        ret->propagation = "Orphan";
    ret->uid = node_string(node_get(p, "uid"));
    ret->resource_version = node_string(node_get(p, "resourceVersion"));
    if (grace)
        ret->grace = strtoll(grace, NULL, 10);
    if (node_get(b, "gracePeriodSeconds") && node_get(b, "gracePeriodSeconds")->kind != NODE_NULL &&
        node_int(node_get(b, "gracePeriodSeconds"), &ret->grace) < 0)
        return call_bad_request(c, "gracePeriodSeconds must be a number");
    const char *w = ret->propagation;
    if (w && strcmp(w, "Orphan") && strcmp(w, "Background") && strcmp(w, "Foreground"))
        return call_bad_request(
            c,
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: "
            "\"%s\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
            w);
    return 0;
}

static int check_preconditions(ApiCall *c, const ApiKind *k, const Object *o, const DeleteOptions *d)
{
    const char *name = kube_name(o->node);
    if (d->uid && strcmp(d->uid, kube_uid(o->node)))
        return call_conflict(c, k, name,
                             "Precondition failed: UID in precondition: %s, UID in object meta: %s", d->uid,
                             kube_uid(o->node));
    if (d->resource_version && strcmp(d->resource_version, kube_resource_version(o->node)))
        return call_conflict(
            c, k, name,
            "Precondition failed: ResourceVersion in precondition: %s, ResourceVersion in object meta: %s",
            d->resource_version, kube_resource_version(o->node));
    return 0;
}

/* ---- gone ---- */

static void push_owners(ApiCall *c, const Node *object)
{
    const Node *owners = node_get_path(object, "metadata.ownerReferences");
    if (!owners || owners->kind != NODE_ARRAY)
        return;
    NODE_EACH (o, owners) {
        const char *version = node_string(node_get(o, "apiVersion")),
                   *kind = node_string(node_get(o, "kind"));
        const char *slash = version ? strchr(version, '/') : NULL;
        const char *group = slash ? arena_printf(c->a, "%.*s", (int)(slash - version), version) : "";
        const ApiKind *k = kind ? kind_table_of_kind(c->api->kinds, group, kind) : NULL;
        if (k)
            push(c, &(Doomed){.what = OWNER,
                              .uid = node_string(node_get(o, "uid")),
                              .kind = k,
                              .namespace = k->kube.namespaced ? kube_namespace_of(object) : NULL,
                              .name = node_string(node_get(o, "name"))});
    }
}

typedef struct Keys {
    ApiCall *c;
    Doomed *first, **end;
} Keys;

static int add_key(void *context, const StoreObject *o)
{
    Keys *keys = context;
    Doomed *d = ARENA_NEW(keys->c->a, Doomed);
    *d = (Doomed){.kind = kind_table_stored(keys->c->api->kinds, o->key.kind),
                  .uid = arena_strdup(keys->c->a, o->key.kind),
                  .namespace = arena_strdup(keys->c->a, o->key.namespace),
                  .name = arena_strdup(keys->c->a, o->key.name)};
    *keys->end = d;
    keys->end = &d->next;
    return 0;
}

/* All objects of a kind, and of a namespace when it is not NULL. */
static int delete_all(ApiCall *c, const ApiKind *k, const char *namespace)
{
    Keys keys = {.c = c};
    Error e = ERROR_INIT;
    keys.end = &keys.first;
    int r =
        store_list(c->api->store, &(StoreList){.kind = k->store, .namespace = namespace}, add_key, &keys, &e);
    if (r < 0)
        return call_failed(c, &e);
    for (Doomed *d = keys.first; d && r >= 0; d = d->next) {
        Object o;
        r = object_find(c, k, d->namespace, d->name, &o);
        if (r >= 0)
            r = object_delete(c, k, &o, &(DeleteOptions){.grace = -1}, NULL);
        else if (r == -ENOENT)
            r = 0;
    }
    return r;
}

static int erase(ApiCall *c, const ApiKind *k, const Object *o)
{
    if (++c->deletions > DELETIONS_MAX)
        return call_refuse(c, 500, "InternalError", NULL,
                           "Internal error occurred: more than %d deletions in one", DELETIONS_MAX);
    int r = object_erase(c, k, o);
    if (r < 0)
        return r;
    push(c, &(Doomed){.what = DEPENDENTS, .uid = kube_uid(o->node)});
    push_owners(c, o->node);
    if (k->kube.namespaced)
        push(c, &(Doomed){.what = NAMESPACE, .name = kube_namespace_of(o->node)});
    return 1;
}

/* ---- on its way ---- */

static int mark(ApiCall *c, const ApiKind *k, const Object *o, int64_t grace, Object *ret)
{
    Node *node = node_copy(c->a, o->node), *m = object_metadata(c, node);
    int64_t generation;
    Object ignored;
    if (!node_get(m, "deletionTimestamp") && node_int(node_get(m, "generation"), &generation) == 0)
        node_set(c->a, m, "generation", node_new_int(c->a, generation + 1));
    node_set_string(c->a, m, "deletionTimestamp", time_text(c->a, c->now + grace));
    node_set(c->a, m, "deletionGracePeriodSeconds", node_new_int(c->a, grace));
    if (!strcmp(k->store, "namespaces"))
        node_set_string(c->a, node_get(node, "status"), "phase", "Terminating");
    if (!strcmp(k->store, "pods"))
        object_deadline(c, node);
    return object_put(c, k, o, node, ret ? ret : &ignored);
}

static Node *without(ApiCall *c, const Node *list, const char *text)
{
    Node *out = node_new(c->a, NODE_ARRAY);
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (n, list)
            if (!node_string(n) || strcmp(n->string, text))
                node_append(out, node_copy(c->a, n));
    return out;
}

static int64_t pod_grace(const Object *o, const DeleteOptions *d)
{
    const char *phase = node_string(node_get_path(o->node, "status.phase"));
    int64_t grace = d->grace, former;
    if (grace < 0 && node_int(node_get_path(o->node, "spec.terminationGracePeriodSeconds"), &grace) < 0)
        grace = GRACE_DEFAULT;
    if (!node_string(node_get_path(o->node, "spec.nodeName")) ||
        (phase && (!strcmp(phase, "Succeeded") || !strcmp(phase, "Failed"))))
        return 0;
    if (node_int(node_get_path(o->node, "metadata.deletionGracePeriodSeconds"), &former) == 0 &&
        former < grace)
        return former;
    return grace;
}

static int orphan(ApiCall *c, const char *uid);

static bool has_finalizers(const Node *object)
{
    const Node *f = node_get_path(object, "metadata.finalizers");
    return f && f->kind == NODE_ARRAY && f->n;
}

static int delete_namespace(ApiCall *c, const ApiKind *k, const Object *o, Object *ret)
{
    const char *name = kube_name(o->node);
    const ApiKind *each;
    static const char *const kept[] = {"default", "kube-system", "kube-public"};
    for (size_t i = 0; i < ELEMENTS(kept); i++)
        if (!strcmp(name, kept[i]))
            return call_forbidden(c, k, name, "this namespace may not be deleted");
    Object marked = *o;
    int r = node_get_path(o->node, "metadata.deletionTimestamp") ? 0 : mark(c, k, o, 0, &marked);
    if (ret)
        *ret = marked;
    for (size_t i = 0; r >= 0 && (each = kind_table_at(c->api->kinds, i)); i++)
        if (each->kube.namespaced && !each->review)
            r = delete_all(c, each, name);
    push(c, &(Doomed){.what = NAMESPACE, .name = name});
    return r < 0 ? r : 0;
}

static int delete_in_foreground(ApiCall *c, const ApiKind *k, const Object *o, Object *ret)
{
    Object with = *o;
    Node *node = node_copy(c->a, o->node), *m = object_metadata(c, node);
    Node *list = without(c, node_get(m, "finalizers"), FOREGROUND);
    node_append(list, node_new_string(c->a, FOREGROUND));
    node_set(c->a, m, "finalizers", list);
    with.node = node;
    int r = mark(c, k, &with, 0, ret);
    push(c, &(Doomed){.what = DEPENDENTS, .uid = kube_uid(o->node), .foreground = true});
    push(c, &(Doomed){.what = OWNER,
                      .uid = kube_uid(o->node),
                      .kind = k,
                      .namespace = kube_namespace_of(o->node),
                      .name = kube_name(o->node)});
    return r;
}

int object_delete(ApiCall *c, const ApiKind *k, const Object *o, const DeleteOptions *d, Object *ret)
{
    bool deleting = node_get_path(o->node, "metadata.deletionTimestamp") != NULL;
    int r = check_preconditions(c, k, o, d);
    if (r < 0)
        return r;
    if (ret)
        *ret = *o;
    if (!strcmp(k->store, "namespaces"))
        return delete_namespace(c, k, o, ret);
    if (!strcmp(k->store, "customresourcedefinitions.apiextensions.k8s.io")) {
        const ApiKind *made = kind_table_stored(c->api->kinds, kube_name(o->node));
        r = made && made->custom ? delete_all(c, made, NULL) : 0;
        if (made && made->custom)
            watch_hub_end(c->api->hub, made);
    }
    if (r >= 0 && d->propagation && !strcmp(d->propagation, "Orphan"))
        r = orphan(c, kube_uid(o->node));
    if (r < 0)
        return r;
    if (d->propagation && !strcmp(d->propagation, "Foreground") && !deleting)
        return delete_in_foreground(c, k, o, ret);
    int64_t grace = !strcmp(k->store, "pods") ? pod_grace(o, d) : 0, former = 0;
    bool same = node_int(node_get_path(o->node, "metadata.deletionGracePeriodSeconds"), &former) == 0 &&
                former == grace;
    if (grace > 0 || has_finalizers(o->node))
        return deleting && same ? 0 : mark(c, k, o, grace, ret);
    return erase(c, k, o);
}

int object_delete_if_done(ApiCall *c, const ApiKind *k, const Object *o)
{
    int64_t grace = 0;
    if (!node_get_path(o->node, "metadata.deletionTimestamp") || has_finalizers(o->node) ||
        !strcmp(k->store, "namespaces"))
        return 0;
    (void)node_int(node_get_path(o->node, "metadata.deletionGracePeriodSeconds"), &grace);
    return grace > 0 ? 0 : erase(c, k, o);
}

/* ---- dependents and owners ---- */

static bool owner_lives(ApiCall *c, const Node *ref, const char *namespace)
{
    const char *version = node_string(node_get(ref, "apiVersion")),
               *kind = node_string(node_get(ref, "kind"));
    const char *slash = version ? strchr(version, '/') : NULL, *name = node_string(node_get(ref, "name"));
    const char *group = slash ? arena_printf(c->a, "%.*s", (int)(slash - version), version) : "";
    const ApiKind *k = kind && name ? kind_table_of_kind(c->api->kinds, group, kind) : NULL;
    Object o;
    return k && object_find(c, k, k->kube.namespaced ? namespace : NULL, name, &o) >= 0 &&
           !strcmp(kube_uid(o.node), node_string(node_get(ref, "uid"))) &&
           !node_get_path(o.node, "metadata.deletionTimestamp");
}

/* The owner is left out of the dependent's list. */
static int drop_owner(ApiCall *c, const ApiKind *k, const Object *o, const char *uid)
{
    Node *node = node_copy(c->a, o->node), *left = node_new(c->a, NODE_ARRAY);
    const Node *list = node_get_path(o->node, "metadata.ownerReferences");
    NODE_EACH (ref, list)
        if (!node_string(node_get(ref, "uid")) || strcmp(node_get(ref, "uid")->string, uid))
            node_append(left, node_copy(c->a, ref));
    if (left->n)
        node_set(c->a, node_get(node, "metadata"), "ownerReferences", left);
    else
        node_remove(node_get(node, "metadata"), "ownerReferences");
    return object_put(c, k, o, node, NULL);
}

static bool has_other_owner(ApiCall *c, const Object *o, const char *uid)
{
    const Node *list = node_get_path(o->node, "metadata.ownerReferences");
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (ref, list)
            if (node_string(node_get(ref, "uid")) && strcmp(node_get(ref, "uid")->string, uid) &&
                owner_lives(c, ref, kube_namespace_of(o->node)))
                return true;
    return false;
}

static Doomed *owned_by(ApiCall *c, const char *uid)
{
    Keys keys = {.c = c};
    keys.end = &keys.first;
    (void)store_owned(c->api->store, uid, add_key, &keys, NULL);
    return keys.first;
}

static int orphan(ApiCall *c, const char *uid)
{
    int r = 0;
    for (const Doomed *d = owned_by(c, uid); d && r >= 0; d = d->next) {
        Object o;
        if (d->kind && object_find(c, d->kind, d->namespace, d->name, &o) >= 0)
            r = drop_owner(c, d->kind, &o, uid);
    }
    return r;
}

static int collect_dependents(ApiCall *c, const Doomed *owner)
{
    int r = 0;
    for (const Doomed *d = owned_by(c, owner->uid); d && r >= 0; d = d->next) {
        Object o;
        if (!d->kind || object_find(c, d->kind, d->namespace, d->name, &o) < 0) {
            r = store_own(c->api->store, owner->uid, &(StoreKey){d->uid, d->namespace, d->name}, false, NULL);
            continue;
        }
        DeleteOptions how = {.grace = -1, .propagation = owner->foreground ? "Foreground" : "Background"};
        if (has_other_owner(c, &o, owner->uid))
            r = drop_owner(c, d->kind, &o, owner->uid);
        else
            r = object_delete(c, d->kind, &o, &how, NULL);
    }
    return r;
}

/* An owner that only waited for its dependents. */
static int finish_owner(ApiCall *c, const Doomed *d)
{
    Object o;
    if (!d->uid || object_find(c, d->kind, d->namespace, d->name, &o) < 0 ||
        strcmp(kube_uid(o.node), d->uid) ||
        !list_has(node_get_path(o.node, "metadata.finalizers"), FOREGROUND))
        return 0;
    for (const Doomed *x = owned_by(c, d->uid); x; x = x->next) {
        Object dependent;
        if (!x->kind || object_find(c, x->kind, x->namespace, x->name, &dependent) < 0)
            continue;
        NODE_EACH (ref, node_get_path(dependent.node, "metadata.ownerReferences"))
            if (node_string(node_get(ref, "uid")) && !strcmp(node_get(ref, "uid")->string, d->uid) &&
                is_true(node_get(ref, "blockOwnerDeletion")))
                return 0;
    }
    Node *node = node_copy(c->a, o.node), *m = node_get(node, "metadata");
    Node *left = without(c, node_get(m, "finalizers"), FOREGROUND);
    if (left->n)
        node_set(c->a, m, "finalizers", left);
    else
        node_remove(m, "finalizers");
    int r = object_put(c, d->kind, &o, node, &o);
    return r < 0 ? r : object_delete_if_done(c, d->kind, &o);
}

static int stop_at_first(void *context, const StoreObject *o)
{
    (void)o;
    *(bool *)context = true;
    return -ECANCELED;
}

int namespace_finish(ApiCall *c, const char *name)
{
    const ApiKind *namespaces = kind_table_find(c->api->kinds, "", "namespaces"), *each;
    Object o;
    bool found = false;
    if (object_find(c, namespaces, NULL, name, &o) < 0 ||
        !node_get_path(o.node, "metadata.deletionTimestamp") || has_finalizers(o.node))
        return 0;
    for (size_t i = 0; !found && (each = kind_table_at(c->api->kinds, i)); i++)
        if (each->kube.namespaced)
            (void)store_list(c->api->store, &(StoreList){.kind = each->store, .namespace = name, .limit = 1},
                             stop_at_first, &found, NULL);
    return found ? 0 : erase(c, namespaces, &o);
}

int object_collect(ApiCall *c)
{
    int r = 0;
    while (c->doomed && r >= 0) {
        const Doomed *d = c->doomed;
        c->doomed = d->next;
        if (d->what == DEPENDENTS)
            r = collect_dependents(c, d);
        else if (d->what == OWNER)
            r = finish_owner(c, d);
        else
            r = namespace_finish(c, d->name);
    }
    return r < 0 ? r : disruption_refresh(c);
}

/* ---- the verbs ---- */

int call_delete(ApiCall *c)
{
    Object o, now;
    DeleteOptions d;
    int r = object_load(c, c->q->kind, c->q->namespace, c->q->name, &o);
    if (r >= 0)
        r = delete_options_read(c, &d);
    if (r >= 0)
        r = object_delete(c, c->q->kind, &o, &d, &now);
    if (r < 0)
        return r;
    if (r == 0 || !strcmp(c->q->kind->store, "pods"))
        return call_answer(c, 200, &now);
    return call_success(c, c->q->kind, o.node);
}

int call_delete_collection(ApiCall *c)
{
    ApiAnswer list = {0};
    DeleteOptions d;
    ApiRequest q = *c->q;
    ApiCall listing = *c;
    int r = delete_options_read(c, &d);
    if (r < 0)
        return r;
    q.form = WATCH_PLAIN;
    q.limit = 0;
    q.continue_token = q.resource_version = NULL;
    listing.q = &q;
    listing.answer = &list;
    r = call_list(&listing);
    Node *n;
    if (r >= 0)
        r = object_read(c, list.json, list.n, &n);
    if (r < 0) {
        *c->answer = list;
        return r;
    }
    NODE_EACH (item, node_get(n, "items")) {
        Object o;
        r = object_find(c, q.kind, kube_namespace_of(item), kube_name(item), &o);
        if (r >= 0)
            r = object_delete(c, q.kind, &o, &d, NULL);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    *c->answer = list;
    return 0;
}

/* ---- pods whose grace is over ---- */

void object_deadline(ApiCall *c, const Node *pod)
{
    int64_t at = time_parse(node_string(node_get_path(pod, "metadata.deletionTimestamp")));
    if (at >= 0 && (!c->api->next_deadline || at < c->api->next_deadline))
        c->api->next_deadline = at;
}

static int add_deleting(void *context, const StoreObject *o)
{
    return strstr(o->json, "\"deletionTimestamp\"") ? add_key(context, o) : 0;
}

static void expire_pods(Api *api)
{
    _cleanup_arena_ Arena *a = arena_new();
    ApiAnswer answer = {0};
    ApiRequest q = {.kind = kind_table_find(api->kinds, "", "pods")};
    q.version = &q.kind->versions[0];
    ApiCall c = {.api = api, .a = a, .q = &q, .answer = &answer, .now = api->now(), .report = REPORT_INIT(a)};
    Keys keys = {.c = &c};
    keys.end = &keys.first;
    api->next_deadline = 0;
    api->deadlines_known = true;
    (void)store_list(api->store, &(StoreList){.kind = "pods"}, add_deleting, &keys, NULL);
    for (const Doomed *d = keys.first; d; d = d->next) {
        Object o;
        if (object_find(&c, q.kind, d->namespace, d->name, &o) < 0)
            continue;
        int64_t at = time_parse(node_string(node_get_path(o.node, "metadata.deletionTimestamp")));
        if (at < 0 || has_finalizers(o.node))
            continue;
        if (at > c.now)
            object_deadline(&c, o.node);
        else if (store_begin(api->store, NULL) >= 0) {
            size_t told = watch_hub_pending(api->hub);
            bool good = erase(&c, q.kind, &o) >= 0 && object_collect(&c) >= 0;
            if (!good)
                watch_hub_forget(api->hub, told);
            store_end(api->store, good, NULL);
        }
    }
}

int api_tick(Api *api)
{
    if (!api->deadlines_known || (api->next_deadline && api->now() >= api->next_deadline))
        expire_pods(api);
    watch_hub_tick(api->hub);
    return 1000;
}
