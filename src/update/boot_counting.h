#pragma once
/* A new deployment is on trial until a boot of it is complete. boot/loader/trial.cfg, which takes its place
 * together with the entries, says which one and how many tries it has; GRUB (data/grub.cfg) counts them in
 * boot/grub/grubenv and starts the second entry when they are used up. systemd-boot
 * counts in the names of its entries (boot_esp.h). Where there is neither nothing is on trial. What did not
 * boot is remembered in ostree/failed-boots: at most 64 of them. */
#include "update/deployment_make.h"

#define BOOT_TRIES_ARGUMENT "basalt.tries" /* of the new deployment's kernel arguments; 0: no trial */
enum { BOOT_TRIES = 3, BOOT_TRIES_MAX = 9, BOOT_FAILURES_MAX = 64 };

typedef struct BootTrial {
    const char *token;      /* no two trials have the same: what GRUB counts belongs to it */
    const char *deployment; /* "STATEROOT/CHECKSUM.SERIAL" */
    unsigned tries, left;
    bool counted; /* GRUB has started it at least once */
} BootTrial;

typedef struct BootFailure {
    const char *deployment, *instead; /* names as above: what failed, what was booted in its place */
    const char *checksum;             /* of the commit */
    unsigned tries;
    uint64_t time;
} BootFailure;
typedef struct BootFailures {
    BootFailure items[BOOT_FAILURES_MAX]; /* the newest first */
    size_t n;
} BootFailures;

/* Text in and out; -EBADMSG. Of failures, lines that say nothing are passed over. */
int boot_trial_parse(Arena *a, const char *text, BootTrial *ret);
void boot_failures_parse(Arena *a, const char *text, BootFailures *ret);

/* For boot_swap.h: the trial.cfg that goes with `n` entries of which this is the first; NULL: none. */
const char *boot_trial_plan(Sysroot *s, const Deployment *first, size_t n);
const char *boot_trial_now(Sysroot *s); /* the one in force */

/* 1: there is one, with what GRUB counted; 0: none. One that cannot be read counts as none. */
int boot_trial_read(Sysroot *s, BootTrial *ret);
void boot_failures_read(Sysroot *s, BootFailures *ret);
bool deployment_is_named(const Deployment *d, const char *name);
/* The newest failure of a commit, NULL for none. */
const BootFailure *boot_failure_of(const BootFailures *f, const char *checksum);
/* Whether the running system (or, where none runs, the next one) is there because another one did not boot.
 */
bool boot_fell_back(Sysroot *s, BootFailure *ret);

typedef enum BootComplete {
    BOOT_UNCHANGED,
    BOOT_GOOD,      /* the trial has ended well */
    BOOT_FELL_BACK, /* the failure is recorded, and the running deployment the first one */
} BootComplete;
/* The running system's boot is complete. May be done again after any interruption. A BootComplete. */
int boot_complete(Sysroot *s, const DeploymentTree *t, Error *e);
