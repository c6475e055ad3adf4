#pragma once
/* What no commit needs is removed from a repository. Kept: all refs' commits and those that are given (the
 * deployments'), with their trees, metadata and files; parents of a commit only when they are among these.
 * Objects that an import has put while their ref is not written yet are such as nothing needs: who imports
 * holds the repository's lock until the ref is there. Static deltas, tombstones and what is no object stay.
 */
#include "base/error.h"
#include "update/ostree_object.h"

typedef int (*PruneStep)(void *context, const char *what);
typedef struct PruneOptions {
    const uint8_t (*commits)[OSTREE_CHECKSUM]; /* kept beside those of the refs; a missing one is -ENOENT */
    size_t n_commits;
    bool dry_run;
    bool locked;    /* the caller holds repo_lock(); else it is taken, -EBUSY */
    PruneStep step; /* before each change of the disk, for tests; negative: ends the work; NULL allowed */
    void *context;
} PruneOptions;

typedef struct PruneCounts {
    uint64_t kept, removed; /* objects */
    uint64_t
        bytes; /* of the disk that the removed ones free: a file that a deployment still links frees none */
} PruneCounts;

/* Nothing is removed unless everything that is kept could be followed to its end: a damaged or missing object
 * (-EBADMSG, -ENOENT), or a ref without a checksum, ends it before. A ref whose commit is missing keeps
 * nothing; of a commit that was pulled in part (libostree's state/….commitpartial) what is there. Killed at
 * any moment, every object that is left has all that it refers to; the next run removes the rest. */
int repo_prune(int repo, const PruneOptions *o, PruneCounts *ret, Error *e);
