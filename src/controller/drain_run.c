/* What nodes ask for: to be drained before they change, to be put to use again after. A node's annotation
 * says what it wants, another what was done for it; as long as they differ there is work. */
#include <string.h>

#include "controller/controller_state.h"
#include "controller/drain.h"

enum { RETRY_MS = 1000 };

typedef struct NodeDrain {
    char *name;
    char *wanted;
    Drain drain;
} NodeDrain;

static void free_drain(NodeDrain *d)
{
    if (d) {
        free(d->name);
        free(d->wanted);
        free(d);
    }
}

void drain_sync_done(Controller *c)
{
    for (size_t i = 0; i < c->drains.n; i++)
        free_drain(c->drains.items[i]);
    name_list_done(&c->drains);
}

static NodeDrain *drain_of(Controller *c, const FleetNode *n)
{
    NodeDrain *d = name_list_get(&c->drains, n->name);
    if (d && !strcmp(d->wanted, n->drain_wanted))
        return d;
    d = calloc(1, sizeof(*d));
    if (!d || !(d->name = strdup(n->name)) || !(d->wanted = strdup(n->drain_wanted)))
        abort();
    drain_begin(&d->drain, controller_now(c));
    free_drain(name_list_put(&c->drains, d));
    return d;
}

/* ---- calls ---- */

/* With the version that it was decided on: a leader that is none any more must not cordon what the next one
 * has put to use again. */
static int patch_node(Controller *c, const FleetNode *n, bool cordoned, const char *done)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *patch = node_new(a, NODE_OBJECT), *spec = node_set(a, patch, "spec", node_new(a, NODE_OBJECT));
    KubeAnswer answer;
    Node *metadata = node_set(a, patch, "metadata", node_new(a, NODE_OBJECT));
    node_set(a, spec, "unschedulable", cordoned ? node_new_bool(a, true) : node_new(a, NODE_NULL));
    node_set_string(a, metadata, "resourceVersion", n->version);
    if (done)
        node_set_string(a, node_set(a, metadata, "annotations", node_new(a, NODE_OBJECT)), NODE_LAST_DRAIN,
                        done);
    KubeRequest q = {.verb = KUBE_PATCH, .kind = &kube_node, .name = n->name, .body = patch};
    int r = controller_call(c, &q, a, &answer, n->name);
    if (r >= 0)
        controller_node_seen(c, answer.object);
    return r;
}

/* 1 when a budget holds it, 0 when it was asked to leave or is gone. */
static int evict(Controller *c, const DrainPod *pod)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *eviction = node_new(a, NODE_OBJECT), *options = node_new(a, NODE_OBJECT);
    Node *metadata = node_new(a, NODE_OBJECT);
    KubeAnswer answer;
    Error e = ERROR_INIT;
    node_set_string(a, eviction, "apiVersion",
                    "policy/v1beta1"); /* what servers before 1.22 know, and later */
    node_set_string(a, eviction, "kind", "Eviction");
    node_set(a, eviction, "metadata", metadata);
    node_set_string(a, metadata, "name", pod->name);
    node_set_string(a, metadata, "namespace", pod->namespace);
    if (pod->uid) {
        node_set(a, eviction, "deleteOptions", options);
        node_set_string(a, node_set(a, options, "preconditions", node_new(a, NODE_OBJECT)), "uid", pod->uid);
    }
    KubeRequest q = {.verb = KUBE_CREATE,
                     .kind = &kube_pod,
                     .namespace = pod->namespace,
                     .name = pod->name,
                     .subresource = "eviction",
                     .body = eviction};
    int r = kube_call(c->o.kube, &q, a, &answer, &e);
    if (r == -EBUSY) {
        controller_log(c, "pod %s/%s stays for now: %s", pod->namespace, pod->name, e.text);
        return 1;
    }
    if (r < 0 && r != -ENOENT && r != -ESTALE)
        controller_log(c, "evicting pod %s/%s: %s", pod->namespace, pod->name, e.text);
    return r == -ENOENT || r == -ESTALE ? 0 : r;
}

/* ---- a node ---- */

static int drain_node(Controller *c, const FleetNode *n, NodeDrain *d)
{
    _cleanup_arena_ Arena *a = arena_new();
    KubeAnswer answer;
    DrainPod *pods;
    bool refused = false;
    int r = n->unschedulable ? 0 : patch_node(c, n, true, NULL);
    if (r < 0)
        return r;
    KubeRequest q = {
        .verb = KUBE_LIST, .kind = &kube_pod, .field_selector = arena_printf(a, "spec.nodeName=%s", n->name)};
    r = controller_call(c, &q, a, &answer, n->name);
    if (r < 0)
        return r;
    size_t left = drain_pods(a, answer.object, &pods);
    for (size_t i = 0; i < left; i++)
        if (pods[i].fate == DRAIN_EVICT) {
            int k = evict(c, &pods[i]);
            refused |= k > 0;
            r = k < 0 ? k : r;
        }
    if (left == 0) {
        controller_log(c, "node %s: drained", n->name);
        return patch_node(c, n, true, n->drain_wanted);
    }
    drain_put_off(&d->drain, controller_now(c), refused);
    controller_wake_at(c, d->drain.next);
    if (drain_overdue(&d->drain, controller_now(c)))
        controller_event(c, controller_node_object(a, n), true, "FailedToDrain",
                         "node %s: not drained after an hour: %zu pods stay, such as %s/%s", n->name, left,
                         pods[0].namespace, pods[0].name);
    return r;
}

static void serve_node(Controller *c, const FleetNode *n)
{
    NodeDrain *d = drain_of(c, n);
    int r = 0;
    if (!drain_due(&d->drain, controller_now(c))) {
        controller_wake_at(c, d->drain.next);
        return;
    }
    if (!strncmp(n->drain_wanted, "uncordon-", 9))
        r = patch_node(c, n, false, n->drain_wanted);
    else if (!strncmp(n->drain_wanted, "drain-", 6))
        r = drain_node(c, n, d);
    if (r < 0) {
        d->drain.next = controller_now(c) + RETRY_MS;
        controller_wake_at(c, d->drain.next);
    }
}

void drain_asked(Controller *c, const FleetNode *n)
{
    if (*n->drain_wanted && strcmp(n->drain_wanted, n->drain_done) != 0 &&
        !name_list_get(&c->drains, n->name))
        (void)drain_of(c, n);
}

void drain_sync(Controller *c)
{
    for (size_t i = c->drains.n; i > 0; i--) {
        const NodeDrain *d = c->drains.items[i - 1];
        const FleetNode *n = name_list_get(&c->fleet.nodes, d->name);
        if (n && *n->drain_wanted && strcmp(n->drain_wanted, n->drain_done) != 0)
            serve_node(c, n);
        n = name_list_get(&c->fleet.nodes, ((NodeDrain *)c->drains.items[i - 1])->name);
        if (!n || !strcmp(n->drain_wanted, n->drain_done))
            free_drain(name_list_take(&c->drains, ((NodeDrain *)c->drains.items[i - 1])->name));
    }
}
