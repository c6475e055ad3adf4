/* Certificate first (kube/certificate_rotation.h), then the Node: made when there is none, otherwise left as
 * it is but for its status, which is this machine's to tell. */
#include "daemon/node_join.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/utsname.h>

#include "kube/certificate_rotation.h"
#include "kube/kube_http.h"
#include "kube/kube_kind.h"

#define PREFIX "kubelet-client"
enum { RETRY_FIRST_MS = 1000 };

struct NodeJoin {
    NodeJoinOptions o;
    const KubeTime *time;
    Arena *arena;
    KubeConfig config; /* of the node itself */
    Kube *bootstrap, *own;
    CertificateRotation *rotation;
    KubeBackoff backoff;
    int64_t not_before;
    bool joined;
};

int node_join_new(const NodeJoinOptions *o, NodeJoin **ret, Error *e)
{
    _cleanup_(node_join_freep)
    NodeJoin *j = calloc(1, sizeof(*j));
    static const KubeHttpOptions http = {.agent = "machine-config-daemon"};
    if (!j)
        abort();
    j->o = *o;
    j->time = o->time ? o->time : &kube_time;
    j->arena = arena_new();
    j->config = *o->bootstrap;
    const char *pair = arena_printf(j->arena, "%s/" PREFIX "-current.pem", o->directory);
    j->config.certificate = j->config.key = (KubeSecret){.file = pair};
    j->config.token = (KubeSecret){0};
    int r = kube_http_new(o->bootstrap, &http, &j->bootstrap, e);
    if (r >= 0)
        r = kube_http_new(&j->config, &http, &j->own, e);
    if (r < 0)
        return r;
    j->rotation = certificate_rotation_new(&(CertificateRotationOptions){.bootstrap = j->bootstrap,
                                                                         .own = j->own,
                                                                         .directory = o->directory,
                                                                         .prefix = PREFIX,
                                                                         .node = o->node,
                                                                         .time = o->time});
    *ret = TAKE_PTR(j);
    return 0;
}

void node_join_free(NodeJoin *j)
{
    if (!j)
        return;
    certificate_rotation_free(j->rotation);
    kube_free(j->own);
    kube_free(j->bootstrap);
    arena_free(j->arena);
    free(j);
}

Kube *node_join_kube(const NodeJoin *j)
{
    return j->own;
}

int node_join_timeout_ms(const NodeJoin *j)
{
    int ms = certificate_rotation_timeout_ms(j->rotation);
    int64_t left = j->not_before - kube_monotonic_ms(j->time);
    if (j->joined || !certificate_rotation_until(j->rotation))
        return ms;
    return left < 0 ? 0 : ms < 0 || left < ms ? (int)left : ms;
}

/* ---- the Node ---- */

static const char *os_name(Arena *a)
{
    _cleanup_fclose_ FILE *f = fopen("/etc/os-release", "re");
    char line[256];
    while (f && fgets(line, sizeof(line), f)) {
        char *value = line + strlen("PRETTY_NAME=");
        if (strncmp(line, "PRETTY_NAME=", strlen("PRETTY_NAME=")) != 0)
            continue;
        value[strcspn(value, "\n")] = '\0';
        value += strspn(value, "\"'");
        value[strcspn(value, "\"'")] = '\0';
        return arena_strdup(a, value);
    }
    return "";
}

static Node *addresses(Arena *a, const char *name)
{
    Node *list = node_new(a, NODE_ARRAY);
    struct ifaddrs *all = NULL;
    char text[INET6_ADDRSTRLEN];
    if (getifaddrs(&all) < 0)
        all = NULL;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK) ||
            !inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr, text,
                       sizeof(text)))
            continue;
        Node *n = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, n, "type", "InternalIP");
        node_set_string(a, n, "address", arena_strdup(a, text));
    }
    if (all)
        freeifaddrs(all);
    Node *n = node_append(list, node_new(a, NODE_OBJECT));
    node_set_string(a, n, "type", "Hostname");
    node_set_string(a, n, "address", name);
    return list;
}

static Node *ready_condition(Arena *a, const char *now)
{
    Node *list = node_new(a, NODE_ARRAY), *c = node_append(list, node_new(a, NODE_OBJECT));
    node_set_string(a, c, "type", "Ready");
    node_set_string(a, c, "status", "True");
    node_set_string(a, c, "reason", "MachineReady");
    node_set_string(a, c, "message", "the machine runs; no kubelet does");
    node_set_string(a, c, "lastHeartbeatTime", now);
    node_set_string(a, c, "lastTransitionTime", now);
    return list;
}

static Node *status_of(const NodeJoin *j, Arena *a)
{
    struct utsname u = {0};
    char now[32];
    Node *status = node_new(a, NODE_OBJECT), *info = node_new(a, NODE_OBJECT);
    (void)uname(&u);
    node_set(a, status, "addresses", addresses(a, j->o.node));
    node_set(a, status, "conditions",
             ready_condition(a, arena_strdup(a, kube_time_text(j->time->wall_us(j->time->context), now))));
    node_set(a, status, "nodeInfo", info);
    node_set_string(a, info, "architecture",
                    !strcmp(u.machine, "x86_64") ? "amd64" : arena_strdup(a, u.machine));
    node_set_string(a, info, "kernelVersion", arena_strdup(a, u.release));
    node_set_string(a, info, "operatingSystem", "linux");
    node_set_string(a, info, "osImage", os_name(a));
    return status;
}

static Node *new_node(const NodeJoin *j, Arena *a)
{
    Node *object = kube_object_new(a, &kube_node, NULL, j->o.node);
    Node *labels = node_set(a, node_get(object, "metadata"), "labels", node_new(a, NODE_OBJECT));
    node_set_string(a, labels, "kubernetes.io/hostname", j->o.node);
    node_set_string(a, labels, "kubernetes.io/os", "linux");
    if (j->o.pool)
        node_set_string(a, labels, arena_printf(a, "node-role.kubernetes.io/%s", j->o.pool), "");
    return object;
}

static int report_node(const NodeJoin *j, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    KubeAnswer answer;
    KubeRequest make = {.verb = KUBE_CREATE, .kind = &kube_node, .body = new_node(j, a)};
    int r = kube_call(j->own, &make, a, &answer, e);
    if (r < 0 && r != -EEXIST)
        return error_wrap(e, r, "registering node %s", j->o.node);
    Node *patch = node_new(a, NODE_OBJECT);
    node_set(a, patch, "status", status_of(j, a));
    KubeRequest tell = {.verb = KUBE_PATCH,
                        .kind = &kube_node,
                        .name = j->o.node,
                        .subresource = "status",
                        .patch = KUBE_PATCH_STRATEGIC,
                        .body = patch};
    r = kube_call(j->own, &tell, a, &answer, e);
    return r < 0 ? error_wrap(e, r, "reporting node %s", j->o.node) : 0;
}

int node_join_step(NodeJoin *j, Error *e)
{
    int r = certificate_rotation_step(j->rotation, e);
    if (r < 0)
        return r;
    if (j->joined || !certificate_rotation_until(j->rotation) || kube_monotonic_ms(j->time) < j->not_before)
        return j->joined;
    r = report_node(j, e);
    if (r < 0) {
        j->not_before = kube_monotonic_ms(j->time) + kube_backoff(&j->backoff, j->time);
        return r;
    }
    j->joined = true;
    return 1;
}
