#pragma once
/* The directory of a deployment in the making; for deployment_make.c and deployment_stage.c. */
#include "update/deployment_make.h"

/* Checks what is asked for, cleans up, sees to the space, and makes directory, /etc (not merged) and origin.
 * *ret is not in the list; *ret_merge is NULL for none. What was begun is removed after a failure. */
int deployment_tree_make(Sysroot *s, const DeploymentTree *t, const DeploymentMake *m, Deployment **ret,
                         const Deployment **ret_merge, Report *r, Error *e);
/* The /etc merge and all else that is done last: the deployment can be booted then. */
int deployment_tree_finish(Sysroot *s, const DeploymentTree *t, const Deployment *d, const Deployment *merge,
                           Report *r, Error *e);
/* Room in /boot for these; makes it by dropping early what is not among them. */
int deployment_room_make(Sysroot *s, const DeploymentList *wanted, const Deployment *fresh, Report *r,
                         Error *e);
