#pragma once
/* A commit becomes a deployment: its tree, /etc merged, kernel in /boot, and the first place in the order of
 * boot. Interrupted at any moment the machine boots what it booted before; the next change takes away what
 * was left. */
#include "update/sysroot.h"

/* What knows commits: the object store, or plain directories (tests). Each function takes its context first.
 */
typedef struct DeploymentTree {
    void *context;
    /* The tree of a commit into an empty directory, which becomes its root, with an etc of its own: copies of
     * usr/etc, which is all of /etc that a tree has. */
    int (*checkout)(void *context, const char *checksum, int to, Error *e);
    /* What `from` (a deployment's directory) changed of its usr/etc is changed in etc of `to`; conflicts are
     * findings. NULL: nothing is merged. Doing it twice does no harm. */
    int (*merge_etc)(void *context, int from, int to, Report *r, Error *e);
    /* Takes away what no ref of the repository needs; NULL: nothing. */
    int (*prune)(void *context, Error *e);
    /* Disk that a checkout takes, kernels not counted; NULL: not known. */
    int (*measure)(void *context, const char *checksum, uint64_t *ret_bytes, uint64_t *ret_files, Error *e);
} DeploymentTree;

typedef enum DeploymentRetain {
    RETAIN_NEEDED,   /* the booted one, the one merged from, pinned ones, other stateroots: as rpm-ostree and
                        bootc */
    RETAIN_ROLLBACK, /* and the one that was the way back until now */
    RETAIN_ALL,
} DeploymentRetain;

typedef struct DeploymentMake {
    const char *stateroot; /* NULL: the merge deployment's */
    const char *checksum;
    const Origin *origin;    /* NULL: the merge deployment's, without what is transient */
    const char *options;     /* kernel arguments; NULL: the merge deployment's */
    const Deployment *merge; /* NULL: sysroot_find(DEPLOYMENT_MERGE) */
    bool no_merge;           /* /etc as in the commit, no kernel arguments but `options` */
    bool locked;             /* staged only: not at shutdown */
    DeploymentRetain retain;
} DeploymentMake;

/* Needs a sysroot opened to write. -ENOSPC with numbers: below ostree/ before anything is written, in /boot
 * before anything is written there; where dropping what would be dropped anyway makes the room, that is done
 * first. A staged deployment is given up. */
int deployment_make(Sysroot *s, const DeploymentTree *t, const DeploymentMake *m, Report *r, Error *e);
