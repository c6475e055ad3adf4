#pragma once
/* Images and layers that no deployment was made of go from a repository: their refs first, then all objects
 * that nothing needs any more. The refs of deployments (ostree/BOOTVERSION/SUBVERSION/INDEX, written by
 * sysroot.h) say what is needed: their commits, and of those that are images the layers, so that the next
 * version fetches only what it has not in common with them. */
#include "update/repo_prune.h"

/* Takes the repository's lock. Killed at any moment, what is left is whole; the next run goes on. */
int image_prune(int repo, PruneCounts *ret, Error *e);
