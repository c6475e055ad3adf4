#pragma once
/* What it takes to bring a machine from one MachineConfig to another: every difference, and what is refused
 * because a running machine cannot be changed so. Pure; both configs in the newest spec. An encoding that
 * changed while the bytes did not is no difference. */
#include "machineconfig/managed_path.h"

typedef struct PathChange {
    const ManagedPath *from, *to; /* NULL: was not, will not be declared */
} PathChange;

/* Enablement: what was and is declared; NULL: nothing. */
typedef struct UnitChange {
    const char *name;
    const ManagedUnit *from, *to;
} UnitChange;

typedef struct TextChange {
    bool changed;
    const char *from, *to; /* "": not said */
} TextChange;

typedef struct MachineConfigDiff {
    const MachineConfig *from, *to; /* NULL from: a machine that nothing was declared for */
    const ManagedState *state_from, *state_to;
    PathChange *paths; /* by path */
    size_t n_paths;
    UnitChange *units; /* by name */
    size_t n_units;
    bool keys, password;
    bool kernel_arguments; /* `to` has them, `from` those that were added before */
    bool extensions;
    TextChange kernel_type, os_image;
} MachineConfigDiff;

/* -EINVAL: refused, with a finding for each reason. *ret is set in either case. */
int machine_config_diff(Arena *a, const MachineConfig *from, const MachineConfig *to, MachineConfigDiff **ret,
                        Report *r);
bool machine_config_diff_empty(const MachineConfigDiff *d);
