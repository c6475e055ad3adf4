#pragma once
/* Whether a deployment's usr still is its commit's. Files that are links to objects are hashed as objects, in
 * several threads; others (copies, or put in their place by somebody) by themselves. */
#include "update/object_check.h"

enum { DEPLOYMENT_ROWS_MAX = 1 << 20 };

typedef enum DeploymentChange {
    DEPLOYMENT_ADDED,
    DEPLOYMENT_MISSING,
    DEPLOYMENT_REPLACED, /* something else has the name, or other owners, modes, attributes */
    DEPLOYMENT_CHANGED,  /* written to through the link: the repository's object is damaged, all users of it
                            too */
} DeploymentChange;

typedef struct DeploymentRow {
    const char *path; /* "usr/bin/x" */
    DeploymentChange change;
    bool directory; /* of the commit; of what was added, on disk */
} DeploymentRow;

/* In the order of the paths, but for those that were changed, which come last. What is in an added directory
 * has no rows. */
typedef struct DeploymentResult {
    DeploymentRow *rows;
    size_t n;
    uint64_t files, bytes;
} DeploymentResult;

/* `deployment` is its open directory. 1: something is not as it was. An object that cannot be read, and
 * -E2BIG, end it. Metadata that is damaged in the repository does too: repo_verify() says what. */
int deployment_verify(int repo, Arena *a, const uint8_t commit[OSTREE_CHECKSUM], int deployment,
                      const CheckRun *run, DeploymentResult *ret, Error *e);
