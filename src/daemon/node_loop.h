#pragma once
/* The node's part of the fleet: watches its own Node, asks node_agent.h what is next, and does it, one step
 * at a time. Nothing of a config is kept in memory while nothing is to be done. For one thread. */
#include "daemon/node_apply.h"
#include "kube/kube.h"
#include "kube/kube_time.h"

#define FIRST_ANNOTATIONS "/etc/machine-config-daemon/node-annotations.json"
/* There: what is on the disk is made as declared whatever it is, and a system that did not boot is tried
 * again. Looked at when the machine is verified; taken away then. */
#define FORCE_FILE "/run/machine-config-daemon-force"

typedef struct NodeLoopOptions {
    Kube *kube;
    const char *node;
    const Machine *machine;
    const KubeTime *time; /* NULL: the real one */
    bool skip_reboot;     /* whoever started this sees to it: node_loop_step() returns -ECANCELED */
} NodeLoopOptions;

typedef struct NodeLoop NodeLoop;
NodeLoop *node_loop_new(const NodeLoopOptions *o); /* texts, machine and client must outlive it */
void node_loop_free(NodeLoop *l);
DEFINE_CLEANUP(NodeLoop *, node_loop_free);

/* 1: something was done, ask again; 0: nothing to do before node_loop_timeout_ms(), or one of the descriptors
 * says so. What fails is told by the node's annotations and the log, and tried again. */
int node_loop_step(NodeLoop *l, Error *e);
int node_loop_timeout_ms(NodeLoop *l);     /* -1: for ever */
int node_loop_drift_fd(const NodeLoop *l); /* -EBADF: none now */
