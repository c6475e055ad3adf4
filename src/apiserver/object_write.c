/* create, update, patch: the way of an object into the store. An update of a subresource is an update of the
 * object whose rest stays. A write that changes nothing writes nothing. */
#include <string.h>

#include "apiserver/api_call.h"
#include "apiserver/field_error.h"
#include "apiserver/managed_fields.h"
#include "apiserver/object_patch.h"
#include "kube/kube_kind.h"

static FieldManager manager_of(const ApiCall *c)
{
    KubeKind *shown = ARENA_NEW(c->a, KubeKind);
    *shown = c->q->kind->kube;
    shown->version = c->q->version->name;
    return (FieldManager){.kind = shown,
                          .schema = c->q->version->schema,
                          .manager = c->q->field_manager,
                          .subresource = c->q->subresource,
                          .now = c->now,
                          .force = c->q->force};
}

static void own_fields(ApiCall *c, const Node *old, Node *object)
{
    const FieldManager m = manager_of(c);
    managed_fields_update(c->a, &m, old, object);
}

static int create(ApiCall *c, Node *object)
{
    Object o;
    int r = object_prepare_new(c, object);
    if (r < 0)
        return r;
    object = object_taken(c, object);
    if (!c->applied)
        own_fields(c, NULL, object);
    r = object_put(c, c->q->kind, NULL, object, &o);
    return r < 0 ? r : call_answer(c, 201, &o);
}

int call_create(ApiCall *c)
{
    if (!c->q->body)
        return call_bad_request(c, "the request has no body");
    return create(c, node_copy(c->a, c->q->body));
}

/* Approvals are added by whoever may approve; what was decided stays. */
static int check_approval(ApiCall *c, Node *object)
{
    Node *list = node_get_path(object, "status.conditions");
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (n, list) {
            if (!node_get(n, "status"))
                node_set_string(c->a, n, "status", "True");
            if (!node_get(n, "lastUpdateTime"))
                node_set_string(c->a, n, "lastUpdateTime", time_text(c->a, c->now));
            if (!node_get(n, "lastTransitionTime"))
                node_set_string(c->a, n, "lastTransitionTime", time_text(c->a, c->now));
        }
    return 0;
}

static int finish_update(ApiCall *c, const Object *old, Node *object, unsigned code)
{
    Object o;
    bool approval = c->q->subresource && !strcmp(c->q->subresource, "approval");
    if (approval) { /* as a status: the rest stays */
        ApiRequest status = *c->q;
        const ApiRequest *asked = c->q;
        status.subresource = "status";
        check_approval(c, object);
        c->q = &status;
        int r = object_prepare_update(c, old, object);
        c->q = asked;
        if (r < 0)
            return r;
    } else {
        int r = object_prepare_update(c, old, object);
        if (r < 0)
            return r;
    }
    if (!c->applied && !node_equal(old->node, object))
        own_fields(c, old->node, object);
    if (managed_fields_same(old->node, object))
        return call_answer(c, code, old);
    int r = object_put(c, c->q->kind, old, object, &o);
    if (r >= 0)
        r = object_delete_if_done(c, c->q->kind, &o);
    return r < 0 ? r : call_answer(c, code, &o);
}

/* Who updates what is not there makes it, where the kind allows that. */
static bool creates_on_update(const ApiKind *k)
{
    return !strcmp(k->kube.plural, "leases") || !strcmp(k->kube.plural, "events");
}

int call_update(ApiCall *c)
{
    Object old;
    if (!c->q->body)
        return call_bad_request(c, "the request has no body");
    int r = object_find(c, c->q->kind, c->q->namespace, c->q->name, &old);
    Node *object = node_copy(c->a, c->q->body);
    if (r == -ENOENT && creates_on_update(c->q->kind) && !c->q->subresource)
        return create(c, object);
    if (r == -ENOENT)
        return call_not_found(c, c->q->kind, c->q->name);
    return r < 0 ? r : finish_update(c, &old, object, 200);
}

/* ---- patches ---- */

static int refuse_patch(ApiCall *c, int r, const Error *e)
{
    const ApiKind *k = c->q->kind;
    if (r == -EOPNOTSUPP)
        return call_refuse(c, 415, "UnsupportedMediaType", NULL,
                           "the body of the request was in an unknown format - accepted media types include: "
                           "application/json-patch+json, application/merge-patch+json, "
                           "application/apply-patch+yaml");
    if (r == -EBADMSG)
        return call_bad_request(c, "%s", e->text);
    if (r == -E2BIG)
        return call_refuse(c, 413, "RequestEntityTooLarge", NULL, "%s", e->text);
    Node *details = call_details(c, k, c->q->name), *causes = node_new(c->a, NODE_ARRAY),
         *cause = node_new(c->a, NODE_OBJECT);
    node_set_string(c->a, cause, "reason", "UnexpectedServerResponse");
    node_set_string(c->a, cause, "message", e->text);
    node_append(causes, cause);
    node_set(c->a, details, "causes", causes);
    return call_refuse(c, 422, "Invalid", details,
                       "the server rejected our request due to an error in our request");
}

/* What is patched is the object as the request's version has it. */
static int apply_patch(ApiCall *c, const Object *old, Node **ret)
{
    const ApiKind *k = c->q->kind;
    Node *target = object_shown(c, node_copy(c->a, old->node));
    Error e = ERROR_INIT;
    int r = -EOPNOTSUPP;
    if (c->q->patch == KUBE_PATCH_MERGE)
        r = object_patch_merge(c->a, target, c->q->body, ret, &e);
    else if (c->q->patch == KUBE_PATCH_JSON)
        r = object_patch_json(c->a, target, c->q->body, ret, &e);
    else if (c->q->patch == KUBE_PATCH_STRATEGIC && !k->custom)
        r = object_patch_strategic(c->a, &k->kube, target, c->q->body, ret, &e);
    return r < 0 ? refuse_patch(c, r, &e) : 0;
}

static int apply(ApiCall *c, const Object *old)
{
    Node *object = NULL, *status = NULL;
    Error e = ERROR_INIT;
    const FieldManager m = manager_of(c);
    Node *live = old ? object_shown(c, node_copy(c->a, old->node)) : NULL;
    if (!c->q->field_manager)
        return call_bad_request(c,
                                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is "
                                "required for apply patch");
    int r = managed_fields_apply(c->a, &m, live, c->q->body, &object, &status, &e);
    if (r == -ESTALE && status) {
        call_answer_node(c, 409, status);
        return REFUSED;
    }
    if (r < 0)
        return call_bad_request(c, "%s", e.text);
    c->applied = true;
    if (old)
        return finish_update(c, old, object, 200);
    return create(c, object);
}

int call_patch(ApiCall *c)
{
    Object old;
    Node *object = NULL;
    if (!c->q->body)
        return call_bad_request(c, "the request has no body");
    int r = object_find(c, c->q->kind, c->q->namespace, c->q->name, &old);
    if (c->q->patch == KUBE_PATCH_APPLY && (r >= 0 || r == -ENOENT) && !(r < 0 && c->q->subresource))
        return apply(c, r < 0 ? NULL : &old);
    if (r == -ENOENT)
        return call_not_found(c, c->q->kind, c->q->name);
    if (r >= 0)
        r = apply_patch(c, &old, &object);
    return r < 0 ? r : finish_update(c, &old, object, 200);
}

/* A pod comes to a node. */
int call_bind(ApiCall *c)
{
    Object old, o;
    const char *node = node_string(node_get_path(c->q->body, "target.name"));
    if (!node)
        return call_bad_request(c, "a binding needs target.name");
    int r = object_load(c, c->q->kind, c->q->namespace, c->q->name, &old);
    if (r < 0)
        return r;
    Node *object = node_copy(c->a, old.node), *spec = node_get(object, "spec");
    if (node_string(node_get(spec, "nodeName")))
        return call_conflict(c, c->q->kind, c->q->name, "pod %s is already assigned to node \"%s\"",
                             c->q->name, node_string(node_get(spec, "nodeName")));
    node_set_string(c->a, spec, "nodeName", node);
    r = object_put(c, c->q->kind, &old, object, &o);
    return r < 0 ? r : call_success(c, c->q->kind, object);
}
