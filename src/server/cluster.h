#pragma once
/* Which config each pool's new machines get, of a cluster that runs: what its API says now. A pool's new
 * config is given out once one of its machines has it, until then the one that all have: a config that breaks
 * machines is not what new ones begin with (machine-config-operator pkg/server/cluster_server.go). */
#include "format/node.h"
#include "kube/kube.h"

typedef struct Cluster Cluster;
Cluster *cluster_new(Kube *kube);
void cluster_free(Cluster *c); /* before the client */
DEFINE_CLEANUP(Cluster *, cluster_free);

/* 1: what would be given out may have changed. */
int cluster_step(Cluster *c, Error *e);
int cluster_timeout_ms(const Cluster *c);
/* {POOL: MachineConfig}, read now. -EAGAIN: the cluster begins, not every pool has a config. Later a pool
 * without one is left out. */
int cluster_pools(Cluster *c, Arena *a, Node **ret, Error *e);
