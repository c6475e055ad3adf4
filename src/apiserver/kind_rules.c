/* What the built-in kinds, and those of Basalt, set by themselves and refuse, beyond what all objects have. A
 * row a kind; kinds without one are stored as they come. */
#include <string.h>

#include "apiserver/api_call.h"
#include "apiserver/crd_rules.h"
#include "apiserver/crd_schema.h"
#include "apiserver/field_error.h"
#include "apiserver/unknown_fields.h"
#include "format/data_url.h"
#include "kube/kube_kind.h"
#include "machineconfig/machine_config.h"
#include "machineconfig/machine_config_pool.h"

typedef int (*Rule)(ApiCall *c, Node *object, const Node *old);

static Node *part(ApiCall *c, Node *object, const char *key)
{
    Node *n = node_get(object, key);
    return n && n->kind == NODE_OBJECT ? n : node_set(c->a, object, key, node_new(c->a, NODE_OBJECT));
}

static void set_default(ApiCall *c, Node *object, const char *key, const char *value)
{
    if (!node_get(object, key))
        node_set_string(c->a, object, key, value);
}

static int prepare_namespace(ApiCall *c, Node *object, const Node *old)
{
    node_set_string(c->a, part(c, object_metadata(c, object), "labels"), "kubernetes.io/metadata.name",
                    kube_name(object));
    if (!old) {
        Node *finalizers = node_set(c->a, part(c, object, "spec"), "finalizers", node_new(c->a, NODE_ARRAY));
        node_append(finalizers, node_new_string(c->a, "kubernetes"));
        node_set_string(c->a, part(c, object, "status"), "phase", "Active");
    }
    return 0;
}

static void prepare_container(ApiCall *c, Node *n, const PathStep *path)
{
    if (!node_string(node_get(n, "name")))
        field_error_add(&c->report, FIELD_REQUIRED, PATH_KEY(path, "name"), NULL, "%s", "");
    if (!node_string(node_get(n, "image")))
        field_error_add(&c->report, FIELD_REQUIRED, PATH_KEY(path, "image"), NULL, "%s", "");
    if (n->kind != NODE_OBJECT)
        return;
    set_default(c, n, "imagePullPolicy", "IfNotPresent");
    set_default(c, n, "terminationMessagePath", "/dev/termination-log");
    set_default(c, n, "terminationMessagePolicy", "File");
    part(c, n, "resources");
}

static int prepare_pod(ApiCall *c, Node *object, const Node *old)
{
    Node *spec = part(c, object, "spec"), *containers = node_get(spec, "containers");
    const PathStep *path = PATH_KEY(PATH_KEY(NULL, "spec"), "containers");
    size_t i = 0;
    if (!containers || containers->kind != NODE_ARRAY || !containers->n)
        field_error_add(&c->report, FIELD_REQUIRED, path, NULL, "%s", "");
    else
        NODE_EACH (n, containers)
            prepare_container(c, n, PATH_INDEX(path, i++));
    set_default(c, spec, "restartPolicy", "Always");
    set_default(c, spec, "dnsPolicy", "ClusterFirst");
    set_default(c, spec, "schedulerName", "default-scheduler");
    part(c, spec, "securityContext");
    if (!node_get(spec, "terminationGracePeriodSeconds"))
        node_set(c->a, spec, "terminationGracePeriodSeconds", node_new_int(c->a, 30));
    if (!node_get(spec, "enableServiceLinks"))
        node_set(c->a, spec, "enableServiceLinks", node_new_bool(c->a, true));
    if (!old) {
        Node *status = part(c, object, "status");
        node_set_string(c->a, status, "phase", "Pending");
        set_default(c, status, "qosClass", "BestEffort");
        return 0;
    }
    const char *was = node_string(node_get_path(old, "spec.nodeName")),
               *is = node_string(node_get(spec, "nodeName"));
    if (was && (!is || strcmp(was, is)))
        field_error_add(&c->report, FIELD_FORBIDDEN, PATH_KEY(NULL, "spec"), NULL,
                        "pod updates may not change fields other than `spec.containers[*].image`, "
                        "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or `spec.tolerations` "
                        "(only additions to existing tolerations)");
    return 0;
}

/* Texts become data; data must be base64. */
static int prepare_secret(ApiCall *c, Node *object, const Node *old)
{
    Node *texts = node_get(object, "stringData"), *data;
    const PathStep *path = PATH_KEY(NULL, "data");
    set_default(c, object, "type", "Opaque");
    if (texts && texts->kind == NODE_OBJECT)
        NODE_EACH (t, texts) {
            _cleanup_buf_ Buf b = BUF_INIT;
            if (!node_string(t))
                continue;
            base64_encode(t->string, t->len, &b);
            node_set(c->a, part(c, object, "data"), t->key,
                     node_new_string_n(c->a, b.data ? b.data : "", b.len));
        }
    node_remove(object, "stringData");
    data = node_get(object, "data");
    if (data && data->kind == NODE_OBJECT)
        NODE_EACH (d, data) {
            _cleanup_buf_ Buf b = BUF_INIT;
            if (d->kind == NODE_STRING ? base64_decode(d->string, d->len, &b) < 0 : d->kind != NODE_NULL)
                return call_bad_request(
                    c,
                    "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 "
                    "data in data.%s",
                    d->key);
        }
    const char *type = node_string(node_get(object, "type"));
    const char *was = old ? node_string(node_get(old, "type")) : NULL;
    if (was && type && strcmp(was, type))
        field_error_add(&c->report, FIELD_INVALID, PATH_KEY(NULL, "type"), node_get(object, "type"),
                        "field is immutable");
    const Node *fixed = old ? node_get(old, "immutable") : NULL;
    if (fixed && fixed->kind == NODE_BOOL && fixed->boolean && data && node_get(old, "data") &&
        !node_equal(data, node_get(old, "data")))
        field_error_add(&c->report, FIELD_FORBIDDEN, path, NULL,
                        "field is immutable when `immutable` is set");
    return 0;
}

static int prepare_config_map(ApiCall *c, Node *object, const Node *old)
{
    const Node *data = node_get(object, "data"), *fixed = old ? node_get(old, "immutable") : NULL;
    if (data && data->kind == NODE_OBJECT)
        NODE_EACH (d, data)
            if (d->kind != NODE_STRING)
                return call_bad_request(
                    c,
                    "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot "
                    "unmarshal %s into Go struct field ConfigMap.data of type string",
                    d->kind == NODE_NUMBER  ? "number"
                    : d->kind == NODE_BOOL  ? "bool"
                    : d->kind == NODE_NULL  ? "null"
                    : d->kind == NODE_ARRAY ? "array"
                                            : "object");
    if (fixed && fixed->kind == NODE_BOOL && fixed->boolean && node_get(old, "data") &&
        (!data || !node_equal(data, node_get(old, "data"))))
        field_error_add(&c->report, FIELD_FORBIDDEN, PATH_KEY(NULL, "data"), NULL,
                        "field is immutable when `immutable` is set");
    return 0;
}

/* Who asks is written down by the server. */
static int prepare_csr(ApiCall *c, Node *object, const Node *old)
{
    Node *spec = part(c, object, "spec");
    _cleanup_buf_ Buf pem = BUF_INIT;
    if (old) {
        if (!c->q->subresource && node_get(old, "spec"))
            node_set(c->a, object, "spec", node_copy(c->a, node_get(old, "spec")));
        return 0;
    }
    const Node *request = node_get(spec, "request"), *signer = node_get(spec, "signerName"),
               *usages = node_get(spec, "usages");
    const PathStep *path = PATH_KEY(NULL, "spec");
    if (!node_string(request) || base64_decode(request->string, request->len, &pem) < 0 || !pem.data ||
        !strstr(pem.data, "-----BEGIN CERTIFICATE REQUEST-----"))
        field_error_add(&c->report, FIELD_INVALID, PATH_KEY(path, "request"), request,
                        "PEM block type must be CERTIFICATE REQUEST");
    if (!node_string(signer) || !*signer->string)
        field_error_add(&c->report, FIELD_REQUIRED, PATH_KEY(path, "signerName"), NULL, "%s", "");
    if (!usages || usages->kind != NODE_ARRAY || !usages->n)
        field_error_add(&c->report, FIELD_REQUIRED, PATH_KEY(path, "usages"), NULL,
                        "usages are required so that consumers know what the certificate is for");
    Node *groups = node_new(c->a, NODE_ARRAY);
    for (size_t i = 0; i < c->q->user->n_groups; i++)
        node_append(groups, node_new_string(c->a, c->q->user->groups[i]));
    node_set_string(c->a, spec, "username", c->q->user->name);
    node_set(c->a, spec, "groups", groups);
    node_remove(spec, "uid");
    node_remove(spec, "extra");
    if (c->q->user->uid && *c->q->user->uid)
        node_set_string(c->a, spec, "uid", c->q->user->uid);
    part(c, object, "status");
    return 0;
}

/* Of a workload, as its controller would find it first. */
static int prepare_workload(ApiCall *c, Node *object, const Node *old)
{
    Node *spec = part(c, object, "spec");
    if (!node_get(spec, "selector") && strcmp(c->q->kind->kube.group, "policy"))
        field_error_add(&c->report, FIELD_REQUIRED, PATH_KEY(PATH_KEY(NULL, "spec"), "selector"), NULL, "%s",
                        "");
    if (!old)
        part(c, object, "status");
    if (strcmp(c->q->kind->kube.plural, "daemonsets") && strcmp(c->q->kind->kube.group, "policy") &&
        !node_get(spec, "replicas"))
        node_set(c->a, spec, "replicas", node_new_int(c->a, 1));
    return 0;
}

static int prepare_pdb(ApiCall *c, Node *object, const Node *old)
{
    Node *spec = part(c, object, "spec");
    (void)old;
    if (node_get(spec, "minAvailable") && node_get(spec, "maxUnavailable"))
        field_error_add(&c->report, FIELD_INVALID, PATH_KEY(NULL, "spec"), NULL,
                        "minAvailable and maxUnavailable cannot be both set");
    return 0;
}

static int check_machine_report(ApiCall *c, const Node *object, const Report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const ReportEntry *x = &r->entries[i];
        if (x->severity != SEVERITY_ERROR)
            continue;
        const char *path = strncmp(x->path, "$.", 2) ? "<nil>" : x->path + 2;
        field_error_add(&c->report, FIELD_INVALID, PATH_KEY(NULL, arena_strdup(c->a, path)),
                        node_get_path(object, path), "%s", x->message);
    }
    return 0;
}

static int prepare_machine_config(ApiCall *c, Node *object, const Node *old)
{
    _cleanup_report_ Report r = REPORT_INIT(c->a);
    MachineConfig *mc;
    _cleanup_buf_ Buf b = BUF_INIT;
    (void)old;
    (void)machine_config_read(c->a, object, &mc, &r);
    json_write(object, JSON_COMPACT, &b);
    if (b.len > MACHINE_CONFIG_SIZE_MAX)
        field_error_add(&c->report, FIELD_TOO_LONG, PATH_KEY(NULL, "spec"), NULL,
                        "must have at most %d bytes", MACHINE_CONFIG_SIZE_MAX);
    return check_machine_report(c, object, &r);
}

static int prepare_machine_config_pool(ApiCall *c, Node *object, const Node *old)
{
    _cleanup_report_ Report r = REPORT_INIT(c->a);
    MachineConfigPool *pool;
    (void)old;
    (void)machine_config_pool_read(c->a, object, &pool, &r);
    return check_machine_report(c, object, &r);
}

static int prepare_binding(ApiCall *c, Node *object, const Node *old)
{
    const Node *ref = node_get(object, "roleRef");
    const PathStep *path = PATH_KEY(NULL, "roleRef");
    if (!node_string(node_get(ref, "name")))
        field_error_add(&c->report, FIELD_REQUIRED, PATH_KEY(path, "name"), NULL, "%s", "");
    if (old && ref && node_get(old, "roleRef") && !node_equal(ref, node_get(old, "roleRef")))
        field_error_add(&c->report, FIELD_INVALID, path, ref, "cannot change roleRef");
    return 0;
}

/* What a node is for, and with it what it is to be, is said by others once it is there: as NodeRestriction of
 * kube-apiserver has it. It may say so of itself when it is registered, as a kubelet's --node-labels do. */
static int prepare_node(ApiCall *c, Node *object, const Node *old)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    const Node *sides[] = {node_get_path(object, "metadata.labels"), node_get_path(old, "metadata.labels")};
    if (!old || !api_user_in(c->q->user, "system:nodes") || api_user_in(c->q->user, "system:masters"))
        return 0;
    for (size_t i = 0; i < ELEMENTS(sides); i++)
        for (const Node *l = sides[i] ? sides[i]->first : NULL; l; l = l->next) {
            const Node *other = node_get(sides[!i], l->key);
            if (!strncmp(l->key, prefix, sizeof(prefix) - 1) && (!other || !node_equal(l, other)))
                return call_forbidden(c, c->q->kind, c->q->name, "is not allowed to modify labels: %s",
                                      l->key);
        }
    return 0;
}

static const struct {
    const char *store;
    Rule rule;
} rules[] = {
    {"nodes", prepare_node},
    {"namespaces", prepare_namespace},
    {"pods", prepare_pod},
    {"secrets", prepare_secret},
    {"configmaps", prepare_config_map},
    {"certificatesigningrequests.certificates.k8s.io", prepare_csr},
    {"customresourcedefinitions.apiextensions.k8s.io", crd_prepare},
    {"daemonsets.apps", prepare_workload},
    {"deployments.apps", prepare_workload},
    {"replicasets.apps", prepare_workload},
    {"poddisruptionbudgets.policy", prepare_pdb},
    {"clusterrolebindings.rbac.authorization.k8s.io", prepare_binding},
    {"rolebindings.rbac.authorization.k8s.io", prepare_binding},
    {"machineconfigs.machineconfiguration.openshift.io", prepare_machine_config},
    {"machineconfigpools.machineconfiguration.openshift.io", prepare_machine_config_pool},
};

/* What is unknown goes; a client that asked for it hears of it instead. */
static int drop_unknown(ApiCall *c, const ApiKind *k, Node *object)
{
    _cleanup_report_ Report unknown = REPORT_INIT(c->a);
    _cleanup_buf_ Buf b = BUF_INIT;
    KubeKind kind = k->kube;
    if (!strchr(node_string(node_get(object, "apiVersion")),
                '/')) /* an event of the other group, as stored */
        kind.group = "";
    if (!k->custom)
        unknown_fields_drop(&kind, object, &unknown);
    else if (c->q->version->schema)
        crd_schema_apply_reporting(c->a, c->q->version->schema, object, &unknown);
    for (size_t i = 0; i < unknown.n; i++)
        buf_addf(&b, "%s%s", i ? ", " : "", unknown.entries[i].message);
    if (c->q->strict && unknown.n)
        return call_bad_request(c,
                                "%s in version \"%s\" cannot be handled as a %s: strict decoding error: %s",
                                k->kube.kind, c->q->version->name, k->kube.kind, b.data);
    return 0;
}

int kind_prepare(ApiCall *c, const ApiKind *k, Node *object, const Node *old)
{
    int r = drop_unknown(c, k, object);
    if (r < 0)
        return r;
    if (c->q->version->schema)
        crd_schema_validate(c->q->version->schema, object, &c->report);
    for (size_t i = 0; i < ELEMENTS(rules); i++)
        if (!strcmp(rules[i].store, k->store))
            return rules[i].rule(c, object, old);
    return 0;
}
