/* Objects that are only answers: may I, may they, what may I, who am I, whose token is this. */
#include <string.h>

#include "apiserver/api_call.h"
#include "kube/kube_kind.h"

static const char *text_or(const Node *n, const char *otherwise)
{
    return node_string(n) && *n->string ? n->string : otherwise;
}

static Node *user_node(ApiCall *c, const ApiUser *u)
{
    Node *n = node_new(c->a, NODE_OBJECT), *groups = node_new(c->a, NODE_ARRAY);
    node_set_string(c->a, n, "username", u->name);
    node_set_string(c->a, n, "uid", u->uid && *u->uid ? u->uid : NULL);
    for (size_t i = 0; i < u->n_groups; i++)
        node_append(groups, node_new_string(c->a, u->groups[i]));
    if (groups->n)
        node_set(c->a, n, "groups", groups);
    return n;
}

static AuthzQuestion question_of(const Node *spec, const ApiUser *u)
{
    const Node *r = node_get(spec, "resourceAttributes"), *p = node_get(spec, "nonResourceAttributes");
    const char *selector = node_string(node_get_path(r, "fieldSelector.rawSelector"));
    if (p)
        return (AuthzQuestion){
            .user = u, .verb = text_or(node_get(p, "verb"), ""), .path = text_or(node_get(p, "path"), "")};
    return (AuthzQuestion){.user = u,
                           .verb = text_or(node_get(r, "verb"), ""),
                           .group = text_or(node_get(r, "group"), ""),
                           .resource = text_or(node_get(r, "resource"), ""),
                           .subresource = text_or(node_get(r, "subresource"), NULL),
                           .namespace = text_or(node_get(r, "namespace"), NULL),
                           .name = text_or(node_get(r, "name"), NULL),
                           .field_selector = selector};
}

static ApiUser other_user(ApiCall *c, const Node *spec)
{
    const Node *groups = node_get(spec, "groups");
    ApiUser u = {.name = text_or(node_get(spec, "user"), ""), .uid = text_or(node_get(spec, "uid"), "")};
    if (groups && groups->kind == NODE_ARRAY) {
        const char **list = ARENA_ARRAY(c->a, const char *, groups->n + 1);
        NODE_EACH (g, groups)
            if (node_string(g))
                list[u.n_groups++] = g->string;
        u.groups = list;
    }
    return u;
}

static int answer(ApiCall *c, Node *status)
{
    Node *n = node_copy(c->a, c->q->body);
    Node *m = object_metadata(c, n);
    if (!node_get(m, "creationTimestamp"))
        node_set(c->a, m, "creationTimestamp", node_new(c->a, NODE_NULL));
    node_set(c->a, n, "status", status);
    return call_answer_node(c, 201, n);
}

static int access_review(ApiCall *c, bool self)
{
    const Node *spec = node_get(c->q->body, "spec");
    ApiUser other = self ? *c->q->user : other_user(c, spec);
    AuthzQuestion q = question_of(spec, &other);
    Node *status = node_new(c->a, NODE_OBJECT);
    if (!node_get(spec, "resourceAttributes") == !node_get(spec, "nonResourceAttributes"))
        return call_bad_request(
            c, "exactly one of nonResourceAttributes or resourceAttributes must be specified");
    node_set(c->a, status, "allowed", node_new_bool(c->a, authz_allows(c->api->authz, &q)));
    return answer(c, status);
}

typedef struct Rules {
    ApiCall *c;
    Node *resources, *others;
} Rules;

static void add_rule(void *context, const Node *rule)
{
    Rules *x = context;
    node_append(node_get(rule, "nonResourceURLs") ? x->others : x->resources, node_copy(x->c->a, rule));
}

static int rules_review(ApiCall *c)
{
    const char *namespace = text_or(node_get_path(c->q->body, "spec.namespace"), "default");
    Node *status = node_new(c->a, NODE_OBJECT);
    Rules x = {c, node_new(c->a, NODE_ARRAY), node_new(c->a, NODE_ARRAY)};
    authz_rules(c->api->authz, c->q->user, namespace, add_rule, &x);
    node_set(c->a, status, "resourceRules", x.resources);
    node_set(c->a, status, "nonResourceRules", x.others);
    node_set(c->a, status, "incomplete", node_new_bool(c->a, api_user_in(c->q->user, "system:nodes")));
    return answer(c, status);
}

static int token_review(ApiCall *c)
{
    const char *token = text_or(node_get_path(c->q->body, "spec.token"), "");
    Node *status = node_new(c->a, NODE_OBJECT);
    ApiUser u;
    bool good = api_token_user(c->api, c->a, token, &u) >= 0;
    node_set(c->a, status, "authenticated", node_new_bool(c->a, good));
    if (good)
        node_set(c->a, status, "user", user_node(c, &u));
    return answer(c, status);
}

static int self_review(ApiCall *c)
{
    Node *status = node_new(c->a, NODE_OBJECT);
    node_set(c->a, status, "userInfo", user_node(c, c->q->user));
    return answer(c, status);
}

int call_review(ApiCall *c)
{
    const char *kind = c->q->kind->kube.kind;
    if (!c->q->body || c->q->body->kind != NODE_OBJECT)
        return call_bad_request(c, "the request has no object in its body");
    if (!strcmp(kind, "SelfSubjectAccessReview"))
        return access_review(c, true);
    if (!strcmp(kind, "SelfSubjectRulesReview"))
        return rules_review(c);
    if (!strcmp(kind, "SelfSubjectReview"))
        return self_review(c);
    if (!strcmp(kind, "TokenReview"))
        return token_review(c);
    return access_review(c, false);
}
