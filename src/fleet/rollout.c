/* Count who is away, take that from what the pool allows, and fill what is left in order. A node that has
 * failed with this very config counts as well: should its trouble pass, it goes on by itself. */
#include "fleet/rollout.h"

#include <string.h>

static bool targeted(const RolloutPool *p, const FleetNode *n)
{
    return !strcmp(n->desired, p->target);
}

static bool updated(const RolloutPool *p, const FleetNode *n)
{
    return p->target && *p->target && fleet_node_done(n) && !strcmp(n->current, p->target);
}

RolloutCounts rollout_count(const RolloutPool *p)
{
    RolloutCounts c = {.machines = (unsigned)p->n_nodes};
    for (size_t i = 0; i < p->n_nodes; i++) {
        const FleetNode *n = p->nodes[i];
        bool is_updated = updated(p, n);
        c.updated += is_updated;
        c.ready += is_updated && fleet_node_in_service(n);
        c.unavailable += fleet_node_unavailable(n);
        c.degraded +=
            *n->desired && (n->state == NODE_STATE_DEGRADED || n->state == NODE_STATE_UNRECONCILABLE);
    }
    return c;
}

unsigned rollout_max_unavailable(const char *max, size_t n_nodes)
{
    unsigned long v = max ? strtoul(max, NULL, 10) : 1;
    if (max && strchr(max, '%'))
        v = v * n_nodes / 100;
    return v < 1 ? 1 : v > n_nodes && n_nodes ? (unsigned)n_nodes : (unsigned)v;
}

/* ---- order ---- */

static int compare_nodes(const void *x, const void *y)
{
    const FleetNode *a = *(const FleetNode *const *)x, *b = *(const FleetNode *const *)y;
    if (!*a->zone != !*b->zone)
        return !*a->zone - !*b->zone;
    int r = strcmp(a->zone, b->zone);
    if (r != 0)
        return r;
    if (a->created != b->created)
        return a->created < b->created ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* ---- choice ---- */

typedef struct Capacity {
    unsigned in_service; /* so many more may go away */
    unsigned under_way;  /* so many more may be changing at all */
} Capacity;

static unsigned less(unsigned from, unsigned take)
{
    return from > take ? from - take : 0;
}

/* Of those that may be away for a change: it is at it, or is not back yet, or went away for one that failed,
 * or may yet go on with one. */
static bool holds_place(const RolloutPool *p, const FleetNode *n)
{
    return !fleet_node_settled(n) || (n->unschedulable && !fleet_node_kept_away(n)) ||
           (fleet_node_failing(n) && (targeted(p, n) || !fleet_node_in_service(n)));
}

static Capacity capacity_of(const RolloutPool *p)
{
    unsigned max = rollout_max_unavailable(p->max_unavailable, p->n_nodes), away = 0, failed = 0, busy = 0;
    for (size_t i = 0; i < p->n_nodes; i++) {
        const FleetNode *n = p->nodes[i];
        bool is_away = fleet_node_unavailable(n);
        away += is_away;
        failed += !is_away && fleet_node_failing(n) && targeted(p, n);
        busy += holds_place(p, n);
    }
    return (Capacity){.in_service = less(max, away + failed), .under_way = less(max, busy)};
}

/* It is away already, and nothing that it was asked is still to come. */
static bool costs_nothing(const FleetNode *n)
{
    return fleet_node_settled(n) && fleet_node_unavailable(n);
}

static bool can_be_told(const RolloutPool *p, const FleetNode *n)
{
    return !targeted(p, n) && fleet_node_settled(n) && !fleet_node_kept_away(n);
}

/* ---- the first few of many, in order: a heap, so that a large pool is not sorted for every node told ----
 */

static void sink(FleetNode **heap, size_t n, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && compare_nodes(&heap[child + 1], &heap[child]) < 0)
            child++;
        if (compare_nodes(&heap[at], &heap[child]) <= 0)
            return;
        FleetNode *down = heap[at];
        heap[at] = heap[child];
        heap[child] = down;
    }
}

static FleetNode *take_first(FleetNode **heap, size_t *n)
{
    FleetNode *first = heap[0];
    heap[0] = heap[--*n];
    sink(heap, *n, 0);
    return first;
}

static bool take_place(const RolloutPool *p, const FleetNode *n, Capacity *c)
{
    unsigned service = !costs_nothing(n), place = !holds_place(p, n);
    if (service > c->in_service || place > c->under_way)
        return false;
    c->in_service -= service;
    c->under_way -= place;
    return true;
}

size_t rollout_next(const RolloutPool *p, FleetNode **ret)
{
    size_t n = 0, kept = 0, free_ones = 0;
    FleetNode *last = NULL;
    if (!p->target || !*p->target || p->paused)
        return 0;
    Capacity c = capacity_of(p);
    _cleanup_free_ FleetNode **heap = calloc(p->n_nodes + 1, sizeof(FleetNode *));
    if (!heap)
        abort();
    for (size_t i = 0; i < p->n_nodes; i++) {
        FleetNode *node = p->nodes[i];
        Capacity alone = c, none = {0};
        if (!can_be_told(p, node) || !take_place(p, node, &alone))
            continue;
        if (p->last && !strcmp(node->name, p->last)) {
            last = node;
            continue;
        }
        free_ones += take_place(p, node, &none);
        heap[n++] = node;
    }
    for (size_t i = n / 2; i > 0; i--)
        sink(heap, n, i - 1);
    while (n && (c.in_service || c.under_way || free_ones)) {
        FleetNode *node = take_first(heap, &n);
        Capacity none = {0};
        free_ones -= take_place(p, node, &none);
        if (take_place(p, node, &c))
            ret[kept++] = node;
    }
    if (last && take_place(p, last, &c))
        ret[kept++] = last;
    return kept;
}
