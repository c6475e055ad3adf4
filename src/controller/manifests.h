#pragma once
/* The objects that a cluster begins with: a directory of manifests, each made once. Then a ConfigMap says so
 * (kube-system/bootstrap, status: complete), and what an administrator has removed since does not come back.
 */
#include "base/arena.h"
#include "kube/kube.h"

typedef struct Manifests {
    unsigned made, known, unknown; /* were made; were there; of kinds that only others know */
} Manifests;

/* 1: now they are; 0: they were before. A failure leaves the rest for the next time. */
int manifests_make(Kube *k, const char *directory, Manifests *ret, Error *e);
