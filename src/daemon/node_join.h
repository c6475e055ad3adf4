#pragma once
/* A machine that joins a cluster where no kubelet does it: asks for a certificate of its own with what the
 * config server gave it, registers its Node, and reports it ready. Never waits; for one thread. */
#include "kube/kube.h"
#include "kube/kube_time.h"
#include "kube/kubeconfig.h"

typedef struct NodeJoinOptions {
    const KubeConfig *bootstrap; /* where the API is, and as whom one asks at first */
    const char *node;
    const char *directory; /* of the certificate: /var/lib/kubelet/pki */
    const char *pool;      /* its role; NULL: none */
    const KubeTime *time;  /* NULL: the real one */
} NodeJoinOptions;

typedef struct NodeJoin NodeJoin;
int node_join_new(const NodeJoinOptions *o, NodeJoin **ret, Error *e);
void node_join_free(NodeJoin *j);
DEFINE_CLEANUP(NodeJoin *, node_join_free);

/* 1: it has joined. Afterwards the certificate is renewed by further steps. Failures are waited out. */
int node_join_step(NodeJoin *j, Error *e);
int node_join_timeout_ms(const NodeJoin *j); /* -1: never */
Kube *node_join_kube(const NodeJoin *j);     /* asks as the node */
