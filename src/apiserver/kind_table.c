/* Rows of built-in kinds: as kubernetes/kubernetes registers them (pkg/registry, the storage of each group),
 * those that a machine fleet and its tools need. */
#include "apiserver/kind_table.h"

#include <ctype.h>
#include <string.h>

#include "apiserver/crd_schema.h"
#include "apiserver/table.h"
#include "format/report.h"

typedef struct Row {
    const char *group, *versions, *kind, *plural, *short_names, *categories, *subresources;
    bool namespaced, status, review, counts;
    const char *store;
} Row;

#define RBAC  "rbac.authorization.k8s.io"
#define AUTHZ "authorization.k8s.io"
#define AUTHN "authentication.k8s.io"
static const Row rows[] = {
    {"", "v1", "ConfigMap", "configmaps", "cm", "", "", true},
    {"", "v1", "Endpoints", "endpoints", "ep", "", "", true},
    {"", "v1", "Event", "events", "ev", "", "", true},
    {"", "v1", "Namespace", "namespaces", "ns", "", "finalize", false, true},
    {"", "v1", "Node", "nodes", "no", "", "", false, true},
    {"", "v1", "Pod", "pods", "po", "all", "binding eviction", true, true},
    {"", "v1", "Secret", "secrets", "", "", "", true},
    {"", "v1", "ServiceAccount", "serviceaccounts", "sa", "", "token", true},
    {"", "v1", "Service", "services", "svc", "all", "", true, true},
    {"apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "crd crds",
     "api-extensions", "", false, true, .counts = true},
    {"apps", "v1", "DaemonSet", "daemonsets", "ds", "all", "", true, true, .counts = true},
    {"apps", "v1", "Deployment", "deployments", "deploy", "all", "", true, true, .counts = true},
    {"apps", "v1", "ReplicaSet", "replicasets", "rs", "all", "", true, true, .counts = true},
    {AUTHN, "v1", "SelfSubjectReview", "selfsubjectreviews", "", "", "", false, .review = true},
    {AUTHN, "v1", "TokenReview", "tokenreviews", "", "", "", false, .review = true},
    {AUTHZ, "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews", "", "", "", true, .review = true},
    {AUTHZ, "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", "", "", "", false, .review = true},
    {AUTHZ, "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", "", "", "", false, .review = true},
    {AUTHZ, "v1", "SubjectAccessReview", "subjectaccessreviews", "", "", "", false, .review = true},
    {"certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests", "csr", "",
     "approval", false, true},
    {"coordination.k8s.io", "v1", "Lease", "leases", "", "", "", true},
    {"events.k8s.io", "v1", "Event", "events", "ev", "", "", true, .store = "events"},
    {"policy", "v1 v1beta1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", "", "", true, true,
     .counts = true},
    {RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", "", "", "", false},
    {RBAC, "v1", "ClusterRole", "clusterroles", "", "", "", false},
    {RBAC, "v1", "RoleBinding", "rolebindings", "", "", "", true},
    {RBAC, "v1", "Role", "roles", "", "", "", true},
};

struct KindTable {
    Arena *arena; /* of the built-in ones */
    ApiKind built_in[ELEMENTS(rows)];
    struct Custom {
        struct Custom *next;
        Arena *arena;
        const char *crd;
        ApiKind kind;
    } * custom, *gone;
};

static char *lower(Arena *a, const char *s)
{
    char *copy = arena_strdup(a, s);
    for (char *p = copy; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return copy;
}

static void fill_built_in(Arena *a, const Row *row, ApiKind *k)
{
    KindVersion *versions = ARENA_ARRAY(a, KindVersion, KIND_VERSIONS_MAX);
    char *words = arena_strdup(a, row->versions);
    size_t n = 0;
    for (char *save, *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
        versions[n++] = (KindVersion){.name = w, .status = row->status};
    const KubeKind shown = {row->store ? "" : row->group, versions[0].name, row->kind, row->plural,
                            row->namespaced};
    for (size_t i = 0; i < n; i++)
        versions[i].columns = table_columns_builtin(&shown);
    *k = (ApiKind){
        .kube = {row->group, versions[0].name, row->kind, row->plural, row->namespaced},
        .singular = lower(a, row->kind),
        .list_kind = arena_printf(a, "%sList", row->kind),
        .short_names = row->short_names,
        .categories = row->categories,
        .subresources = row->subresources,
        .versions = versions,
        .n_versions = n,
        .store = row->store    ? row->store
                 : *row->group ? arena_printf(a, "%s.%s", row->plural, row->group)
                               : row->plural,
        .review = row->review,
        .counts = row->counts,
    };
}

KindTable *kind_table_new(void)
{
    KindTable *t = calloc(1, sizeof(*t));
    if (!t)
        abort();
    t->arena = arena_new();
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        fill_built_in(t->arena, &rows[i], &t->built_in[i]);
    return t;
}

static void free_all(struct Custom *c)
{
    for (struct Custom *next; c; c = next) {
        next = c->next;
        arena_free(c->arena);
        free(c);
    }
}

void kind_table_free(KindTable *t)
{
    if (!t)
        return;
    free_all(t->custom);
    free_all(t->gone);
    arena_free(t->arena);
    free(t);
}

const ApiKind *kind_table_at(const KindTable *t, size_t i)
{
    if (i < ELEMENTS(rows))
        return &t->built_in[i];
    i -= ELEMENTS(rows);
    struct Custom *c = t->custom;
    while (c && i--)
        c = c->next;
    return c ? &c->kind : NULL;
}

#define EACH_KIND(k, t) for (size_t i_ = 0; (k = kind_table_at(t, i_)); i_++)

const ApiKind *kind_table_find(const KindTable *t, const char *group, const char *plural)
{
    const ApiKind *k;
    EACH_KIND(k, t)
    if (!strcmp(k->kube.group, group) && !strcmp(k->kube.plural, plural))
        return k;
    return NULL;
}

const ApiKind *kind_table_of_kind(const KindTable *t, const char *group, const char *kind)
{
    const ApiKind *k;
    EACH_KIND(k, t)
    if (!strcmp(k->kube.group, group) && !strcmp(k->kube.kind, kind))
        return k;
    return NULL;
}

const ApiKind *kind_table_stored(const KindTable *t, const char *store)
{
    const ApiKind *k;
    EACH_KIND(k, t)
    if (!strcmp(k->store, store))
        return k;
    return NULL;
}

const KindVersion *api_kind_version(const ApiKind *k, const char *version)
{
    for (size_t i = 0; i < k->n_versions; i++)
        if (!strcmp(k->versions[i].name, version))
            return &k->versions[i];
    return NULL;
}

/* ---- kinds of CRDs ---- */

static const char *words(Arena *a, const Node *list)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (list)
        NODE_EACH (w, list)
            if (node_string(w))
                buf_addf(&b, "%s%s", b.len ? " " : "", w->string);
    return arena_strdup(a, b.data ? b.data : "");
}

static bool is_true(const Node *n)
{
    return n && n->kind == NODE_BOOL && n->boolean;
}

static KindVersion read_version(Arena *a, const Node *v)
{
    const Node *schema = node_get_path(v, "schema.openAPIV3Schema"), *sub = node_get(v, "subresources");
    KindVersion out = {.name = node_string(node_get(v, "name")),
                       .status = node_get(sub, "status") != NULL,
                       .scale = node_get(sub, "scale") != NULL,
                       .schema_node = schema};
    Report r = REPORT_INIT(a);
    CrdSchema *read = NULL;
    TableColumns *columns = NULL;
    if (schema && crd_schema_read(a, schema, &read, &r) >= 0)
        out.schema = read;
    if (table_columns_read(a, node_get(v, "additionalPrinterColumns"), &columns, &r) < 0)
        (void)table_columns_read(a, NULL, &columns, &r);
    out.columns = columns;
    report_done(&r);
    return out;
}

/* v10 > v2 > v1 > v1beta2 > v1beta1 > v1alpha1 > others by name. */
static int rank(const char *v, int *major, int *minor)
{
    char stage[6] = "";
    *major = *minor = 0;
    int n = sscanf(v, "v%d%5[a-z]%d", major, stage, minor);
    if (n == 1)
        return 3;
    return n == 3 && !strcmp(stage, "beta") ? 2 : n == 3 && !strcmp(stage, "alpha") ? 1 : 0;
}

static int by_version(const void *x, const void *y)
{
    const KindVersion *a = x, *b = y;
    int am, an, bm, bn, ar = rank(a->name, &am, &an), br = rank(b->name, &bm, &bn);
    if (ar != br)
        return br - ar;
    if (am != bm && ar)
        return bm - am;
    return an != bn && ar ? bn - an : strcmp(a->name, b->name);
}

static void fill_custom(Arena *a, const Node *crd, ApiKind *k)
{
    const Node *spec = node_get(crd, "spec"), *names = node_get(spec, "names");
    KindVersion *versions = ARENA_ARRAY(a, KindVersion, KIND_VERSIONS_MAX);
    const char *stored = "", *scope = node_string(node_get(spec, "scope"));
    size_t n = 0;
    NODE_EACH (v, node_get(spec, "versions")) {
        if (is_true(node_get(v, "storage")))
            stored = node_string(node_get(v, "name"));
        if (is_true(node_get(v, "served")) && n < KIND_VERSIONS_MAX)
            versions[n++] = read_version(a, v);
    }
    qsort(versions, n, sizeof(*versions), by_version);
    const char *group = node_string(node_get(spec, "group"));
    const char *kind = node_string(node_get(names, "kind"));
    const char *plural = node_string(node_get(names, "plural"));
    const char *singular = node_string(node_get(names, "singular")),
               *list = node_string(node_get(names, "listKind"));
    *k = (ApiKind){.kube = {group, stored, kind, plural, scope && !strcmp(scope, "Namespaced")},
                   .singular = singular ? singular : lower(a, kind),
                   .list_kind = list ? list : arena_printf(a, "%sList", kind),
                   .short_names = words(a, node_get(names, "shortNames")),
                   .categories = words(a, node_get(names, "categories")),
                   .subresources = "",
                   .versions = versions,
                   .n_versions = n,
                   .store = arena_printf(a, "%s.%s", plural, group),
                   .custom = true,
                   .counts = true};
}

static void retire(KindTable *t, struct Custom **p)
{
    struct Custom *c = *p;
    *p = c->next;
    c->next = t->gone;
    t->gone = c;
}

int kind_table_put(KindTable *t, const Node *crd, int64_t revision)
{
    struct Custom *c = calloc(1, sizeof(*c));
    if (!c)
        abort();
    c->arena = arena_new();
    const Node *copy = node_copy(c->arena, crd);
    c->crd = node_string(node_get_path(copy, "metadata.name"));
    fill_custom(c->arena, copy, &c->kind);
    c->kind.crd_revision = revision;
    struct Custom **p = &t->custom;
    for (; *p; p = &(*p)->next)
        if (!strcmp((*p)->crd, c->crd)) {
            retire(t, p);
            break;
        }
    c->next = *p;
    *p = c;
    return 0;
}

void kind_table_retain(KindTable *t, bool (*keep)(void *context, const char *crd_name), void *context)
{
    for (struct Custom **p = &t->custom; *p;)
        if (keep(context, (*p)->crd))
            p = &(*p)->next;
        else
            retire(t, p);
}
