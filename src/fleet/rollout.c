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

static void put_last(FleetNode **nodes, size_t n, const char *last)
{
    for (size_t i = 0; last && i + 1 < n; i++)
        if (!strcmp(nodes[i]->name, last)) {
            FleetNode *moved = nodes[i];
            memmove(&nodes[i], &nodes[i + 1], (n - i - 1) * sizeof(*nodes));
            nodes[n - 1] = moved;
            return;
        }
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

size_t rollout_next(const RolloutPool *p, FleetNode **ret)
{
    size_t n = 0, kept = 0;
    if (!p->target || !*p->target || p->paused)
        return 0;
    Capacity c = capacity_of(p);
    for (size_t i = 0; i < p->n_nodes; i++)
        if (can_be_told(p, p->nodes[i]))
            ret[n++] = p->nodes[i];
    qsort(ret, n, sizeof(*ret), compare_nodes);
    put_last(ret, n, p->last);
    for (size_t i = 0; i < n; i++) {
        unsigned service = !costs_nothing(ret[i]), place = !holds_place(p, ret[i]);
        if (service > c.in_service || place > c.under_way)
            continue;
        c.in_service -= service;
        c.under_way -= place;
        ret[kept++] = ret[i];
    }
    return kept;
}
