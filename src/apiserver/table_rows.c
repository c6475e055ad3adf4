/* The built-in kinds: a list of columns and a function that prints a row of them, each. Names, order, types
 * and priorities (1: only with -o wide) are those of a real server. */
#include <ctype.h>
#include <string.h>

#include "apiserver/human_duration.h"
#include "apiserver/table_row.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *join_sorted(Arena *a, const char **list, size_t n, const char *otherwise)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (!n)
        return otherwise;
    qsort(list, n, sizeof(*list), by_text);
    for (size_t i = 0; i < n; i++)
        if (!i || strcmp(list[i], list[i - 1]) != 0)
            buf_addf(&b, "%s%s", i ? "," : "", list[i]);
    return arena_strdup(a, b.data);
}

static size_t length(const Node *n)
{
    return n && (n->kind == NODE_ARRAY || n->kind == NODE_OBJECT) ? n->n : 0;
}

const char *labels_text(Arena *a, const Node *labels)
{
    const char **list = ARENA_ARRAY(a, const char *, length(labels) + 1);
    size_t n = 0;
    if (length(labels))
        NODE_EACH (l, labels)
            list[n++] = arena_printf(a, "%s=%s", l->key, node_string(l) ? node_string(l) : "");
    return join_sorted(a, list, n, "<none>");
}

static const char *expression_text(Arena *a, const Node *e)
{
    const char *key = text_at(e, "key", ""), *op = text_at(e, "operator", "");
    const Node *values = node_get(e, "values");
    const char **list = ARENA_ARRAY(a, const char *, length(values) + 1);
    size_t n = 0;
    if (!strcmp(op, "Exists"))
        return key;
    if (!strcmp(op, "DoesNotExist"))
        return arena_printf(a, "!%s", key);
    if (length(values))
        NODE_EACH (v, values)
            list[n++] = node_string(v) ? node_string(v) : "";
    return arena_printf(a, "%s %s (%s)", key, !strcmp(op, "In") ? "in" : "notin",
                        join_sorted(a, list, n, ""));
}

const char *selector_text(Arena *a, const Node *selector)
{
    const Node *labels = node_get(selector, "matchLabels"), *more = node_get(selector, "matchExpressions");
    const char **list = ARENA_ARRAY(a, const char *, length(labels) + length(more) + 1);
    size_t n = 0;
    if (length(labels))
        NODE_EACH (l, labels)
            list[n++] = arena_printf(a, "%s=%s", l->key, node_string(l) ? node_string(l) : "");
    if (length(more))
        NODE_EACH (e, more)
            list[n++] = expression_text(a, e);
    return join_sorted(a, list, n, "<none>");
}

void cells_of_containers(Row *row, const Node *containers)
{
    _cleanup_buf_ Buf names = BUF_INIT, images = BUF_INIT;
    if (length(containers))
        NODE_EACH (c, containers) {
            buf_addf(&names, "%s%s", names.len ? "," : "", text_at(c, "name", ""));
            buf_addf(&images, "%s%s", images.len ? "," : "", text_at(c, "image", ""));
        }
    cell_text(row, names.data);
    cell_text(row, images.data);
}

static void template_cells(Row *row, const Node *o)
{
    cells_of_containers(row, node_get_path(o, "spec.template.spec.containers"));
    cell_text(row, selector_text(row->arena, node_get_path(o, "spec.selector")));
}

/* ---- nodes ---- */

static const char *node_roles(Arena *a, const Node *o)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    const Node *labels = node_get_path(o, "metadata.labels");
    const char **list = ARENA_ARRAY(a, const char *, length(labels) + 1);
    size_t n = 0;
    if (length(labels))
        NODE_EACH (l, labels) {
            if (!strncmp(l->key, prefix, strlen(prefix)) && l->key[strlen(prefix)])
                list[n++] = l->key + strlen(prefix);
            else if (!strcmp(l->key, "kubernetes.io/role") && node_string(l) && *node_string(l))
                list[n++] = node_string(l);
        }
    return join_sorted(a, list, n, "<none>");
}

static const Node *by_type(const Node *list, const char *type)
{
    if (length(list))
        NODE_EACH (n, list)
            if (!strcmp(text_at(n, "type", ""), type))
                return n;
    return NULL;
}

static void print_node(Row *row, const Node *o)
{
    const Node *ready = by_type(node_get_path(o, "status.conditions"), "Ready");
    const Node *addresses = node_get_path(o, "status.addresses"),
               *off = node_get_path(o, "spec.unschedulable");
    const char *status = !ready                                          ? "Unknown"
                         : !strcmp(text_at(ready, "status", ""), "True") ? "Ready"
                                                                         : "NotReady";
    cell_name(row, o);
    cell_text(row, arena_printf(row->arena, "%s%s", status,
                                off && off->kind == NODE_BOOL && off->boolean ? ",SchedulingDisabled" : ""));
    cell_text(row, node_roles(row->arena, o));
    cell_age(row, o);
    cell_text(row, text_at(o, "status.nodeInfo.kubeletVersion", ""));
    cell_text(row, text_at(by_type(addresses, "InternalIP"), "address", "<none>"));
    cell_text(row, text_at(by_type(addresses, "ExternalIP"), "address", "<none>"));
    cell_text(row, text_at(o, "status.nodeInfo.osImage", "<unknown>"));
    cell_text(row, text_at(o, "status.nodeInfo.kernelVersion", "<unknown>"));
    cell_text(row, text_at(o, "status.nodeInfo.containerRuntimeVersion", "<unknown>"));
}

/* ---- core ---- */

static void print_namespace(Row *row, const Node *o)
{
    cell_name(row, o);
    cell_text(row, text_at(o, "status.phase", ""));
    cell_age(row, o);
}

static void print_config_map(Row *row, const Node *o)
{
    cell_name(row, o);
    cell_int(row, (int64_t)(length(node_get(o, "data")) + length(node_get(o, "binaryData"))));
    cell_age(row, o);
}

static void print_secret(Row *row, const Node *o)
{
    cell_name(row, o);
    cell_text(row, text_at(o, "type", ""));
    cell_int(row, (int64_t)length(node_get(o, "data")));
    cell_age(row, o);
}

static void print_service_account(Row *row, const Node *o)
{
    cell_name(row, o);
    cell_int(row, (int64_t)length(node_get(o, "secrets")));
    cell_age(row, o);
}

static void print_service(Row *row, const Node *o)
{
    _cleanup_buf_ Buf ports = BUF_INIT, external = BUF_INIT;
    const Node *list = node_get_path(o, "spec.ports"), *ips = node_get_path(o, "spec.externalIPs");
    if (length(list))
        NODE_EACH (p, list) {
            buf_addf(&ports, "%s%lld", ports.len ? "," : "", (long long)number_at(p, "port"));
            if (number_at(p, "nodePort"))
                buf_addf(&ports, ":%lld", (long long)number_at(p, "nodePort"));
            buf_addf(&ports, "/%s", text_at(p, "protocol", "TCP"));
        }
    if (length(ips))
        NODE_EACH (ip, ips)
            buf_addf(&external, "%s%s", external.len ? "," : "", node_string(ip) ? node_string(ip) : "");
    cell_name(row, o);
    cell_text(row, text_at(o, "spec.type", "ClusterIP"));
    cell_text(row, text_at(o, "spec.clusterIP", "<none>"));
    cell_text(row, external.len ? external.data : "<none>");
    cell_text(row, ports.len ? ports.data : "<none>");
    cell_age(row, o);
    cell_text(row, labels_text(row->arena, node_get_path(o, "spec.selector")));
}

/* events.k8s.io has other names for the same. */
static const char *either(const Node *o, const char *path, const char *other, const char *otherwise)
{
    return text_at(o, path, text_at(o, other, otherwise));
}

static const char *event_source(Row *row, const Node *o)
{
    const char *component = either(o, "source.component", "deprecatedSource.component", "");
    const char *host = either(o, "source.host", "deprecatedSource.host", text_at(o, "reportingInstance", ""));
    if (!*component)
        component = either(o, "reportingComponent", "reportingController", "");
    return *host ? arena_printf(row->arena, "%s, %s", component, host) : component;
}

static const char *trimmed(Arena *a, const char *s)
{
    s += strspn(s, " \t\r\n");
    size_t n = strlen(s);
    while (n && strchr(" \t\r\n", s[n - 1]))
        n--;
    return arena_memdup(a, s, n);
}

static void print_event(Row *row, const Node *o)
{
    const char *first_time = either(o, "firstTimestamp", "deprecatedFirstTimestamp", NULL);
    const char *last_time = either(o, "lastTimestamp", "deprecatedLastTimestamp", NULL);
    const char *first = age_of(row, first_time ? first_time : text_at(o, "eventTime", NULL));
    const char *last = last_time ? age_of(row, last_time) : first;
    const char *kind = either(o, "involvedObject.kind", "regarding.kind", "");
    const char *name = either(o, "involvedObject.name", "regarding.name", "");
    char *target = arena_printf(row->arena, "%s%s%s", kind, *name ? "/" : "", name);
    int64_t count = number_at(o, node_get(o, "count") ? "count" : "deprecatedCount");
    for (char *p = target; *p && *p != '/'; p++)
        *p = (char)tolower((unsigned char)*p);
    if (node_get(o, "series") && node_get(o, "series")->kind == NODE_OBJECT) {
        last = age_of(row, text_at(o, "series.lastObservedTime", NULL));
        count = number_at(o, "series.count");
    } else if (!count) {
        count = 1;
    }
    cell_text(row, last);
    cell_text(row, text_at(o, "type", ""));
    cell_text(row, text_at(o, "reason", ""));
    cell_text(row, target);
    cell_text(row, either(o, "involvedObject.fieldPath", "regarding.fieldPath", ""));
    cell_text(row, event_source(row, o));
    cell_text(row, trimmed(row->arena, either(o, "message", "note", "")));
    cell_text(row, first);
    cell_int(row, count);
    cell_name(row, o);
}

enum { ENDPOINTS_SHOWN = 3 };

static void print_endpoints(Row *row, const Node *o)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    const Node *subsets = node_get(o, "subsets");
    size_t n = 0;
    for (const Node *s = length(subsets) ? subsets->first : NULL; s; s = s->next) {
        const Node *ips = node_get(s, "addresses"), *ports = node_get(s, "ports");
        for (const Node *ip = length(ips) ? ips->first : NULL; ip; ip = ip->next)
            for (const Node *p = length(ports) ? ports->first : NULL; p; p = p->next)
                if (n++ < ENDPOINTS_SHOWN)
                    buf_addf(&b, "%s%s:%lld", b.len ? "," : "", text_at(ip, "ip", ""),
                             (long long)number_at(p, "port"));
    }
    if (n > ENDPOINTS_SHOWN)
        buf_addf(&b, " + %zu more...", n - ENDPOINTS_SHOWN);
    cell_name(row, o);
    cell_text(row, n ? b.data : "<none>");
    cell_age(row, o);
}

/* ---- others ---- */

static void print_lease(Row *row, const Node *o)
{
    cell_name(row, o);
    cell_text(row, text_at(o, "spec.holderIdentity", ""));
    cell_age(row, o);
}

static void print_csr(Row *row, const Node *o)
{
    const Node *conditions = node_get_path(o, "status.conditions"),
               *seconds = node_get_path(o, "spec.expirationSeconds");
    const char *state = by_type(conditions, "Denied")     ? "Denied"
                        : by_type(conditions, "Approved") ? "Approved"
                                                          : "Pending";
    cell_name(row, o);
    cell_age(row, o);
    cell_text(row, text_at(o, "spec.signerName", "<none>"));
    cell_text(row, text_at(o, "spec.username", ""));
    cell_text(row, seconds ? human_duration(row->arena, number_at(o, "spec.expirationSeconds")) : "<none>");
    cell_text(row, arena_printf(row->arena, "%s%s%s", state, by_type(conditions, "Failed") ? ",Failed" : "",
                                *text_at(o, "status.certificate", "") ? ",Issued" : ""));
}

static const char *int_or_string(const Node *o, const char *path)
{
    const Node *n = node_get_path(o, path);
    return n && (n->kind == NODE_STRING || n->kind == NODE_NUMBER) ? n->string : "N/A";
}

static void print_pdb(Row *row, const Node *o)
{
    cell_name(row, o);
    cell_text(row, int_or_string(o, "spec.minAvailable"));
    cell_text(row, int_or_string(o, "spec.maxUnavailable"));
    cell_number(row, o, "status.disruptionsAllowed");
    cell_age(row, o);
}

static void subjects(Row *row, const Node *o, const char *kind)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    const Node *list = node_get(o, "subjects");
    if (length(list))
        NODE_EACH (s, list) {
            if (strcmp(text_at(s, "kind", ""), kind) != 0)
                continue;
            buf_add_str(&b, b.len ? ", " : "");
            if (!strcmp(kind, "ServiceAccount"))
                buf_addf(&b, "%s/", text_at(s, "namespace", ""));
            buf_add_str(&b, text_at(s, "name", ""));
        }
    cell_text(row, b.data);
}

static void print_binding(Row *row, const Node *o)
{
    cell_name(row, o);
    cell_text(row, arena_printf(row->arena, "%s/%s", text_at(o, "roleRef.kind", ""),
                                text_at(o, "roleRef.name", "")));
    cell_age(row, o);
    subjects(row, o, "User");
    subjects(row, o, "Group");
    subjects(row, o, "ServiceAccount");
}

static void print_daemon_set(Row *row, const Node *o)
{
    cell_name(row, o);
    cell_number(row, o, "status.desiredNumberScheduled");
    cell_number(row, o, "status.currentNumberScheduled");
    cell_number(row, o, "status.numberReady");
    cell_number(row, o, "status.updatedNumberScheduled");
    cell_number(row, o, "status.numberAvailable");
    cell_text(row, labels_text(row->arena, node_get_path(o, "spec.template.spec.nodeSelector")));
    cell_age(row, o);
    template_cells(row, o);
}

static int64_t replicas(const Node *o)
{
    return node_get_path(o, "spec.replicas") ? number_at(o, "spec.replicas") : 1;
}

static void print_deployment(Row *row, const Node *o)
{
    cell_name(row, o);
    cell_text(row, arena_printf(row->arena, "%lld/%lld", (long long)number_at(o, "status.readyReplicas"),
                                (long long)replicas(o)));
    cell_number(row, o, "status.updatedReplicas");
    cell_number(row, o, "status.availableReplicas");
    cell_age(row, o);
    template_cells(row, o);
}

static void print_replica_set(Row *row, const Node *o)
{
    cell_name(row, o);
    cell_int(row, replicas(o));
    cell_number(row, o, "status.replicas");
    cell_number(row, o, "status.readyReplicas");
    cell_age(row, o);
    template_cells(row, o);
}

static void print_plain(Row *row, const Node *o)
{
    cell_name(row, o);
    cell_text(row, text_at(o, "metadata.creationTimestamp", "<unknown>"));
}

/* ---- the columns ---- */

#define NAME                                                                                                 \
    {                                                                                                        \
        "Name", "string", "name", "The name, unique within the namespace.", 0                                \
    }
#define AGE                                                                                                  \
    {                                                                                                        \
        "Age", "string", "", "Time since the object was created.", 0                                         \
    }
#define TEXT(n, t)                                                                                           \
    {                                                                                                        \
        n, "string", "", t, 0                                                                                \
    }
#define NUMBER(n, t)                                                                                         \
    {                                                                                                        \
        n, "integer", "", t, 0                                                                               \
    }
#define WIDE(n, t)                                                                                           \
    {                                                                                                        \
        n, "string", "", t, 1                                                                                \
    }
#define TEMPLATE                                                                                             \
    WIDE("Containers", "Names of the template's containers."),                                               \
        WIDE("Images", "Images of the template's containers."), WIDE("Selector", "Which pods belong to it.")

static const TableColumn plain[] = {NAME, {"Created At", "date", "", "When the object was created.", 0}};
static const TableColumn nodes[] = {
    NAME,
    TEXT("Status", "Whether the node is ready and takes pods."),
    TEXT("Roles", "Roles by its labels."),
    AGE,
    TEXT("Version", "Version of the kubelet."),
    WIDE("Internal-IP", "Its first address inside."),
    WIDE("External-IP", "Its first address outside."),
    WIDE("OS-Image", "What the node runs."),
    WIDE("Kernel-Version", "Version of the kernel."),
    WIDE("Container-Runtime", "Runtime and its version."),
};
static const TableColumn pods[] = {
    NAME,
    TEXT("Ready", "Containers that are ready, of all."),
    TEXT("Status", "What the pod's containers do."),
    TEXT("Restarts", "How often containers were started again, and when last."),
    AGE,
    WIDE("IP", "Address of the pod."),
    WIDE("Node", "Where the pod runs."),
    WIDE("Nominated Node", "Where it may run once others have gone."),
    WIDE("Readiness Gates", "Conditions that are true, of those asked for."),
};
static const TableColumn namespaces[] = {NAME, TEXT("Status", "Active or Terminating."), AGE};
static const TableColumn config_maps[] = {NAME, TEXT("Data", "Number of its entries."), AGE};
static const TableColumn secrets[] = {NAME, TEXT("Type", "What the secret is for."),
                                      TEXT("Data", "Number of its entries."), AGE};
static const TableColumn service_accounts[] = {NAME, TEXT("Secrets", "Number of its secrets."), AGE};
static const TableColumn services[] = {
    NAME,
    TEXT("Type", "How the service is reached."),
    TEXT("Cluster-IP", "Its address inside the cluster."),
    TEXT("External-IP", "Its addresses outside."),
    TEXT("Port(s)", "Ports and protocols."),
    AGE,
    WIDE("Selector", "Which pods serve it."),
};
static const TableColumn events[] = {
    TEXT("Last Seen", "Time since it happened last."),
    TEXT("Type", "Normal or Warning."),
    TEXT("Reason", "Why, in a word."),
    TEXT("Object", "What it is about."),
    WIDE("Subobject", "The part of the object."),
    WIDE("Source", "Who tells it."),
    TEXT("Message", "What happened."),
    WIDE("First Seen", "Time since it happened first."),
    WIDE("Count", "How often it happened."),
    {"Name", "string", "name", "The name of the event.", 1},
};
static const TableColumn endpoints[] = {NAME, TEXT("Endpoints", "Addresses and ports that serve it."), AGE};
static const TableColumn leases[] = {NAME, TEXT("Holder", "Who holds the lease."), AGE};
static const TableColumn csrs[] = {
    NAME,
    AGE,
    TEXT("SignerName", "Who is to sign it."),
    TEXT("Requestor", "Who asks for it."),
    TEXT("RequestedDuration", "How long it is to be valid."),
    TEXT("Condition", "Pending, approved, issued."),
};
static const TableColumn pdbs[] = {
    NAME,
    TEXT("Min Available", "How many pods must stay."),
    TEXT("Max Unavailable", "How many pods may go."),
    NUMBER("Allowed Disruptions", "How many pods may go now."),
    AGE,
};
static const TableColumn bindings[] = {
    NAME,
    TEXT("Role", "The role that is granted."),
    AGE,
    WIDE("Users", "Users who get it."),
    WIDE("Groups", "Groups that get it."),
    WIDE("ServiceAccounts", "Service accounts that get it."),
};
static const TableColumn daemon_sets[] = {
    NAME,
    NUMBER("Desired", "Nodes that should run it."),
    NUMBER("Current", "Nodes that run it."),
    NUMBER("Ready", "Nodes where it is ready."),
    NUMBER("Up-to-date", "Nodes with the newest template."),
    NUMBER("Available", "Nodes where it is available."),
    TEXT("Node Selector", "Which nodes run it."),
    AGE,
    TEMPLATE,
};
static const TableColumn deployments[] = {
    NAME,
    TEXT("Ready", "Pods that are ready, of those wanted."),
    {"Up-to-date", "string", "", "Pods with the newest template.", 0},
    {"Available", "string", "", "Pods that are available.", 0},
    AGE,
    TEMPLATE,
};
static const TableColumn replica_sets[] = {
    NAME,
    NUMBER("Desired", "Pods that are wanted."),
    NUMBER("Current", "Pods that are there."),
    NUMBER("Ready", "Pods that are ready."),
    AGE,
    TEMPLATE,
};

#define KIND(group, kind, columns, print)                                                                    \
    {                                                                                                        \
        group, kind,                                                                                         \
        {                                                                                                    \
            columns, ELEMENTS(columns), print, NULL                                                          \
        }                                                                                                    \
    }
#define RBAC "rbac.authorization.k8s.io"

const TableBuiltin table_builtins[] = {
    KIND("", "Node", nodes, print_node),
    KIND("", "Pod", pods, print_pod),
    KIND("", "Namespace", namespaces, print_namespace),
    KIND("", "ConfigMap", config_maps, print_config_map),
    KIND("", "Secret", secrets, print_secret),
    KIND("", "ServiceAccount", service_accounts, print_service_account),
    KIND("", "Service", services, print_service),
    KIND("", "Event", events, print_event),
    KIND("", "Endpoints", endpoints, print_endpoints),
    KIND("events.k8s.io", "Event", events, print_event),
    KIND("coordination.k8s.io", "Lease", leases, print_lease),
    KIND("certificates.k8s.io", "CertificateSigningRequest", csrs, print_csr),
    KIND("policy", "PodDisruptionBudget", pdbs, print_pdb),
    KIND(RBAC, "RoleBinding", bindings, print_binding),
    KIND(RBAC, "ClusterRoleBinding", bindings, print_binding),
    KIND("apps", "DaemonSet", daemon_sets, print_daemon_set),
    KIND("apps", "Deployment", deployments, print_deployment),
    KIND("apps", "ReplicaSet", replica_sets, print_replica_set),
};
const size_t table_builtins_n = ELEMENTS(table_builtins);
const TableColumns table_plain = {plain, ELEMENTS(plain), print_plain, NULL};
