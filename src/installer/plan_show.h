#pragma once
/* A plan, shown: text for people, JSON for programs. Secrets are not in it. */
#include "installer/plan.h"

const char *plan_outcome_name(PlanOutcome o); /* "nothing", "change", "reboot", "refused" */
void plan_print(const Plan *p, Buf *out);
/* {"outcome", "pools": [{"name", "from", "to", "changed", "changes": […], "conflicts", "order", "waiting"}],
 * "nodesWithoutPool": [{"name", "problem"}]} */
Node *plan_to_node(Arena *a, const Plan *p);
