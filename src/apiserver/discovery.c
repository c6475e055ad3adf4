/* The documents of apimachinery's metav1: APIVersions, APIGroupList, APIGroup, APIResourceList. Clients that
 * would rather have all in one (apidiscovery.k8s.io) take these when they get them instead. */
#include "apiserver/discovery.h"

#include <string.h>

#define EACH_KIND(k, t) for (size_t i_ = 0; (k = kind_table_at(t, i_)); i_++)

static Node *document(Arena *a, const char *kind)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "kind", kind);
    node_set_string(a, n, "apiVersion", "v1");
    return n;
}

static Node *texts(Arena *a, const char *words)
{
    Node *list = node_new(a, NODE_ARRAY);
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        node_append(list, node_new_string_n(a, p, n));
        p += n + (p[n] == ' ');
    }
    return list;
}

/* ---- groups ---- */

static Node *version_of(Arena *a, const char *group, const char *version)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "groupVersion", arena_printf(a, "%s/%s", group, version));
    node_set_string(a, n, "version", version);
    return n;
}

static void add_versions(Arena *a, Node *list, const ApiKind *k)
{
    for (size_t i = 0; i < k->n_versions; i++) {
        bool there = false;
        NODE_EACH (v, list)
            there = there || !strcmp(node_string(node_get(v, "version")), k->versions[i].name);
        if (!there)
            node_append(list, version_of(a, k->kube.group, k->versions[i].name));
    }
}

static Node *group_of(Arena *a, const KindTable *t, const char *group)
{
    Node *n = node_new(a, NODE_OBJECT), *versions;
    const ApiKind *k;
    node_set_string(a, n, "name", group);
    versions = node_set(a, n, "versions", node_new(a, NODE_ARRAY));
    EACH_KIND(k, t)
    if (!strcmp(k->kube.group, group))
        add_versions(a, versions, k);
    if (!versions->n)
        return NULL;
    node_set(a, n, "preferredVersion", node_copy(a, versions->first));
    return n;
}

static Node *groups(Arena *a, const KindTable *t)
{
    Node *n = document(a, "APIGroupList"), *list = node_set(a, n, "groups", node_new(a, NODE_ARRAY));
    const ApiKind *k;
    EACH_KIND(k, t)
    {
        bool there = !*k->kube.group;
        NODE_EACH (g, list)
            there = there || !strcmp(node_string(node_get(g, "name")), k->kube.group);
        Node *g = there ? NULL : group_of(a, t, k->kube.group);
        if (g)
            node_append(list, g);
    }
    return n;
}

static Node *core_versions(Arena *a)
{
    Node *n = node_new(a, NODE_OBJECT), *addresses, *one = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "kind", "APIVersions");
    node_set(a, n, "versions", texts(a, "v1"));
    addresses = node_set(a, n, "serverAddressByClientCIDRs", node_new(a, NODE_ARRAY));
    node_set_string(a, one, "clientCIDR", "0.0.0.0/0");
    node_set_string(a, one, "serverAddress", "");
    node_append(addresses, one);
    return n;
}

/* ---- resources ---- */

static Node *resource(Arena *a, const ApiKind *k, const char *subresource, const char *kind,
                      const char *verbs)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "name",
                    subresource ? arena_printf(a, "%s/%s", k->kube.plural, subresource) : k->kube.plural);
    node_set_string(a, n, "singularName", subresource ? "" : k->singular);
    node_set(a, n, "namespaced", node_new_bool(a, k->kube.namespaced));
    node_set_string(a, n, "kind", kind);
    node_set(a, n, "verbs", texts(a, verbs));
    return n;
}

static const struct {
    const char *name, *kind, *group, *version, *verbs; /* kind NULL: the object's own */
} subresources[] = {
    {"approval", NULL, NULL, NULL, "get patch update"},
    {"binding", "Binding", NULL, NULL, "create"},
    {"eviction", "Eviction", "policy", "v1", "create"},
    {"finalize", NULL, NULL, NULL, "update"},
    {"token", "TokenRequest", "authentication.k8s.io", "v1", "create"},
};

static void add_resources(Arena *a, Node *list, const ApiKind *k, const KindVersion *v)
{
    Node *n = resource(a, k, NULL, k->kube.kind,
                       k->review ? "create" : "create delete deletecollection get list patch update watch");
    if (*k->short_names)
        node_set(a, n, "shortNames", texts(a, k->short_names));
    if (*k->categories)
        node_set(a, n, "categories", texts(a, k->categories));
    node_append(list, n);
    for (size_t i = 0; i < ELEMENTS(subresources); i++) {
        const char *at = strstr(k->subresources, subresources[i].name);
        if (!at)
            continue;
        n = resource(a, k, subresources[i].name, subresources[i].kind ? subresources[i].kind : k->kube.kind,
                     subresources[i].verbs);
        node_set_string(a, n, "group", subresources[i].group);
        node_set_string(a, n, "version", subresources[i].version);
        node_append(list, n);
    }
    if (v->status)
        node_append(list, resource(a, k, "status", k->kube.kind, "get patch update"));
}

static Node *resources(Arena *a, const KindTable *t, const char *group, const char *version)
{
    Node *n = document(a, "APIResourceList"), *list;
    const ApiKind *k;
    node_set_string(a, n, "groupVersion", *group ? arena_printf(a, "%s/%s", group, version) : version);
    list = node_set(a, n, "resources", node_new(a, NODE_ARRAY));
    EACH_KIND(k, t)
    {
        const KindVersion *v = strcmp(k->kube.group, group) ? NULL : api_kind_version(k, version);
        if (v)
            add_resources(a, list, k, v);
    }
    return list->n ? n : NULL;
}

Node *discovery_answer(Arena *a, const KindTable *t, const char *path)
{
    char *copy = arena_strdup(a, path), *save = NULL, *parts[4] = {0};
    size_t n = 0;
    for (char *p = strtok_r(copy, "/", &save); p && n < ELEMENTS(parts); p = strtok_r(NULL, "/", &save))
        parts[n++] = p;
    if (!n || n > 3)
        return NULL;
    if (!strcmp(parts[0], "api"))
        return n == 1                              ? core_versions(a)
               : n == 2 && !strcmp(parts[1], "v1") ? resources(a, t, "", "v1")
                                                   : NULL;
    if (strcmp(parts[0], "apis"))
        return NULL;
    if (n == 1)
        return groups(a, t);
    if (n == 3)
        return resources(a, t, parts[1], parts[2]);
    Node *g = group_of(a, t, parts[1]), *d = document(a, "APIGroup");
    if (!g)
        return NULL;
    NODE_EACH (x, g)
        node_set(a, d, x->key, node_copy(a, x));
    return d;
}

Node *discovery_version(Arena *a)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "major", "1");
    node_set_string(a, n, "minor", "32");
    node_set_string(a, n, "gitVersion", "v1.32.0+basalt-" BASALT_VERSION);
    node_set_string(a, n, "gitCommit", "");
    node_set_string(a, n, "gitTreeState", "clean");
    node_set_string(a, n, "buildDate", "1970-01-01T00:00:00Z");
    node_set_string(a, n, "goVersion", "none");
    node_set_string(a, n, "compiler", "cc");
    node_set_string(a, n, "platform", "linux/amd64");
    return n;
}
