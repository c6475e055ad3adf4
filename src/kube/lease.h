#pragma once
/* One of several leads: an election on a Lease of coordination.k8s.io/v1, by the rules of client-go's
 * leaderelection, with which it can compete. Whoever holds the Lease renews it; whoever sees that it has not
 * changed for its duration, by its own clock and not by the times in it, takes it. Without a renewal for
 * `renew_ms` the holder stops leading, before anybody else can begin. */
#include <stdbool.h>

#include "kube/kube.h"
#include "kube/kube_time.h"

typedef struct LeaseOptions {
    const char *namespace, *name;
    const char *identity;  /* unique among all that compete: host name and something random */
    unsigned duration_sec; /* 0: 15 s */
    unsigned renew_ms;     /* 0: 10 s; less than the duration */
    unsigned retry_ms;     /* 0: 2 s; less than half of renew_ms */
    const KubeTime *time;  /* NULL: the real one */
} LeaseOptions;

typedef struct Lease Lease;

/* Texts and `kube` must outlive it. */
Lease *lease_new(Kube *kube, const LeaseOptions *options);
void lease_free(Lease *l); /* gives nothing back: see lease_release() */
DEFINE_CLEANUP(Lease *, lease_free);

/* Tries, when it is time to. 1: it was won or lost; 0: as before; < 0: the try failed, and a further one
 * follows. */
int lease_step(Lease *l, Error *e);
/* May we lead at this moment? Ask before each deed that only a leader may do. */
bool lease_held(const Lease *l);
int lease_timeout_ms(const Lease *l);
const char *lease_holder(const Lease *l); /* as it was seen last; "": nobody, or not known */
/* On the way out: whoever waits need not wait for the end of the duration. Does nothing unless it is held. */
int lease_release(Lease *l, Error *e);
