#pragma once
/* What the controller keeps of a node: some four hundred bytes, whatever the object has, so that ten thousand
 * nodes are a few megabytes. Annotations and their words: machine-config-operator
 * pkg/daemon/constants/constants.go. */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "format/node.h"

#define NODE_CURRENT_CONFIG "machineconfiguration.openshift.io/currentConfig"
#define NODE_DESIRED_CONFIG "machineconfiguration.openshift.io/desiredConfig"
#define NODE_STATE          "machineconfiguration.openshift.io/state"
#define NODE_REASON         "machineconfiguration.openshift.io/reason"
#define NODE_DESIRED_DRAIN  "machineconfiguration.openshift.io/desiredDrain"
#define NODE_LAST_DRAIN     "machineconfiguration.openshift.io/lastAppliedDrain"
/* Of a pool, and copied to its nodes: "true" when what drifts is to be mended. */
#define NODE_DRIFT_REPAIR "machineconfiguration.openshift.io/driftRepair"
#define NODE_ZONE_LABEL   "topology.kubernetes.io/zone"

typedef enum NodeState {
    NODE_STATE_UNKNOWN, /* no daemon has reported, or in a word that nobody knows */
    NODE_STATE_DONE,
    NODE_STATE_WORKING,
    NODE_STATE_REBOOTING,
    NODE_STATE_DEGRADED,
    NODE_STATE_UNRECONCILABLE,
} NodeState;

typedef struct FleetPool FleetPool; /* fleet.h */

/* The last answer to a write of ours: a watch may tell what is older after it. */
typedef struct Answered {
    uint64_t revision;
    int64_t at; /* milliseconds of a clock that is never set */
} Answered;

/* Texts are owned; "" when the object has none. */
typedef struct FleetNode {
    char *name, *version, *uid;
    char *zone;
    char *current, *desired, *reason;
    char *drain_wanted, *drain_done;
    char *addresses; /* " a b c ", as the node says */
    int64_t created; /* seconds since 1970; 0: not said */
    Answered answered;
    NodeState state;
    bool ready;         /* what the kubelet says of it */
    bool unschedulable; /* cordoned */
    bool repairs;       /* NODE_DRIFT_REPAIR */
    FleetPool *pool;    /* NULL: of none */
    char *no_pool;      /* why, when that is somebody's mistake; else NULL */
} FleetNode;

char *fleet_node_addresses(const Node *object); /* names in small letters; the caller frees */
FleetNode *fleet_node_new(const Node *object);
/* All but pool and no_pool. 1 when anything but the version has changed. */
int fleet_node_update(FleetNode *n, const Node *object);
void fleet_node_free(FleetNode *n);
DEFINE_CLEANUP(FleetNode *, fleet_node_free);

bool fleet_node_done(const FleetNode *n);    /* it is what it was told to be */
bool fleet_node_failing(const FleetNode *n); /* its daemon has given up on what it was told */
bool fleet_node_settled(const FleetNode *n); /* its daemon is done, or has given up on whatever it was */
/* Cordoned by a person, not for an update. */
bool fleet_node_kept_away(const FleetNode *n);
/* It serves nobody, or is about to stop. A node that has drifted counts, as it always has. */
bool fleet_node_unavailable(const FleetNode *n);
bool fleet_node_in_service(const FleetNode *n); /* ready and not cordoned */
