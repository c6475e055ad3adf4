#pragma once
/* The controller as a state machine over an API: it is stepped when the API may have something or a time is
 * over, does what is due, and never waits. One thread, one leader at a time: who steps it holds the lease. */
#include "kube/kube.h"
#include "kube/kube_time.h"

typedef struct ControllerOptions {
    Kube *kube;
    const KubeTime *time;    /* NULL: the real one */
    const char *node;        /* this runs on it, so that it is updated last; NULL: on none */
    int64_t rendered_age_ms; /* rendered configs that nobody refers to stay so long */
    void (*log)(void *context, const char *line); /* NULL: nowhere */
    void *context;
} ControllerOptions;

enum { CONTROLLER_RENDERED_AGE_DAYS = 7 };

typedef struct Controller Controller;
Controller *controller_new(const ControllerOptions *o);
void controller_free(Controller *c); /* before the client */
DEFINE_CLEANUP(Controller *, controller_free);

/* `active` false: only look, so that a later leader knows the fleet already. */
void controller_step(Controller *c, bool active);
int controller_timeout_ms(const Controller *c); /* -1: only when kube_fd() or kube_timeout_ms() say so */
