#pragma once
/* The controller as a state machine over an API: it is stepped when the API may have something or a time is
 * over, does what is due, and never waits. One thread, one leader at a time: who steps it holds the lease. */
#include "kube/kube.h"
#include "kube/kube_time.h"

/* How certificate signing requests of nodes are treated; csr_rule.h has the rules. Zeroed: renewals and
 * serving certificates are approved, nobody joins by itself, nothing is signed. */
typedef struct CsrOptions {
    const char *signing_certificate, *signing_key; /* files; NULL: somebody else signs */
    int64_t life_sec;                              /* of what is signed; 0: CONTROLLER_CSR_LIFE_SEC */
    const char *const *expected;                   /* nodes that are to join; ends with NULL; NULL: none */
    int64_t window_sec; /* so long after the installation any node may join; 0: none */
} CsrOptions;

typedef struct ControllerOptions {
    Kube *kube;
    const KubeTime *time;    /* NULL: the real one */
    const char *node;        /* this runs on it, so that it is updated last; NULL: on none */
    int64_t rendered_age_ms; /* rendered configs that nobody refers to stay so long */
    CsrOptions csr;
    void (*log)(void *context, const char *line); /* NULL: nowhere */
    void *context;
} ControllerOptions;

enum { CONTROLLER_RENDERED_AGE_DAYS = 7, CONTROLLER_CSR_LIFE_SEC = 24 * 3600, CONTROLLER_JOIN_MINUTES = 120 };

typedef struct Controller Controller;
Controller *controller_new(const ControllerOptions *o);
void controller_free(Controller *c); /* before the client */
DEFINE_CLEANUP(Controller *, controller_free);

/* `active` false: only look, so that a later leader knows the fleet already. */
void controller_step(Controller *c, bool active);
int controller_timeout_ms(const Controller *c); /* -1: only when kube_fd() or kube_timeout_ms() say so */
