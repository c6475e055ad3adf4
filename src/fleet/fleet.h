#pragma once
/* Pools and nodes as the controller knows them: who belongs to which pool, and whose turn a look is. It is
 * told what is seen and what is gone, and asks nobody. Which pool a node is of: machine-config-operator
 * pkg/helpers/helpers.go (GetPoolsForNode): one pool of its own beats worker; master beats all. */
#include "base/name_list.h"
#include "fleet/fleet_node.h"
#include "machineconfig/machine_config_pool.h"

struct FleetPool {
    char *name;
    Arena *arena;            /* of what follows */
    const Node *object;      /* as it was seen last */
    MachineConfigPool *spec; /* NULL: it is not valid, `error` says why */
    const char *error;
    FleetNode **nodes; /* in no order */
    size_t n_nodes, size;
    Answered answered;
    bool dirty;                         /* something about it or its nodes has changed */
    bool render_due;                    /* what it selects may have changed */
    char *render_error;                 /* NULL: its config could be rendered */
    struct PoolTimes {                  /* of pool_sync.c, in milliseconds of a clock that is never set */
        int64_t changed, changed_first; /* what it selects: last, and first since it was rendered */
        int64_t looked;                 /* at its nodes */
        int64_t told;                   /* its status was written */
        int64_t retry;                  /* something failed: not before then */
    } times;
};

typedef struct Fleet {
    NameList pools, nodes;
    bool list_nodes_again; /* a selector has changed: labels are not kept */
} Fleet;

void fleet_done(Fleet *f);
FleetPool *fleet_pool_seen(Fleet *f, const Node *object);
void fleet_pool_gone(Fleet *f, const char *name);
/* 1 when anything that the controller acts on has changed. */
int fleet_node_seen(Fleet *f, const Node *object, FleetNode **ret);
void fleet_node_gone(Fleet *f, const char *name);

/* spec.configuration.name; "" when it has none yet. */
const char *fleet_pool_target(const FleetPool *p);
