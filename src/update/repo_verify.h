#pragma once
/* Every object of some commits, or of a whole repository, is read and hashed against its name. Nothing is
 * changed. Repair is fetching again: an object that is found bad is removed by its name (basalt-os does that
 * on request), so that the next pull of the same image puts it anew, where it is missed; deployments that
 * link the bad file keep it and have to be made again. Until then nothing new is built on it: checking out
 * reads no file. */
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
