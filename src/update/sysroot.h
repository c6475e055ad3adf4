#pragma once
/* The deployments of an OSTree sysroot: the trees that a machine can boot, in the order in which its boot
 * loader offers them. Layout and rules are libostree's (src/libostree/ostree-sysroot.c), so that `ostree
 * admin` reads what we write and we what it writes. Reading takes no lock, hashes nothing and needs no rights
 * but those to read; a sysroot below a directory is never taken for the running one. What changes something:
 * deployment_make.h, deployment_stage.h, deployment_edit.h; all of it goes through boot_swap.h. */
#include <stdbool.h>
#include <stdint.h>

#include "format/report.h"
#include "update/origin.h"

enum { DEPLOYMENTS_MAX = 128 };

typedef struct Deployment {
    const char *stateroot, *checksum; /* of the commit, in hexadecimal digits */
    unsigned serial;                  /* counts the trees of one commit */
    const char *boot_checksum;        /* of kernel, initramfs and device trees */
    unsigned boot_serial;             /* counts the deployments of one boot checksum */
    const char *path;                 /* "ostree/deploy/STATEROOT/deploy/CHECKSUM.SERIAL" */
    const char *title;                /* in the boot loader's menu; NULL while staged */
    const char *options;              /* kernel arguments, without those that name the deployment */
    const char *kernel_version;       /* NULL: not known */
    const char *version;              /* of the commit's metadata; NULL: has none */
    uint64_t timestamp;               /* of the commit; 0: not known */
    const char *unlocked;             /* "development", "transient", "hotfix"; NULL: /usr is as it was made */
    const char *entry_rest;           /* lines of its boot entry that are not ours, carried along */
    Origin origin;                    /* n == 0: none */
    bool booted, staged, pinned;
    bool finalization_locked; /* staged, and to stay so at shutdown */
} Deployment;

typedef struct DeploymentList {
    Deployment **items; /* the staged one first, then the default of the next boot, … */
    size_t n;
} DeploymentList;

/* Makes what is missing of a sysroot with this stateroot in an existing directory; 1 when something was. */
int sysroot_init(const char *path, const char *stateroot, Error *e);

typedef int (*SysrootStep)(void *context, const char *what); /* negative ends the work */
typedef struct SysrootOptions {
    bool write;   /* takes ostree/lock; for "/" in a mount namespace of its own where /sysroot is writable */
    bool freeze;  /* the filesystem of /boot is frozen and thawed around a swap: boot_freeze.h says when */
    bool mutable; /* deployments do not get the immutable flag */
    /* Somebody (a process, as far as can be known, else NULL) holds the lock: true waits for it. Called about
     * every second. NULL: -EBUSY at once. */
    bool (*wait)(void *context, const char *holder);
    SysrootStep step; /* before each change of the disk, for tests; NULL allowed */
    void *context;
    const char *booted; /* "STATEROOT/CHECKSUM.SERIAL" plays the running one, for tests */
} SysrootOptions;

typedef struct Sysroot Sysroot;
/* -ENOENT: no sysroot. What is broken of it is no failure but in sysroot_problems(). */
int sysroot_open(const char *path, const SysrootOptions *o, Sysroot **ret, Error *e);
void sysroot_free(Sysroot *s); /* releases the lock */
DEFINE_CLEANUP(Sysroot *, sysroot_free);
#define _cleanup_sysroot_ _cleanup_(sysroot_freep)

int sysroot_reload(Sysroot *s, Error *e); /* lists and deployments of before stay readable */
const DeploymentList *sysroot_deployments(const Sysroot *s);
/* Entries without deployments, links out of step, missing kernels: findings of severity ERROR for what cannot
 * boot, WARNING for the rest. */
const Report *sysroot_problems(const Sysroot *s);
/* Why the last staged deployment did not become the default one at shutdown; NULL: it did. */
const char *sysroot_failure(const Sysroot *s);
int sysroot_fd(const Sysroot *s); /* borrowed */

typedef enum DeploymentRole {
    DEPLOYMENT_STAGED,
    DEPLOYMENT_BOOTED,
    DEPLOYMENT_PENDING,  /* the first before the booted one; without a booted one the first of all */
    DEPLOYMENT_ROLLBACK, /* the first after the booted one; without a booted one the second */
    DEPLOYMENT_MERGE,    /* whose /etc and kernel arguments the next one takes: booted, else pending */
} DeploymentRole;
/* NULL: there is none. Stateroot NULL: the booted one's, else the first deployment's. */
const Deployment *sysroot_find(const Sysroot *s, DeploymentRole role, const char *stateroot);
/* By index ("0"), "booted", "staged", "pending", "rollback", checksum or its beginning (4 digits at least,
 * with or without ".SERIAL"), or version. -ENOENT, -EINVAL when several match. */
int sysroot_select(const Sysroot *s, const char *text, const Deployment **ret, Error *e);

/* Makes the boot entries, links and kernels agree again, from what is there. 1 when it changed something;
 * what it did and what it could not mend is in the report. */
int sysroot_repair(Sysroot *s, Report *r, Error *e);
