#pragma once
/* Changes of the list that need no new tree. Each takes a sysroot opened to write, returns 1 when it changed
 * something and leaves the list reloaded. */
#include "update/deployment_make.h"

/* The rollback deployment becomes the default one; once more, and the order is as before. A staged deployment
 * is given up. -ENOENT: there is only one. */
int deployment_rollback(Sysroot *s, const DeploymentTree *t, Error *e);
const Deployment *deployment_rollback_target(const Sysroot *s); /* NULL: there is none */
/* The same for a certain one. */
int deployment_set_first(Sysroot *s, const DeploymentTree *t, const Deployment *d, Error *e);
int deployment_set_pinned(Sysroot *s, const Deployment *d, bool pinned, Error *e);
/* Rewrites a deployment's origin file. */
int deployment_set_origin(Sysroot *s, const Deployment *d, const Origin *origin, Error *e);
/* Kernel arguments of a deployment in place: its entry is written anew with all others and swapped in. Where
 * a way back is wanted (the booted one) deployment_make() the same commit with other options. */
int deployment_set_options(Sysroot *s, const Deployment *d, const char *options, Error *e);
/* Out of the list, and off the disk. -EBUSY: booted or pinned. */
int deployment_remove(Sysroot *s, const DeploymentTree *t, const Deployment *d, Error *e);

typedef enum DeploymentCleanup {
    CLEANUP_LEFTOVERS = 0,     /* always: what no entry names, old links, kernels, refs */
    CLEANUP_PENDING = 1 << 0,  /* and what is staged or before the booted one */
    CLEANUP_ROLLBACK = 1 << 1, /* and what is after it */
    CLEANUP_PRUNE = 1 << 2,    /* and objects that nothing needs */
} DeploymentCleanup;
int deployment_cleanup(Sysroot *s, const DeploymentTree *t, unsigned what, Report *r, Error *e);
