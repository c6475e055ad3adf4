/* Counts first, then the conditions in a fixed order, each held against the former one of its type. A pool is
 * Updated when every node has its config and serves; one that has no nodes is, too. Then status.configuration
 * becomes spec.configuration, and not before: it is what new machines can be sure of. */
#include "controller/pool_status.h"

#include <string.h>

typedef struct Condition {
    const char *type, *reason, *message;
    bool holds;
} Condition;

enum { CONDITIONS = 5, TOLD_NODES = 5 };

static Node *find_condition(const Node *status, const char *type)
{
    const Node *conditions = node_get(status, "conditions");
    if (conditions && conditions->kind == NODE_ARRAY)
        NODE_EACH (c, conditions) {
            const char *t = node_string(node_get(c, "type"));
            if (t && !strcmp(t, type))
                return c;
        }
    return NULL;
}

static Node *condition_node(Arena *a, const Condition *c, const Node *former, const char *now)
{
    const char *status = c->holds ? "True" : "False", *was = node_string(node_get(former, "status"));
    const char *since = node_string(node_get(former, "lastTransitionTime"));
    Node *n = node_new(a, NODE_OBJECT);

    node_set_string(a, n, "lastTransitionTime", was && since && !strcmp(was, status) ? since : now);
    node_set_string(a, n, "message", c->message);
    node_set_string(a, n, "reason", c->reason);
    node_set_string(a, n, "status", status);
    node_set_string(a, n, "type", c->type);
    return n;
}

/* ---- what is wrong with nodes ---- */

static const char *degraded_text(Arena *a, const RolloutPool *p)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    unsigned told = 0, more = 0;
    for (size_t i = 0; i < p->n_nodes; i++) {
        const FleetNode *n = p->nodes[i];
        if (!*n->desired || (n->state != NODE_STATE_DEGRADED && n->state != NODE_STATE_UNRECONCILABLE))
            continue;
        if (told++ < TOLD_NODES)
            buf_addf(&out, "%sNode %s is reporting: \"%s\"", out.len ? ", " : "", n->name, n->reason);
        else
            more++;
    }
    if (more)
        buf_addf(&out, ", and %u more", more);
    return arena_strdup(a, out.data ? out.data : "");
}

/* ---- the conditions ---- */

static void decide(Arena *a, const PoolStatusInput *in, const RolloutCounts *counts, bool updated,
                   Condition c[CONDITIONS])
{
    const RolloutPool *p = &in->nodes;
    const char *target = p->target ? p->target : "";
    bool updating = !updated && !p->paused;

    c[0] = (Condition){.type = "RenderDegraded",
                       .holds = in->render_error != NULL,
                       .reason = "",
                       .message = in->render_error ? in->render_error : ""};
    c[1] = (Condition){
        .type = "NodeDegraded",
        .holds = counts->degraded > 0,
        .reason = counts->degraded
                      ? arena_printf(a, "%u nodes are reporting degraded status on sync", counts->degraded)
                      : "",
        .message = degraded_text(a, p)};
    c[2] = (Condition){.type = "Degraded", .holds = c[0].holds || c[1].holds, .reason = "", .message = ""};
    c[3] = (Condition){.type = "Updated",
                       .holds = updated,
                       .reason = "",
                       .message = updated ? arena_printf(a, "All nodes are updated with %s", target) : ""};
    c[4] =
        (Condition){.type = "Updating",
                    .holds = updating,
                    .reason = "",
                    .message = updated    ? ""
                               : updating ? arena_printf(a, "All nodes are updating to %s", target)
                                          : arena_printf(a, "Pool is paused; will not update to %s", target)};
}

static Node *observed_generation(Arena *a, const Node *pool)
{
    int64_t g = 0;
    (void)node_int(node_get_path(pool, "metadata.generation"), &g);
    return node_new_int(a, g);
}

int pool_status_make(Arena *a, const PoolStatusInput *in, Node **ret)
{
    const Node *former = node_get(in->pool, "status");
    RolloutCounts n = rollout_count(&in->nodes);
    bool has_target = in->nodes.target && *in->nodes.target;
    bool updated = has_target && n.updated == n.machines && n.ready == n.machines && n.unavailable == 0;
    const Node *config = node_get(updated ? node_get(in->pool, "spec") : former, "configuration");
    Condition conditions[CONDITIONS];
    Node *status = former ? node_copy(a, former) : node_new(a, NODE_OBJECT), *list = node_new(a, NODE_ARRAY);
    const struct {
        const char *name;
        unsigned value;
    } counts[] = {{"degradedMachineCount", n.degraded},
                  {"machineCount", n.machines},
                  {"readyMachineCount", n.ready},
                  {"unavailableMachineCount", n.unavailable},
                  {"updatedMachineCount", n.updated}};

    decide(a, in, &n, updated, conditions);
    for (size_t i = 0; i < CONDITIONS; i++)
        node_append(list,
                    condition_node(a, &conditions[i], find_condition(former, conditions[i].type), in->now));
    node_set(a, status, "conditions", list);
    node_set(a, status, "configuration", config ? node_copy(a, config) : node_new(a, NODE_OBJECT));
    for (size_t i = 0; i < ELEMENTS(counts); i++)
        node_set(a, status, counts[i].name, node_new_int(a, counts[i].value));
    node_set(a, status, "observedGeneration", observed_generation(a, in->pool));
    if (former && node_equal(former, status))
        return 0;
    *ret = status;
    return 1;
}

bool pool_status_important(const Node *former, const Node *status)
{
    static const char *const parts[] = {"conditions", "configuration", "observedGeneration"};
    for (size_t i = 0; i < ELEMENTS(parts); i++) {
        const Node *was = node_get(former, parts[i]), *is = node_get(status, parts[i]);
        if (!was || !is || !node_equal(was, is))
            return true;
    }
    return false;
}
