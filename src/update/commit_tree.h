#pragma once
/* Commits of a repository as the trees of deployments: the real one of the two implementations of
 * DeploymentTree. */
#include "update/deployment_make.h"

/* `repo` is an open repository that outlives it. */
DeploymentTree commit_tree_of(int *repo);
