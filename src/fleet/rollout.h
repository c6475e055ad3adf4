#pragma once
/* Which nodes of a pool get its config now: pure, from what is known of them. At most maxUnavailable are away
 * at a time, counting those that are away for reasons of their own. Rules: machine-config-operator
 * pkg/controller/node/node_controller.go (getAllCandidateMachines), and beyond it: a node that is down and
 * was not told anything yet costs nothing to be told, so that a pool whose config took its nodes down can be
 * healed by a newer config; one at a time of these, too, since they may all come back at once. */
#include "fleet/fleet_node.h"

typedef struct RolloutPool {
    const char *target;          /* the rendered config; NULL or "": none yet */
    const char *max_unavailable; /* as written: "2", "10%"; NULL: 1 */
    bool paused;
    const char *last;        /* a node that goes last, since it runs who decides; NULL: none */
    FleetNode *const *nodes; /* of the pool */
    size_t n_nodes;
} RolloutPool;

typedef struct RolloutCounts {
    unsigned machines, updated, ready, unavailable, degraded;
} RolloutCounts;
RolloutCounts rollout_count(const RolloutPool *p);

/* A percentage is rounded down; less than 1 is 1. */
unsigned rollout_max_unavailable(const char *max_unavailable, size_t n_nodes);

/* The nodes to be told now, in order: by zone, those without one last, then by age, then by name. `ret` has
 * room for all of the pool. */
size_t rollout_next(const RolloutPool *p, FleetNode **ret);
