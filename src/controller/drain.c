/* Pods that leave are looked for again soon; those that a budget holds every five seconds, and after ten
 * minutes every five minutes: whoever has to make room has been told by then. */
#include "controller/drain.h"

#include <string.h>

#include "kube/kube_kind.h"

enum {
    SOON_MS = 1000,
    REFUSED_MS = 5 * 1000,
    PATIENT_AFTER_MS = 10 * 60 * 1000,
    PATIENT_MS = 5 * 60 * 1000,
    OVERDUE_MS = 60 * 60 * 1000,
};

static bool owned_by_daemon_set(const Node *pod)
{
    const Node *owners = node_get_path(pod, "metadata.ownerReferences");
    if (!owners || owners->kind != NODE_ARRAY)
        return false;
    NODE_EACH (o, owners) {
        const char *kind = node_string(node_get(o, "kind"));
        const Node *controller = node_get(o, "controller");
        if (kind && !strcmp(kind, "DaemonSet") && controller && controller->kind == NODE_BOOL &&
            controller->boolean)
            return true;
    }
    return false;
}

static bool is_over(const Node *pod)
{
    const char *phase = node_string(node_get_path(pod, "status.phase"));
    return phase && (!strcmp(phase, "Succeeded") || !strcmp(phase, "Failed"));
}

static DrainFate fate_of(const Node *pod)
{
    if (kube_annotation(pod, "kubernetes.io/config.mirror") || is_over(pod) || owned_by_daemon_set(pod))
        return DRAIN_LEAVE;
    return node_get_path(pod, "metadata.deletionTimestamp") ? DRAIN_WAIT : DRAIN_EVICT;
}

size_t drain_pods(Arena *a, const Node *list, DrainPod **ret)
{
    const Node *items = node_get(list, "items");
    size_t n = 0;
    if (!items || items->kind != NODE_ARRAY)
        return 0;
    *ret = ARENA_ARRAY(a, DrainPod, items->n + 1);
    NODE_EACH (pod, items) {
        DrainFate fate = fate_of(pod);
        if (fate != DRAIN_LEAVE && kube_name(pod) && kube_namespace_of(pod))
            (*ret)[n++] = (DrainPod){.namespace = kube_namespace_of(pod),
                                     .name = kube_name(pod),
                                     .uid = kube_uid(pod),
                                     .fate = fate};
    }
    return n;
}

void drain_begin(Drain *d, int64_t now)
{
    *d = (Drain){.since = now, .next = now};
}

void drain_put_off(Drain *d, int64_t now, bool refused)
{
    int64_t wait = SOON_MS;
    if (refused)
        wait = now - d->since > PATIENT_AFTER_MS ? PATIENT_MS : REFUSED_MS;
    d->next = now + wait;
}

bool drain_due(const Drain *d, int64_t now)
{
    return now >= d->next;
}

bool drain_overdue(Drain *d, int64_t now)
{
    bool now_told = !d->told && now - d->since > OVERDUE_MS;
    d->told |= now_told;
    return now_told;
}
