#pragma once
/* A deployment's files become those of its commit again: each that is missing, or is another one, is put in
 * its place by one rename, as a link to its object. Nobody sees a file in between. Directories, and what was
 * added, stay as they are. */
#include "update/deployment_verify.h"

typedef struct DeploymentRepair {
    const char **repaired; /* paths */
    size_t n;
    size_t left; /* rows that could not be mended: directories, additions, files whose object is bad */
} DeploymentRepair;
/* Verifies and mends. */
int deployment_repair(int repo, Arena *a, const uint8_t commit[OSTREE_CHECKSUM], int deployment,
                      const CheckRun *run, DeploymentRepair *ret, Error *e);
