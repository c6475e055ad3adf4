#pragma once
/* Which deployments there are to be: new lists made of old ones. Nothing here touches a file. */
#include "update/deployment_make.h"

/* The new one goes first; then, in their order, those that stay: of other stateroots, booted, merged from
 * (where nothing is merged, what would have been: there is always a way back), pinned, and what `retain`
 * says. Staged ones never. */
DeploymentList deployment_list_with(Sysroot *s, Deployment *fresh, const Deployment *merge,
                                    DeploymentRetain retain);
DeploymentList deployment_list_without(Arena *a, const DeploymentList *now, const Deployment *d);
/* With one of them in front; staged ones left out. */
DeploymentList deployment_list_first(Arena *a, const DeploymentList *now, const Deployment *d);
