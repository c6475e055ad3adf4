#pragma once
/* The status of a MachineConfigPool, made anew from the former one and what is known of its nodes: counts,
 * conditions, which config all have. Conditions and their texts: machine-config-operator
 * pkg/controller/node/status.go. */
#include "fleet/rollout.h"

typedef struct PoolStatusInput {
    const Node *pool; /* the object; its status may be missing */
    RolloutPool nodes;
    const char *render_error; /* NULL: the pool's config could be rendered */
    const char *now;          /* "2026-01-02T03:04:05Z" */
} PoolStatusInput;

/* A condition that stays as it is keeps its time. 1 with *ret, or 0 when it is what the object has. */
int pool_status_make(Arena *a, const PoolStatusInput *in, Node **ret);
/* Has something a person waits for changed: a condition, the config, the observed generation; not only a
 * count? */
bool pool_status_important(const Node *former, const Node *status);
