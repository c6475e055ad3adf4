#pragma once
/* What the parts of the controller share. */
#include "base/name_list.h"
#include "controller/controller.h"
#include "fleet/fleet.h"
#include "fleet/generated_config.h"
#include "kube/informer.h"
#include "kube/kube_event.h"
#include "kube/kube_kind.h"
#include "machineconfig/controller_config.h"

typedef enum Watched {
    WATCHED_POOLS, /* first: nodes are sorted into them */
    WATCHED_CONFIGS,
    WATCHED_KUBELET_CONFIGS,
    WATCHED_RUNTIME_CONFIGS,
    WATCHED_CLUSTER, /* the ControllerConfig */
    WATCHED_NODES,
    WATCHED_CSRS, /* last: nothing else waits for them */
    WATCHED_KINDS,
} Watched;

struct Controller {
    ControllerOptions o;
    const KubeTime *time;
    Fleet fleet;
    NameList configs;                  /* CachedConfig */
    NameList sources[GENERATED_KINDS]; /* GeneratedSource */
    Arena *cluster_arena;
    ControllerConfig cluster; /* when cluster_arena is there */
    Informer *informers[WATCHED_KINDS];
    bool failing[WATCHED_KINDS];
    KubeRecorder *recorder;
    NameList drains;       /* NodeDrain */
    NameList csrs;         /* CsrItem, of csr_sync.c */
    bool csrs_crowded;     /* more than are looked at */
    int64_t csrs_swept;    /* the old ones were removed, last */
    int64_t installed;     /* the cluster, in seconds since 1970; 0: not known */
    bool active;           /* in the step before */
    bool unsure;           /* a write may or may not have been done */
    bool sources_changed;  /* something that MachineConfigs are made of */
    int64_t sources_retry; /* not before then */
    int64_t collected;     /* garbage, last */
    int64_t wake;          /* the next moment at which something is due; -1: none */
};

int64_t controller_now(const Controller *c);
void controller_log(const Controller *c, const char *format, ...) _printf_(2, 3);
/* What `kubectl describe` shows; the log gets it as well. `object`: its identity is used. */
void controller_event(Controller *c, const Node *object, bool warning, const char *reason, const char *format,
                      ...) _printf_(5, 6);
Node *controller_node_object(Arena *a, const FleetNode *n); /* its identity */
void controller_wake_at(Controller *c, int64_t when);
/* One call, its failure logged with what it was for. */
int controller_call(Controller *c, const KubeRequest *q, Arena *a, KubeAnswer *ret, const char *what);

/* What the answers to our own writes say; of configs and CSRs, all that is seen. */
void controller_pool_seen(Controller *c, const Node *object);
void controller_config_seen(Controller *c, const Node *object);
void controller_config_gone(Controller *c, const char *name);
void controller_node_seen(Controller *c, const Node *object);
void controller_csr_seen(Controller *c, const Node *object);
void controller_csr_gone(Controller *c, const char *name);

void pool_sync(Controller *c, FleetPool *p);
void source_sync(Controller *c);
void drain_asked(Controller *c, const FleetNode *n); /* does it ask for something now? */
void drain_sync(Controller *c);
void garbage_sync(Controller *c);
void drain_sync_done(Controller *c);
void csr_sync(Controller *c);
void csr_sync_again(Controller *c); /* what was left for a person may be decided otherwise now */
void csr_sync_done(Controller *c);
