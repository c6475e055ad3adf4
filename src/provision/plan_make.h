#pragma once
/* From a merged config to what each stage would do. Reads the root and the facts of devices; changes nothing.
 */
#include "provision/plan.h"
#include "provision/stage.h"
#include "system/device_facts.h"

typedef struct PlanOptions {
    const Inspector *inspector; /* who looks at devices; NULL: they are taken as blank */
    bool offline;               /* nothing may be fetched */
    const char *cmdline;        /* of the machine's kernel: tells its root; NULL: not known */
} PlanOptions;

/* `c` as for a stage; its root may be -EBADF: an empty one. What is refused, and what cannot be as it is, is
 * in the report of the plan: 0 also then. */
int plan_make(Plan *p, StageContext *c, const PlanOptions *o, Error *e);
