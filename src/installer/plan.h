#pragma once
/* What objects that are not applied yet would do to a fleet: MachineConfigs, pools, KubeletConfigs,
 * ContainerRuntimeConfigs, a MachineConfiguration. Everything is decided by what the controller and the
 * daemon decide with (fleet/, machine_config_diff(), disruption_decide()). Pure. */
#include "base/map.h"
#include "fleet/pool_render.h"
#include "fleet/rollout.h"
#include "machineconfig/disruption.h"

typedef enum PlanOutcome { PLAN_NOTHING, PLAN_CHANGE, PLAN_REBOOT, PLAN_REFUSED } PlanOutcome;

typedef struct PlanObjects {
    const Node **items;
    size_t n, size;
} PlanObjects;
void plan_objects_add(PlanObjects *o, const Node *document);

typedef struct PlanInput {
    PlanObjects current, wanted;
    bool whole;               /* current: all that the cluster has of these kinds */
    const char *os_image_url; /* when no MachineConfig names one; NULL: what the ControllerConfig says */
} PlanInput;

/* Several configs say something about one thing; the last one counts. */
typedef struct PlanConflict {
    const char *what;
    const MachineConfig **who;
    const Node **at;
    size_t n;
} PlanConflict;

/* Nodes that have the same config now, and what becomes of them. */
typedef struct PlanChange {
    MachineConfigDiff *diff;
    Disruption disruption;
    Report refused; /* why running nodes cannot be changed so */
    FleetNode **nodes;
    size_t n_nodes;
    bool assumed; /* what they have is not known: taken for what the pool has */
} PlanChange;

typedef struct PlanTurn {
    FleetNode **nodes; /* told at the same time */
    size_t n;
} PlanTurn;

typedef struct PlanWaiting {
    const FleetNode *node;
    const char *why;
} PlanWaiting;

typedef struct PlanPool {
    const FleetPool *pool;
    const char *from, *to; /* names of rendered configs; "": none */
    const char *error;     /* it cannot be rendered; NULL: it can */
    bool changed;
    unsigned max_unavailable;
    PlanChange *changes;
    size_t n_changes;
    PlanConflict *conflicts;
    size_t n_conflicts;
    PlanTurn *turns;
    size_t n_turns;
    PlanWaiting *waiting; /* not told, as things are */
    size_t n_waiting;
} PlanPool;

typedef struct Plan {
    Arena *arena;
    Fleet fleet;
    NameList before, after; /* CachedConfig; `after` borrows */
    NameList sources[2];    /* GeneratedSource, by kind */
    CachedConfig **made;    /* those of `after` alone */
    size_t n_made, size_made;
    PlanPool *pools; /* by name */
    size_t n_pools;
    PlanOutcome outcome;
} Plan;

/* -EINVAL: what is wanted or known is not valid; -ENOENT: nothing is wanted. With findings. The result, also
 * of a failure, is given back by plan_free(); it lives in `a` and points into the input. */
int plan_make(Arena *a, const PlanInput *in, Plan **ret, Report *r);
void plan_free(Plan *p);
DEFINE_CLEANUP(Plan *, plan_free);

/* Of a rendered config, as far as one of `wanted` (a Map by name) has to do with them. */
size_t plan_conflicts(Arena *a, const RenderedConfig *rc, const Map *wanted, PlanConflict **ret);
