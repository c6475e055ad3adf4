/* A budget's numbers follow from the pods that it selects, at every write of one of them, within the same
 * call: expected are all that it selects and that have not ended, healthy those that are ready. An eviction
 * asks them anew. policy/v1 and its disruption controller. */
#include "apiserver/disruption.h"

#include <string.h>

#include "kube/kube_kind.h"
#include "machineconfig/label_selector.h"

typedef struct Items {
    ApiCall *c;
    Object *items;
    size_t n, size;
} Items;

static int add(void *context, const StoreObject *o)
{
    Items *l = context;
    if (l->n == l->size) {
        Object *more = ARENA_ARRAY(l->c->a, Object, l->size ? 2 * l->size : 16);
        if (l->n)
            memcpy(more, l->items, l->n * sizeof(Object));
        l->items = more;
        l->size = l->size ? 2 * l->size : 16;
    }
    Object *x = &l->items[l->n++];
    *x = (Object){.json = arena_memdup(l->c->a, o->json, o->n), .n = o->n, .revision = o->revision};
    return object_read(l->c, x->json, x->n, &x->node);
}

static int read_all(ApiCall *c, const char *store, const char *namespace, Items *ret)
{
    Error e = ERROR_INIT;
    *ret = (Items){.c = c};
    int r = store_list(c->api->store, &(StoreList){.kind = store, .namespace = namespace}, add, ret, &e);
    return r < 0 && r != REFUSED ? call_failed(c, &e) : r;
}

static bool selects(ApiCall *c, const Node *budget, const Node *pod)
{
    const Node *s = node_get_path(budget, "spec.selector");
    LabelSelector selector;
    _cleanup_report_ Report r = REPORT_INIT(c->a);
    if (!s || s->kind != NODE_OBJECT)
        return false;
    label_selector_read(c->a, s, NULL, &selector, &r);
    return !s->n || (selector.n && label_selector_matches(&selector, node_get_path(pod, "metadata.labels")));
}

static bool is_ready(const Node *pod)
{
    const Node *conditions = node_get_path(pod, "status.conditions");
    if (conditions && conditions->kind == NODE_ARRAY)
        NODE_EACH (n, conditions)
            if (node_string(node_get(n, "type")) && !strcmp(node_get(n, "type")->string, "Ready"))
                return node_string(node_get(n, "status")) && !strcmp(node_get(n, "status")->string, "True");
    return false;
}

static bool phase_is(const Node *pod, const char *phase)
{
    const char *s = node_string(node_get_path(pod, "status.phase"));
    return s && !strcmp(s, phase);
}

/* A number, or a percentage of `whole` that is rounded up. */
static int64_t amount(const Node *n, int64_t whole)
{
    int64_t v = 0;
    if (node_string(n))
        return (strtoll(n->string, NULL, 10) * whole + 99) / 100;
    (void)node_int(n, &v);
    return v;
}

typedef struct Numbers {
    int64_t expected, healthy, desired, allowed;
} Numbers;

static Numbers count(ApiCall *c, const Node *budget, const Items *pods)
{
    Numbers x = {0};
    const Node *least = node_get_path(budget, "spec.minAvailable"),
               *most = node_get_path(budget, "spec.maxUnavailable");
    for (size_t i = 0; i < pods->n; i++) {
        const Node *pod = pods->items[i].node;
        if (!selects(c, budget, pod) || phase_is(pod, "Succeeded") || phase_is(pod, "Failed"))
            continue;
        x.expected++;
        x.healthy += is_ready(pod) && !node_get_path(pod, "metadata.deletionTimestamp");
    }
    x.desired = most ? x.expected - amount(most, x.expected) : amount(least, x.expected);
    if (x.desired < 0)
        x.desired = 0;
    x.allowed = x.expected && x.healthy > x.desired ? x.healthy - x.desired : 0;
    return x;
}

static void set_number(ApiCall *c, Node *object, const char *key, int64_t v)
{
    node_set(c->a, object, key, node_new_int(c->a, v));
}

static int refresh(ApiCall *c, const ApiKind *k, const Object *budget, const Items *pods)
{
    Numbers x = count(c, budget->node, pods);
    Node *node = node_copy(c->a, budget->node), *status = node_get(node, "status");
    int64_t generation = 1;
    if (!status || status->kind != NODE_OBJECT)
        status = node_set(c->a, node, "status", node_new(c->a, NODE_OBJECT));
    (void)node_int(node_get_path(node, "metadata.generation"), &generation);
    set_number(c, status, "currentHealthy", x.healthy);
    set_number(c, status, "desiredHealthy", x.desired);
    set_number(c, status, "disruptionsAllowed", x.allowed);
    set_number(c, status, "expectedPods", x.expected);
    set_number(c, status, "observedGeneration", generation);
    return node_equal(node, budget->node) ? 0 : object_put(c, k, budget, node, NULL);
}

void disruption_note(ApiCall *c, const ApiKind *k, const char *namespace)
{
    bool pod = !strcmp(k->store, "pods");
    if (!c->refreshing && (pod || !strcmp(k->kube.plural, "poddisruptionbudgets")) &&
        c->n_disrupted < ELEMENTS(c->disrupted)) {
        for (size_t i = 0; i < c->n_disrupted; i++)
            if (!strcmp(c->disrupted[i], namespace))
                return;
        c->disrupted[c->n_disrupted++] = arena_strdup(c->a, namespace);
    }
}

int disruption_refresh(ApiCall *c)
{
    const ApiKind *k = kind_table_find(c->api->kinds, "policy", "poddisruptionbudgets");
    int r = 0;
    c->refreshing = true;
    for (size_t i = 0; i < c->n_disrupted && r >= 0; i++) {
        Items budgets, pods;
        r = read_all(c, k->store, c->disrupted[i], &budgets);
        if (r < 0 || !budgets.n)
            continue;
        r = read_all(c, "pods", c->disrupted[i], &pods);
        for (size_t j = 0; j < budgets.n && r >= 0; j++)
            r = refresh(c, k, &budgets.items[j], &pods);
    }
    c->n_disrupted = 0;
    c->refreshing = false;
    return r;
}

/* ---- eviction ---- */

static int check_budget(ApiCall *c, const Object *pod)
{
    Items budgets, pods;
    const Node *mine = NULL;
    int r = read_all(c, "poddisruptionbudgets.policy", c->q->namespace, &budgets);
    for (size_t i = 0; r >= 0 && i < budgets.n; i++) {
        if (!selects(c, budgets.items[i].node, pod->node))
            continue;
        if (mine)
            return call_refuse(
                c, 500, "InternalError", NULL,
                "Internal error occurred: This pod has more than one PodDisruptionBudget, which the "
                "eviction subresource does not support.");
        mine = budgets.items[i].node;
    }
    if (r >= 0 && mine)
        r = read_all(c, "pods", c->q->namespace, &pods);
    if (r < 0 || !mine)
        return r;
    Numbers x = count(c, mine, &pods);
    if (x.allowed > 0 || (!is_ready(pod->node) && x.desired > 0 && x.healthy >= x.desired))
        return 0;
    Node *details = node_new(c->a, NODE_OBJECT), *causes = node_new(c->a, NODE_ARRAY),
         *cause = node_new(c->a, NODE_OBJECT);
    node_set_string(c->a, cause, "reason", "DisruptionBudget");
    node_set_string(c->a, cause, "message",
                    arena_printf(c->a,
                                 "The disruption budget %s needs %lld healthy pods and has %lld currently",
                                 kube_name(mine), (long long)x.desired, (long long)x.healthy));
    node_append(causes, cause);
    node_set(c->a, details, "causes", causes);
    return call_refuse(c, 429, "TooManyRequests", details,
                       "Cannot evict pod as it would violate the pod's disruption budget.");
}

int call_evict(ApiCall *c)
{
    Object pod;
    DeleteOptions d;
    ApiRequest q = *c->q;
    const ApiRequest *asked = c->q;
    int r = object_load(c, c->q->kind, c->q->namespace, c->q->name, &pod);
    if (r < 0)
        return r;
    bool ended = phase_is(pod.node, "Succeeded") || phase_is(pod.node, "Failed") ||
                 phase_is(pod.node, "Pending") || node_get_path(pod.node, "metadata.deletionTimestamp");
    if (!ended)
        r = check_budget(c, &pod);
    q.body = node_get(c->q->body, "deleteOptions");
    c->q = &q;
    if (r >= 0)
        r = delete_options_read(c, &d);
    c->q = asked;
    if (r >= 0)
        r = object_delete(c, c->q->kind, &pod, &d, NULL);
    if (r < 0)
        return r;
    Node *n = node_new(c->a, NODE_OBJECT);
    node_set_string(c->a, n, "kind", "Status");
    node_set_string(c->a, n, "apiVersion", "v1");
    node_set(c->a, n, "metadata", node_new(c->a, NODE_OBJECT));
    node_set_string(c->a, n, "status", "Success");
    node_set(c->a, n, "code", node_new_int(c->a, 201));
    return call_answer_node(c, 201, n);
}
