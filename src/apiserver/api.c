/* The order of a call: may the user; then what the verb does, inside a mark of the store; what was refused or
 * only tried (dry run) is undone as a whole, what the watches would be told too. */
#include "apiserver/api.h"

#include <string.h>

#include "apiserver/api_call.h"
#include "apiserver/bootstrap.h"
#include "apiserver/crd_rules.h"
#include "apiserver/token.h"
#include "base/clock.h"
#include "kube/kube_kind.h"

static const struct {
    const char *name;
    int (*run)(ApiCall *c);
    bool writes;
} verbs[] = {
    [API_GET] = {"get", call_get, false},
    [API_LIST] = {"list", call_list, false},
    [API_WATCH] = {"watch", call_watch, false},
    [API_CREATE] = {"create", call_create, true},
    [API_UPDATE] = {"update", call_update, true},
    [API_PATCH] = {"patch", call_patch, true},
    [API_DELETE] = {"delete", call_delete, true},
    [API_DELETE_COLLECTION] = {"deletecollection", call_delete_collection, true},
};

/* Of a subresource that is no part of the object. */
static const struct {
    const char *plural, *subresource;
    ApiVerb verb;
    int (*run)(ApiCall *c);
} actions[] = {
    {"pods", "eviction", API_CREATE, call_evict},
    {"pods", "binding", API_CREATE, call_bind},
    {"serviceaccounts", "token", API_CREATE, call_token},
};

const char *api_verb_name(ApiVerb v)
{
    return verbs[v].name;
}

bool api_user_in(const ApiUser *u, const char *group)
{
    for (size_t i = 0; i < u->n_groups; i++)
        if (!strcmp(u->groups[i], group))
            return true;
    return false;
}

static int64_t clock_now(void)
{
    return (int64_t)time(NULL);
}

static int authorize(ApiCall *c)
{
    const ApiRequest *q = c->q;
    const AuthzQuestion question = {.user = q->user,
                                    .verb = verbs[q->verb].name,
                                    .group = q->kind->kube.group,
                                    .resource = q->kind->kube.plural,
                                    .subresource = q->subresource,
                                    .namespace = q->namespace,
                                    .name = q->name,
                                    .field_selector = q->field_selector,
                                    .body = q->body};
    if (authz_allows(c->api->authz, &question))
        return 0;
    return call_forbidden(c, q->kind, q->name, "%s", authz_reason(c->a, &question));
}

static int find_action(ApiCall *c, int (**ret)(ApiCall *))
{
    const ApiRequest *q = c->q;
    *ret = verbs[q->verb].run;
    if (q->kind->review) {
        *ret = call_review;
        return q->verb == API_CREATE ? 0 : -EOPNOTSUPP;
    }
    if (!q->subresource)
        return 0;
    for (size_t i = 0; i < ELEMENTS(actions); i++)
        if (!strcmp(actions[i].plural, q->kind->kube.plural) &&
            !strcmp(actions[i].subresource, q->subresource)) {
            *ret = actions[i].run;
            return q->verb == actions[i].verb ? 0 : -EOPNOTSUPP;
        }
    return q->verb == API_GET || q->verb == API_UPDATE || q->verb == API_PATCH ? 0 : -EOPNOTSUPP;
}

static int run_marked(ApiCall *c, int (*action)(ApiCall *))
{
    Error e = ERROR_INIT;
    size_t told = watch_hub_pending(c->api->hub);
    if (store_begin(c->api->store, &e) < 0)
        return call_failed(c, &e);
    int r = action(c);
    if (r >= 0)
        r = object_collect(c);
    bool keep = r >= 0 && !c->q->dry_run;
    if (!keep) {
        watch_hub_forget(c->api->hub, told);
        authz_changed(c->api->authz);
    }
    if (store_end(c->api->store, keep, &e) < 0)
        r = call_failed(c, &e);
    if (c->api->crds_changed && crd_sync(c->api, &e) < 0 && r >= 0)
        r = call_failed(c, &e);
    return r;
}

void api_call(Api *api, Arena *a, const ApiRequest *q, ApiAnswer *ret)
{
    ApiCall c = {.api = api, .a = a, .q = q, .answer = ret, .now = api->now(), .report = REPORT_INIT(a)};
    int (*action)(ApiCall *) = NULL;
    *ret = (ApiAnswer){0};
    int r = find_action(&c, &action);
    if (r < 0)
        r = call_refuse(&c, 405, "MethodNotAllowed", call_details(&c, q->kind, NULL),
                        "the server does not allow this method on the requested resource");
    else if (authorize(&c) >= 0) {
        if (verbs[q->verb].writes && !q->kind->review)
            run_marked(&c, action);
        else
            action(&c);
    }
    report_done(&c.report);
}

bool api_dirty(const Api *api)
{
    return store_dirty(api->store);
}

int api_commit(Api *api, Error *e)
{
    int r = store_commit(api->store, e);
    if (r >= 0) {
        watch_hub_publish(api->hub);
        return 0;
    }
    watch_hub_forget(api->hub, 0);
    authz_changed(api->authz);
    (void)crd_sync(api, NULL);
    return r;
}

const KindTable *api_kinds(const Api *api)
{
    return api->kinds;
}

int api_new(const ApiOptions *o, Api **ret, Error *e)
{
    _cleanup_(api_freep)
    Api *api = calloc(1, sizeof(*api));
    if (!api)
        abort();
    api->now = o->now ? o->now : clock_now;
    api->kinds = kind_table_new();
    api->ca = o->ca ? strdup(o->ca) : NULL;
    int r = store_open(o->directory, o->quick, &api->store, e);
    if (r < 0)
        return r;
    api->hub = watch_hub_new(api->store, api->now);
    api->authz = authz_new(api->store);
    r = crd_sync(api, e);
    if (r >= 0)
        r = bootstrap_objects(api, e);
    if (r >= 0)
        r = token_key_load(api, e);
    if (r >= 0)
        r = api_commit(api, e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(api);
    return 0;
}

void api_free(Api *api)
{
    if (!api)
        return;
    watch_hub_free(api->hub);
    authz_free(api->authz);
    store_free(api->store);
    kind_table_free(api->kinds);
    explicit_bzero(api->token_key, sizeof(api->token_key));
    free(api->ca);
    free(api);
}
