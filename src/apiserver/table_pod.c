/* A pod's row: how far it has come is told by its containers more than by its phase. Init containers come
 * first; the first that is not done says why the pod waits. */
#include <string.h>

#include "apiserver/table_row.h"

typedef struct PodState {
    Row *row;
    const Node *pod;
    const char *reason;
    int64_t restarts, ready, total;
    const char *last_restart; /* the newest end of a container that was started again */
    bool initializing;
} PodState;

static void count_restarts(PodState *s, const Node *container)
{
    const char *ended = text_at(container, "lastState.terminated.finishedAt", NULL);
    s->restarts += number_at(container, "restartCount");
    if (ended && (!s->last_restart || strcmp(ended, s->last_restart) > 0))
        s->last_restart = ended;
}

/* Signal or exit code, for want of a reason. */
static const char *how_ended(PodState *s, const Node *terminated, const char *prefix)
{
    const char *reason = text_at(terminated, "reason", NULL);
    if (reason)
        return arena_printf(s->row->arena, "%s%s", prefix, reason);
    int64_t signal = number_at(terminated, "signal");
    return arena_printf(s->row->arena, "%s%s:%lld", prefix, signal ? "Signal" : "ExitCode",
                        (long long)(signal ? signal : number_at(terminated, "exitCode")));
}

static bool is_sidecar(const PodState *s, const char *name)
{
    const Node *list = node_get_path(s->pod, "spec.initContainers");
    if (!list || list->kind != NODE_ARRAY || !name)
        return false;
    NODE_EACH (c, list)
        if (!strcmp(text_at(c, "name", ""), name))
            return !strcmp(text_at(c, "restartPolicy", ""), "Always");
    return false;
}

static bool is_true(const Node *n)
{
    return n && n->kind == NODE_BOOL && n->boolean;
}

static size_t length(const Node *list)
{
    return list && list->kind == NODE_ARRAY ? list->n : 0;
}

/* False: the containers behind this one wait for it. */
static bool init_container(PodState *s, const Node *c, size_t index)
{
    const Node *terminated = node_get_path(c, "state.terminated");
    const char *waiting = text_at(c, "state.waiting.reason", NULL);
    if (terminated && number_at(terminated, "exitCode") == 0)
        return true;
    if (is_sidecar(s, text_at(c, "name", NULL)) && is_true(node_get(c, "started"))) {
        s->ready += is_true(node_get(c, "ready"));
        return true;
    }
    if (terminated)
        s->reason = how_ended(s, terminated, "Init:");
    else if (waiting && strcmp(waiting, "PodInitializing") != 0)
        s->reason = arena_printf(s->row->arena, "Init:%s", waiting);
    else
        s->reason = arena_printf(s->row->arena, "Init:%zu/%zu", index,
                                 length(node_get_path(s->pod, "spec.initContainers")));
    s->initializing = true;
    return false;
}

static bool has_condition(const Node *pod, const char *type)
{
    const Node *list = node_get_path(pod, "status.conditions");
    if (!length(list))
        return false;
    NODE_EACH (c, list)
        if (!strcmp(text_at(c, "type", ""), type) && !strcmp(text_at(c, "status", ""), "True"))
            return true;
    return false;
}

static void init_containers(PodState *s, PodState *sidecars)
{
    const Node *list = node_get_path(s->pod, "status.initContainerStatuses");
    size_t i = 0;
    if (!length(list))
        return;
    NODE_EACH (c, list) {
        count_restarts(s, c);
        if (is_sidecar(s, text_at(c, "name", NULL)))
            count_restarts(sidecars, c);
        if (!init_container(s, c, i++))
            return;
    }
}

/* The first container that has something to say wins: a real server walks backwards and overwrites. */
static void containers(PodState *s)
{
    const Node *list = node_get_path(s->pod, "status.containerStatuses");
    bool running = false;
    const char *said = NULL;
    if (!length(list))
        return;
    NODE_EACH (c, list) {
        const Node *terminated = node_get_path(c, "state.terminated");
        const char *waiting = text_at(c, "state.waiting.reason", NULL), *why = waiting;
        count_restarts(s, c);
        if (!why && terminated)
            why = how_ended(s, terminated, "");
        if (!why && is_true(node_get(c, "ready")) && node_get_path(c, "state.running")) {
            running = true;
            s->ready++;
        }
        if (why && !said)
            said = why;
    }
    if (said)
        s->reason = said;
    if (running && !strcmp(s->reason, "Completed"))
        s->reason = has_condition(s->pod, "Ready") ? "Running" : "NotReady";
}

static const char *readiness_gates(Row *row, const Node *pod)
{
    const Node *gates = node_get_path(pod, "spec.readinessGates");
    size_t good = 0;
    if (!length(gates))
        return "<none>";
    NODE_EACH (g, gates)
        good += has_condition(pod, text_at(g, "conditionType", ""));
    return arena_printf(row->arena, "%zu/%zu", good, gates->n);
}

static void print_cells(PodState *s)
{
    Row *row = s->row;
    const char *restarts = arena_printf(row->arena, "%lld", (long long)s->restarts);
    if (s->restarts && s->last_restart)
        restarts = arena_printf(row->arena, "%s (%s ago)", restarts, age_of(row, s->last_restart));
    cell_name(row, s->pod);
    cell_text(row, arena_printf(row->arena, "%lld/%lld", (long long)s->ready, (long long)s->total));
    cell_text(row, s->reason);
    cell_text(row, restarts);
    cell_age(row, s->pod);
    cell_text(row, text_at(s->pod, "status.podIPs.0.ip", text_at(s->pod, "status.podIP", "<none>")));
    cell_text(row, text_at(s->pod, "spec.nodeName", "<none>"));
    cell_text(row, text_at(s->pod, "status.nominatedNodeName", "<none>"));
    cell_text(row, readiness_gates(row, s->pod));
}

void print_pod(Row *row, const Node *pod)
{
    const char *phase = text_at(pod, "status.phase", ""), *reason = text_at(pod, "status.reason", phase);
    const Node *inits = node_get_path(pod, "spec.initContainers");
    PodState s = {.row = row, .pod = pod, .reason = reason}, sidecars = s;
    bool done = !strcmp(phase, "Succeeded") || !strcmp(phase, "Failed");

    if (done) {
        row->condition = phase;
        row->condition_text = *phase == 'S' ? "The pod has completed successfully." : "The pod failed.";
    }
    s.total = (int64_t)length(node_get_path(pod, "spec.containers"));
    if (length(inits))
        NODE_EACH (c, inits)
            s.total += is_sidecar(&s, text_at(c, "name", NULL));
    init_containers(&s, &sidecars);
    if (!s.initializing || has_condition(pod, "Initialized")) {
        s.restarts = sidecars.restarts;
        s.last_restart = sidecars.last_restart;
        containers(&s);
    }
    if (node_get_path(pod, "metadata.deletionTimestamp")) {
        if (!strcmp(text_at(pod, "status.reason", ""), "NodeLost"))
            s.reason = "Unknown";
        else if (!done)
            s.reason = "Terminating";
    }
    print_cells(&s);
}
