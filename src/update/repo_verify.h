#pragma once
/* Every object of some commits, or of a whole repository, is read and hashed against its name. Nothing is
 * changed. Repair is importing again (ImportOptions.suspects), then deployment_repair.h; by hand, for what
 * was pulled by ostree: a bad object is removed by its name (objects/3b/841d….file), the commits that use it
 * are marked as pulled in part (an empty state/<commit>.commitpartial), and the ref is pulled once more. */
#include "update/object_check.h"

enum { VERIFY_PATHS_MAX = 8, VERIFY_BAD_MAX = 1 << 16 };

typedef struct VerifyBad {
    ObjectKind kind;
    ObjectState state;
    uint8_t checksum[OSTREE_CHECKSUM];
    const char
        *paths[VERIFY_PATHS_MAX]; /* where it is used ("usr/lib/x"), the first ones found; NULL: no more */
} VerifyBad;

typedef struct VerifyResult {
    VerifyBad *bad;
    size_t n_bad;
    size_t commits,
        partial; /* looked at; of a whole repository: those pulled in part, which are not followed */
    uint64_t objects, bytes;
} VerifyResult;

typedef struct VerifyOptions {
    const uint8_t (*commits)[OSTREE_CHECKSUM];
    size_t n_commits; /* 0: the whole repository, also what no commit needs */
    CheckRun run;
} VerifyOptions;

/* 1: something is bad. What ends the work: the caller's progress, too much that is bad (-E2BIG), a repository
 * that cannot be listed. */
int repo_verify(int repo, Arena *a, const VerifyOptions *o, VerifyResult *ret, Error *e);
