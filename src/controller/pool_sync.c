/* One pool, as far as it goes now: its config made anew when what it selects has been quiet for a moment,
 * nodes told whose turn it is, its status written. Every write carries the version that it was decided on; an
 * answer is taken in at once, so that the next decision does not wait for the watch to tell what was just
 * done. */
#include <string.h>

#include "controller/controller_state.h"
#include "fleet/pool_render.h"
#include "controller/pool_status.h"
#include "machineconfig/machine_config_diff.h"

enum {
    QUIET_MS = 100,      /* without a change before a config is rendered */
    IMPATIENT_MS = 2000, /* however many changes there are */
    STATUS_MS = 1000,    /* between two writes of a status in which only counts differ */
    RETRY_MS = 1000,
    NODES_A_MS =
        500, /* a look at so many nodes is put off by a millisecond, so that it serves several changes */
};

static void put_off(Controller *c, FleetPool *p)
{
    p->times.retry = controller_now(c) + RETRY_MS;
    p->dirty = true;
    controller_wake_at(c, p->times.retry);
}

static void set_render_error(FleetPool *p, const char *error)
{
    if ((!error && !p->render_error) || (error && p->render_error && !strcmp(error, p->render_error)))
        return;
    free(p->render_error);
    p->render_error = error ? strdup(error) : NULL;
    p->dirty = true;
}

/* ---- render ---- */

/* What its nodes have or are on their way to: read from the API, since rendered configs are not kept. */
static int read_target(Controller *c, const FleetPool *p, Arena *a, MachineConfig **ret)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    KubeAnswer answer;
    int k = controller_call(
        c, &(KubeRequest){.verb = KUBE_GET, .kind = &kube_machine_config, .name = fleet_pool_target(p)}, a,
        &answer, fleet_pool_target(p));
    if (k >= 0 && (k = machine_config_read(a, answer.object, ret, &r)) < 0)
        controller_log(c, "%s: %s", fleet_pool_target(p), report_first_error(&r));
    return k;
}

/* NULL when running nodes can be brought there. What cannot be read is no reason to stay where it is. */
static const char *refusal(Controller *c, const FleetPool *p, Arena *a, const RenderedConfig *rc)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    MachineConfigDiff *diff;
    MachineConfig *from;
    if (!*fleet_pool_target(p) || !p->n_nodes || read_target(c, p, a, &from) < 0 ||
        machine_config_diff(a, from, &rc->merged, &diff, &r) >= 0)
        return NULL;
    return arena_printf(a, "Failed to render configuration for pool %s: its nodes cannot be changed so: %s",
                        p->name, report_first_error(&r));
}

static int store_config(Controller *c, const FleetPool *p, Arena *a, const RenderedConfig *rc)
{
    KubeAnswer answer;
    Error e = ERROR_INIT;
    if (name_list_get(&c->configs, rc->name))
        return 0;
    KubeRequest q = {.verb = KUBE_CREATE, .kind = &kube_machine_config, .body = pool_render_object(a, p, rc)};
    int r = kube_call(c->o.kube, &q, a, &answer, &e);
    if (r < 0 && r != -EEXIST) {
        controller_log(c, "pool %s: storing %s: %s", p->name, rc->name, e.text);
        return r;
    }
    if (r >= 0)
        controller_config_seen(c, answer.object);
    return 0;
}

static int point_to(Controller *c, FleetPool *p, Arena *a, const RenderedConfig *rc)
{
    Node *patch = pool_render_patch(a, rc);
    KubeAnswer answer;
    const char *former = arena_strdup(a, fleet_pool_target(p));
    node_set_string(a, node_set(a, patch, "metadata", node_new(a, NODE_OBJECT)), "resourceVersion",
                    kube_resource_version(p->object));
    KubeRequest q = {.verb = KUBE_PATCH, .kind = &kube_machine_config_pool, .name = p->name, .body = patch};
    int r = controller_call(c, &q, a, &answer, p->name);
    if (r < 0)
        return r;
    controller_pool_seen(c, answer.object);
    controller_event(c, p->object, false, "RenderedConfigGenerated", "pool %s: %s%s%s", p->name, rc->name,
                     *former ? ", was " : "", former);
    return 0;
}

static int render(Controller *c, FleetPool *p)
{
    _cleanup_arena_ Arena *a = arena_new();
    PoolRender rendered = pool_render(a, p, &c->configs, c->cluster_arena ? c->cluster.os_image_url : NULL);
    const RenderedConfig *rc = rendered.rendered;
    if (!rc) {
        controller_event(c, p->object, true, "RenderFailed", "%s", rendered.error);
        set_render_error(p, rendered.error);
        return 0;
    }
    if (!strcmp(rc->name, fleet_pool_target(p))) {
        set_render_error(p, NULL);
        return 0;
    }
    const char *refused = refusal(c, p, a, rc);
    set_render_error(p, refused);
    if (refused) {
        controller_event(c, p->object, true, "RenderFailed", "%s", refused);
        return 0;
    }
    int r = store_config(c, p, a, rc);
    return r < 0 ? r : point_to(c, p, a, rc);
}

/* Has what it selects been quiet? Else wakes when it may have. */
static bool quiet(Controller *c, const FleetPool *p)
{
    int64_t at = p->times.changed + QUIET_MS, latest = p->times.changed_first + IMPATIENT_MS;
    if (latest < at)
        at = latest;
    if (controller_now(c) >= at)
        return true;
    controller_wake_at(c, at);
    return false;
}

/* ---- nodes ---- */

static RolloutPool view(const Controller *c, const FleetPool *p)
{
    return (RolloutPool){.target = fleet_pool_target(p),
                         .max_unavailable = p->spec ? p->spec->max_unavailable : NULL,
                         .paused = p->spec ? p->spec->paused : true,
                         .last = c->o.node,
                         .nodes = p->nodes,
                         .n_nodes = p->n_nodes};
}

static int tell_node(Controller *c, const FleetPool *p, FleetNode *n)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *patch = node_new(a, NODE_OBJECT);
    Node *metadata = node_set(a, patch, "metadata", node_new(a, NODE_OBJECT));
    KubeAnswer answer;
    node_set_string(a, node_set(a, metadata, "annotations", node_new(a, NODE_OBJECT)), NODE_DESIRED_CONFIG,
                    fleet_pool_target(p));
    node_set_string(a, metadata, "resourceVersion", n->version);
    KubeRequest q = {.verb = KUBE_PATCH, .kind = &kube_node, .name = n->name, .body = patch};
    int r = controller_call(c, &q, a, &answer, n->name);
    if (r < 0)
        return r;
    controller_node_seen(c, answer.object);
    controller_event(c, p->object, false, "SetDesiredConfig", "node %s: told %s", n->name,
                     fleet_pool_target(p));
    return 0;
}

static int tell_nodes(Controller *c, FleetPool *p)
{
    RolloutPool v = view(c, p);
    _cleanup_free_ FleetNode **next = calloc(p->n_nodes + 1, sizeof(*next));
    int r = 0;
    if (!next)
        abort();
    size_t n = rollout_next(&v, next);
    for (size_t i = 0; i < n && !c->unsure; i++) {
        int k = tell_node(c, p, next[i]);
        r = k < 0 ? k : r;
    }
    return r;
}

/* Whether drift is mended is said of a pool, and read by its nodes of themselves. */
static int tell_repair(Controller *c, const FleetPool *p)
{
    const char *said = kube_annotation(p->object, NODE_DRIFT_REPAIR);
    bool repairs = said && !strcmp(said, "true");
    int r = 0;
    for (size_t i = 0; i < p->n_nodes && r >= 0; i++) {
        _cleanup_arena_ Arena *a = arena_new();
        const FleetNode *n = p->nodes[i];
        if (n->repairs == repairs)
            continue;
        Node *patch = node_new(a, NODE_OBJECT), *annotations = node_new(a, NODE_OBJECT);
        KubeAnswer answer;
        node_set(a, node_set(a, patch, "metadata", node_new(a, NODE_OBJECT)), "annotations", annotations);
        node_set(a, annotations, NODE_DRIFT_REPAIR,
                 repairs ? node_new_string(a, "true") : node_new(a, NODE_NULL));
        KubeRequest q = {.verb = KUBE_PATCH, .kind = &kube_node, .name = n->name, .body = patch};
        r = controller_call(c, &q, a, &answer, n->name);
        if (r >= 0)
            controller_node_seen(c, answer.object);
    }
    return r == -ENOENT ? 0 : r;
}

/* ---- status ---- */

static int write_status(Controller *c, FleetPool *p)
{
    _cleanup_arena_ Arena *a = arena_new();
    char now[32];
    PoolStatusInput in = {.pool = p->object,
                          .nodes = view(c, p),
                          .render_error = p->render_error,
                          .now = kube_time_text(c->time->wall_us(c->time->context), now)};
    Node *status, *patch = node_new(a, NODE_OBJECT);
    KubeAnswer answer;

    if (!pool_status_make(a, &in, &status))
        return 0;
    int64_t next = p->times.told + STATUS_MS;
    if (!pool_status_important(node_get(p->object, "status"), status) && controller_now(c) < next) {
        controller_wake_at(c, next);
        return 1;
    }
    node_set_string(a, node_set(a, patch, "metadata", node_new(a, NODE_OBJECT)), "resourceVersion",
                    kube_resource_version(p->object));
    node_set(a, patch, "status", status);
    KubeRequest q = {.verb = KUBE_PATCH,
                     .kind = &kube_machine_config_pool,
                     .name = p->name,
                     .subresource = "status",
                     .body = patch};
    int r = controller_call(c, &q, a, &answer, p->name);
    if (r < 0)
        return r;
    p->times.told = controller_now(c);
    controller_pool_seen(c, answer.object);
    return 0;
}

/* ---- all of it ---- */

void pool_sync(Controller *c, FleetPool *p)
{
    int r = 0;
    if (controller_now(c) < p->times.retry) {
        controller_wake_at(c, p->times.retry);
        return;
    }
    if (p->render_due && quiet(c, p)) {
        p->render_due = false;
        p->times.changed_first = 0;
        r = render(c, p);
        p->render_due |= r < 0;
        p->dirty = true;
    }
    if (r < 0 || !p->dirty) {
        if (r < 0)
            put_off(c, p);
        return;
    }
    int64_t next = p->times.looked + (int64_t)(p->n_nodes / NODES_A_MS);
    if (controller_now(c) < next) {
        controller_wake_at(c, next);
        return;
    }
    p->times.looked = controller_now(c);
    p->dirty = false;
    r = tell_nodes(c, p);
    int k = tell_repair(c, p);
    k = k < 0 ? k : write_status(c, p);
    if (r < 0 || k < 0)
        put_off(c, p);
    else if (p->dirty)
        controller_wake_at(c, controller_now(c)); /* what was written may be reason for more */
    p->dirty |= k > 0;
}
