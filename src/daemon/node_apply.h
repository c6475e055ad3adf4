#pragma once
/* A machine is brought from one config to another, or stays what it was: files, units, accounts, the
 * operating system for the next boot, and what running services are told. Where a reboot is needed the change
 * stays open until the machine has booted: what boots decides whether it is kept. */
#include "daemon/node_changes.h"
#include "daemon/node_os.h"
#include "daemon/node_services.h"

#define FAILED_RECORD "/etc/machine-config-daemon/failed.json"

typedef struct Machine {
    int root;
    const NodeOs *os;
    const NodeServices *services;
    const TransactionHooks *hooks; /* may be NULL */
    const char *boot_id;           /* of this boot */
    bool keys_fragment;
} Machine;

/* What a running system cannot be given, beside what machine_config_diff() refuses. -EOPNOTSUPP. */
int node_apply_check(const MachineConfigDiff *d, Report *r);

/* 0: done. 1: a reboot is to follow, after which node_apply_settle() tells how it went. On failure the
 * machine is what it was, unless the text says that this failed, too: then node_apply_settle() goes on. */
int node_apply(const Machine *m, Arena *a, const MachineConfigDiff *d, const Disruption *x, Error *e);
/* Managed things that are not what they should be are made so again; nothing is told to services but that
 * units changed. */
int node_apply_repair(const Machine *m, Arena *a, const MachineConfig *mc, const NodeRepair *what, Error *e);

/* The operating system's part alone, for the next boot: 1 when there was something to stage. */
int node_apply_os(const Machine *m, Arena *a, const MachineConfigDiff *d, Error *e);
/* Every argument, as often as it is listed, is one that the machine has booted with; `ret_missing` (NULL:
 * none) is the first that is not. */
int node_booted_with(const Machine *m, Arena *a, const char *const *arguments, size_t n,
                     const char **ret_missing, Error *e);

typedef enum SettleResult {
    SETTLE_NOTHING,   /* no change was open */
    SETTLE_ARRIVED,   /* the machine has booted what was wanted: the change is kept */
    SETTLE_WENT_BACK, /* a change that was cut off is undone */
    SETTLE_REBOOT,    /* the reboot has not come yet */
    SETTLE_OS_FAILED, /* another system has booted: the change is undone, which needs a reboot, too */
} SettleResult;
/* At each start, first of all. `ret_why` (in the arena): of OS_FAILED and WENT_BACK. */
int node_apply_settle(const Machine *m, Arena *a, SettleResult *ret, const char **ret_why, Error *e);

/* The config whose system did not boot here: it is not tried again. */
typedef struct FailedConfig {
    const char *config, *why; /* NULL: none */
    bool reboot;              /* services still run with files that are undone */
} FailedConfig;
int node_apply_failed(const Machine *m, Arena *a, FailedConfig *ret, Error *e);
/* It may be tried again. */
int node_apply_forget_failed(const Machine *m, Error *e);
