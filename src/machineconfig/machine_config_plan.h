#pragma once
/* A difference and what it disrupts, shown: text for people, JSON for programs. Contents are never shown. */
#include "machineconfig/disruption.h"

void machine_config_plan_print(const MachineConfigDiff *d, const Disruption *x, Buf *out);
/* {"from", "to", "paths": [{"path", "change", "unit"}], "units", "kernelArguments", …, "disruption": {…}} */
Node *machine_config_plan_to_node(Arena *a, const MachineConfigDiff *d, const Disruption *x);
