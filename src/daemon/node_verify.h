#pragma once
/* Whether a machine is what its config says: every file, drop-in, unit and mask, enablement, the keys and the
 * password of core, kernel arguments and the booted system. Findings say what is different; contents are
 * shown only where everybody on the machine may read them, and never of what holds credentials. */
#include "daemon/node_apply.h"

typedef struct VerifyScope {
    const char *const *paths; /* these alone, and what hangs on them; NULL: everything */
    size_t n;
} VerifyScope;

/* Findings (errors) in the report; what would mend them in *ret_repair, in the arena. System and kernel
 * arguments cannot be mended. Negative: it could not be told. */
int node_verify(const Machine *m, Arena *a, const MachineConfig *mc, const VerifyScope *scope, Report *r,
                NodeRepair *ret_repair, Error *e);
/* The paths on which a machine's state hangs: what has to be watched. */
int node_verify_paths(const Machine *m, Arena *a, const MachineConfig *mc, const char ***ret, size_t *ret_n,
                      Error *e);
