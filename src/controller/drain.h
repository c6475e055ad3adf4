#pragma once
/* Taking a node out of service: what has to leave it, and when to try again. Pure; drain_run.c asks the API.
 * Semantics: kubectl drain with --force --ignore-daemonsets --delete-emptydir-data; timings:
 * machine-config-operator pkg/controller/drain/drain_controller.go. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "format/node.h"

typedef enum DrainFate {
    DRAIN_EVICT, /* it is asked to leave */
    DRAIN_WAIT,  /* it is leaving already */
    DRAIN_LEAVE, /* of a daemon set, of the node itself, or over: it does not keep the node */
} DrainFate;

typedef struct DrainPod {
    const char *namespace, *name, *uid;
    DrainFate fate;
} DrainPod;

/* Of the items of a PodList, those that keep the node; in the arena. */
size_t drain_pods(Arena *a, const Node *list, DrainPod **ret);

/* How a drain goes, in milliseconds of a clock that is never set. */
typedef struct Drain {
    int64_t since, next; /* when it began; when to look again */
    bool told;           /* that it takes too long */
} Drain;
void drain_begin(Drain *d, int64_t now);
/* After a look that left something: `refused` when a disruption budget held a pod. */
void drain_put_off(Drain *d, int64_t now, bool refused);
bool drain_due(const Drain *d, int64_t now);
/* True once, when it has taken an hour. */
bool drain_overdue(Drain *d, int64_t now);
