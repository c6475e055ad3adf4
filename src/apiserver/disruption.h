#pragma once
/* PodDisruptionBudgets: how many pods of each may go. */
#include "apiserver/api_call.h"

void disruption_note(ApiCall *c, const ApiKind *k, const char *namespace); /* a pod or a budget was written */
int disruption_refresh(ApiCall *c); /* the status of the budgets that this call touched */
