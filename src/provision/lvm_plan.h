#pragma once
/* What is to be done for one volume group of the config and its volumes, from what the devices say. */
#include "provision/storage.h"

/* A volume that is being made carries this tag until all of the group is done. */
#define LVM_UNFINISHED "basalt_unfinished"

typedef struct LvmStep {
    const char *what;        /* "creating volume data/log" */
    const char *const *argv; /* of lvm, without its --config; ends with NULL. NULL: `clear` is cleared */
} LvmStep;
typedef struct LvmPlan {
    LvmStep *steps; /* in order */
    size_t n;
    const char *const *clear;   /* devices whose signatures go; ends with NULL */
    const char *const *devices; /* that must be there afterwards, /dev/GROUP/VOLUME; ends with NULL */
} LvmPlan;

/* item->plan is an LvmPlan, unless the report has errors. */
void lvm_plan_make(const StorageContext *c, StorageItem *item);
