#pragma once
/* A difference and what it disrupts, shown: text for people, JSON for programs. Contents are shown where they
 * are asked for, unless they are secret: managed_path_is_secret(). */
#include "machineconfig/disruption.h"

typedef enum PlanDetail {
    PLAN_NAMES,
    PLAN_CONTENTS, /* and what is different in each file */
} PlanDetail;

void machine_config_plan_print(const MachineConfigDiff *d, const Disruption *x, PlanDetail detail, Buf *out);
/* {"from", "to", "paths": [{"path", "kind", "change", "unit", "difference" or "secret"}], "units",
 * "kernelArguments", …, "disruption": {…}} */
Node *machine_config_plan_to_node(Arena *a, const MachineConfigDiff *d, const Disruption *x,
                                  PlanDetail detail);
