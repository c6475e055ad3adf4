/* The roles and bindings of the store are read whole into memory and kept until one is written: there are
 * few, and every call asks. Rules are matched as kubernetes does (pkg/registry/rbac/validation, apis/rbac/v1
 * evaluation_helpers). What nodes may is no role: it depends on whose an object is. */
#include "apiserver/authz.h"

#include <string.h>

#include "format/json.h"
#include "kube/kube_kind.h"

#define RBAC         ".rbac.authorization.k8s.io"
#define NODE_PREFIX  "system:node:"
#define MACHINES     "machineconfiguration.openshift.io"
#define BOOTSTRAPPER "system:serviceaccount:openshift-machine-config-operator:node-bootstrapper"

struct Authz {
    Store *store;
    Arena *arena;                                              /* NULL: to be read */
    Node *roles, *cluster_roles, *bindings, *cluster_bindings; /* lists */
};

Authz *authz_new(Store *s)
{
    Authz *z = calloc(1, sizeof(*z));
    if (!z)
        abort();
    z->store = s;
    return z;
}

void authz_free(Authz *z)
{
    if (!z)
        return;
    arena_free(z->arena);
    free(z);
}

void authz_changed(Authz *z)
{
    arena_free(z->arena);
    z->arena = NULL;
}

typedef struct Reading {
    Arena *a;
    Node *list;
} Reading;

static Node *parse(Arena *a, const char *json, size_t n)
{
    Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    Node *node = NULL;
    *source = (Source){.name = "object", .text = arena_memdup(a, json, n), .len = n};
    (void)json_read(a, source, SEVERITY_WARNING, &node, &r);
    report_done(&r);
    return node;
}

static int add(void *context, const StoreObject *o)
{
    Reading *x = context;
    Node *n = parse(x->a, o->json, o->n);
    if (n)
        node_append(x->list, n);
    return 0;
}

static Node *read_all(Authz *z, const char *store)
{
    Reading x = {.a = z->arena, .list = node_new(z->arena, NODE_ARRAY)};
    (void)store_list(z->store, &(StoreList){.kind = store}, add, &x, NULL); /* fewer roles: fewer rights */
    return x.list;
}

static void ensure_read(Authz *z)
{
    if (z->arena)
        return;
    z->arena = arena_new();
    z->roles = read_all(z, "roles" RBAC);
    z->cluster_roles = read_all(z, "clusterroles" RBAC);
    z->bindings = read_all(z, "rolebindings" RBAC);
    z->cluster_bindings = read_all(z, "clusterrolebindings" RBAC);
}

/* ---- rules ---- */

static bool has(const Node *list, const char *text)
{
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (n, list)
            if (node_string(n) && (!strcmp(n->string, text) || !strcmp(n->string, "*")))
                return true;
    return false;
}

/* "pods", "pods/status", or any thing of that subresource: the text "*" and "/status". */
static bool has_resource(const Node *list, const char *resource, const char *subresource)
{
    char whole[256], any[256];
    if (!subresource)
        return has(list, resource);
    snprintf(whole, sizeof(whole), "%s/%s", resource, subresource);
    snprintf(any, sizeof(any), "*/%s", subresource);
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (n, list)
            if (node_string(n) &&
                (!strcmp(n->string, whole) || !strcmp(n->string, any) || !strcmp(n->string, "*")))
                return true;
    return false;
}

static bool has_path(const Node *list, const char *path)
{
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (n, list) {
            const char *s = node_string(n);
            size_t len = s ? strlen(s) : 0;
            if (s && (!strcmp(s, path) || (len && s[len - 1] == '*' && !strncmp(s, path, len - 1))))
                return true;
        }
    return false;
}

static bool rule_allows(const Node *rule, const AuthzQuestion *q)
{
    if (!has(node_get(rule, "verbs"), q->verb))
        return false;
    if (q->path)
        return has_path(node_get(rule, "nonResourceURLs"), q->path);
    const Node *names = node_get(rule, "resourceNames");
    if (!has(node_get(rule, "apiGroups"), q->group) ||
        !has_resource(node_get(rule, "resources"), q->resource, q->subresource))
        return false;
    if (!names || names->kind != NODE_ARRAY || !names->n)
        return true;
    NODE_EACH (n, names)
        if (q->name && node_string(n) && !strcmp(n->string, q->name))
            return true;
    return false;
}

static bool is_subject(const Node *s, const ApiUser *u, const char *binding_namespace)
{
    const char *kind = node_string(node_get(s, "kind")), *name = node_string(node_get(s, "name")),
               *namespace = node_string(node_get(s, "namespace"));
    char account[512];
    if (!kind || !name)
        return false;
    if (!strcmp(kind, "User"))
        return !strcmp(name, u->name);
    if (!strcmp(kind, "Group"))
        return api_user_in(u, name);
    if (strcmp(kind, "ServiceAccount") || (!namespace && !binding_namespace))
        return false;
    snprintf(account, sizeof(account), "system:serviceaccount:%s:%s",
             namespace ? namespace : binding_namespace, name);
    return !strcmp(account, u->name);
}

static const Node *find_role(const Node *list, const char *namespace, const char *name)
{
    NODE_EACH (r, list) {
        const char *rn = kube_name(r), *rns = kube_namespace_of(r);
        if (rn && !strcmp(rn, name) && (!namespace || (rns && !strcmp(rns, namespace))))
            return r;
    }
    return NULL;
}

static const Node *role_of(const Authz *z, const Node *binding)
{
    const char *kind = node_string(node_get_path(binding, "roleRef.kind")),
               *name = node_string(node_get_path(binding, "roleRef.name"));
    if (!kind || !name)
        return NULL;
    return !strcmp(kind, "ClusterRole") ? find_role(z->cluster_roles, NULL, name)
                                        : find_role(z->roles, kube_namespace_of(binding), name);
}

typedef bool (*EachRule)(void *context, const Node *rule); /* true: enough */

static bool each_bound(const Authz *z, const Node *bindings, const ApiUser *u, const char *namespace,
                       EachRule each, void *context)
{
    NODE_EACH (b, bindings) {
        const char *in = kube_namespace_of(b);
        const Node *subjects = node_get(b, "subjects"), *role, *rules;
        bool bound = false;
        if (in && (!namespace || strcmp(in, namespace)))
            continue;
        if (subjects && subjects->kind == NODE_ARRAY)
            NODE_EACH (s, subjects)
                bound = bound || is_subject(s, u, in);
        role = bound ? role_of(z, b) : NULL;
        rules = node_get(role, "rules");
        if (rules && rules->kind == NODE_ARRAY)
            NODE_EACH (r, rules)
                if (each(context, r))
                    return true;
    }
    return false;
}

static bool each_rule(Authz *z, const ApiUser *u, const char *namespace, EachRule each, void *context)
{
    ensure_read(z);
    return each_bound(z, z->cluster_bindings, u, NULL, each, context) ||
           (namespace && each_bound(z, z->bindings, u, namespace, each, context));
}

static bool answers(void *context, const Node *rule)
{
    return rule_allows(rule, context);
}

typedef struct Telling {
    void (*each)(void *context, const Node *rule);
    void *context;
} Telling;

static bool tell(void *context, const Node *rule)
{
    Telling *t = context;
    t->each(t->context, rule);
    return false;
}

void authz_rules(Authz *z, const ApiUser *user, const char *namespace,
                 void (*each)(void *context, const Node *rule), void *context)
{
    Telling t = {each, context};
    each_rule(z, user, namespace, tell, &t);
}

/* ---- nodes, and machines that want to become some ---- */

static bool verb_in(const AuthzQuestion *q, const char *verbs)
{
    size_t n = strlen(q->verb);
    for (const char *p = verbs; (p = strstr(p, q->verb)); p++)
        if ((p == verbs || p[-1] == ' ') && (!p[n] || p[n] == ' '))
            return true;
    return false;
}

static bool is_kind(const AuthzQuestion *q, const char *group, const char *resource)
{
    return q->group && !strcmp(q->group, group) && !strcmp(q->resource, resource);
}

/* One field of one object of the store. */
static bool field_is(const Authz *z, const char *store, const AuthzQuestion *q, const char *field,
                     const char *wanted)
{
    _cleanup_arena_ Arena *a = arena_new();
    StoreKey key = {store, q->namespace ? q->namespace : "", q->name};
    StoreObject o;
    if (!q->name || store_get(z->store, &key, a, &o, NULL) < 0)
        return false;
    const char *s = node_string(node_get_path(parse(a, o.json, o.n), field));
    return s && !strcmp(s, wanted);
}

/* Does the field selector bind `field` to `value`, alone or beside others? */
static bool selector_says(const char *selector, const char *field, const char *value)
{
    char term[600];
    size_t n = (size_t)snprintf(term, sizeof(term), "%s=%s", field, value);
    for (const char *p = selector; p && n < sizeof(term); p = strchr(p, ','), p = p ? p + 1 : NULL)
        if (!strncmp(p, term, n) && (!p[n] || p[n] == ','))
            return true;
    return false;
}

static bool own_csr(const Authz *z, const AuthzQuestion *q)
{
    const char *user = q->user->name;
    AuthzQuestion named = *q;
    char name[600];
    if (!is_kind(q, "certificates.k8s.io", "certificatesigningrequests") || q->subresource)
        return false;
    if (!strcmp(q->verb, "create"))
        return true;
    if (verb_in(q, "list watch") && !q->name && q->field_selector &&
        !strncmp(q->field_selector, "metadata.name=", 14)) {
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(q->field_selector + 14, ","),
                 q->field_selector + 14);
        named.name = name;
    }
    return verb_in(q, "get list watch") &&
           field_is(z, "certificatesigningrequests.certificates.k8s.io", &named, "spec.username", user);
}

static bool node_may_pods(const Authz *z, const AuthzQuestion *q, const char *node)
{
    if (verb_in(q, "list watch"))
        return selector_says(q->field_selector, "spec.nodeName", node);
    if (!strcmp(q->verb, "create") && !q->subresource) {
        const char *on = node_string(node_get_path(q->body, "spec.nodeName"));
        return on && !strcmp(on, node);
    }
    bool own = field_is(z, "pods", q, "spec.nodeName", node);
    if (!q->subresource)
        return own && verb_in(q, "get delete");
    return own && ((!strcmp(q->subresource, "status") && verb_in(q, "get update patch")) ||
                   (!strcmp(q->subresource, "eviction") && !strcmp(q->verb, "create")));
}

static bool node_may(const Authz *z, const AuthzQuestion *q)
{
    const char *node = q->user->name + sizeof(NODE_PREFIX) - 1;
    bool own = q->name && !strcmp(q->name, node);
    if (is_kind(q, "", "nodes")) {
        if (!strcmp(q->verb, "create"))
            return !q->subresource && kube_name(q->body) && !strcmp(kube_name(q->body), node);
        if (verb_in(q, "list watch"))
            return own || selector_says(q->field_selector, "metadata.name", node);
        return own && verb_in(q, "get update patch") &&
               (!q->subresource || !strcmp(q->subresource, "status"));
    }
    if (is_kind(q, "", "pods"))
        return node_may_pods(z, q, node);
    if (is_kind(q, "coordination.k8s.io", "leases"))
        return q->namespace && !strcmp(q->namespace, "kube-node-lease") && !q->subresource &&
               (own ? verb_in(q, "get update patch delete")
                    : !strcmp(q->verb, "create") && kube_name(q->body) && !strcmp(kube_name(q->body), node));
    if (is_kind(q, "", "events") || is_kind(q, "events.k8s.io", "events"))
        return verb_in(q, "create patch update") && !q->subresource;
    if (q->group && !strcmp(q->group, MACHINES)) /* what it is to be */
        return verb_in(q, "get list watch") && !q->subresource;
    if (is_kind(q, "apps", "daemonsets")) /* which pods a drain leaves */
        return !strcmp(q->verb, "get") && !q->subresource;
    return own_csr(z, q);
}

bool authz_allows(Authz *z, const AuthzQuestion *q)
{
    const ApiUser *u = q->user;
    if (api_user_in(u, "system:masters"))
        return true;
    if (!q->path && api_user_in(u, "system:nodes") &&
        !strncmp(u->name, NODE_PREFIX, sizeof(NODE_PREFIX) - 1) && node_may(z, q))
        return true;
    if (!q->path && (api_user_in(u, "system:bootstrappers") || !strcmp(u->name, BOOTSTRAPPER)) &&
        own_csr(z, q))
        return true;
    return each_rule(z, u, q->namespace, answers, (void *)q);
}

const char *authz_reason(Arena *a, const AuthzQuestion *q)
{
    if (q->path)
        return arena_printf(a, "User \"%s\" cannot %s path \"%s\"", q->user->name, q->verb, q->path);
    const char *what = arena_printf(a, "%s%s%s", q->resource, q->subresource ? "/" : "",
                                    q->subresource ? q->subresource : "");
    const char *base = arena_printf(a, "User \"%s\" cannot %s resource \"%s\" in API group \"%s\"",
                                    q->user->name, q->verb, what, q->group);
    return q->namespace ? arena_printf(a, "%s in the namespace \"%s\"", base, q->namespace)
                        : arena_printf(a, "%s at the cluster scope", base);
}
