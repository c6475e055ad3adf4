#pragma once
/* What is to be done for one array of the config, from the superblocks of its members alone. */
#include "provision/storage.h"

typedef enum RaidAction {
    RAID_KEEP,
    RAID_CREATE,
    RAID_ASSEMBLE, /* all of it is there, but does not run, or not under its name */
} RaidAction;

typedef struct RaidPlan {
    RaidAction action;
    const char *device;      /* /dev/md/NAME */
    const char *const *stop; /* arrays ("md127") that hold members and must go first; ends with NULL */
    const char *const *argv; /* of mdadm; ends with NULL */
} RaidPlan;

/* The device that mdadm makes for a name of the config. */
const char *raid_plan_device(Arena *a, const char *name);
/* Its name as a superblock has it, without the host's: /dev/md0 is "0" there. */
const char *raid_plan_name(Arena *a, const IgnRaid *raid);
/* item->plan is a RaidPlan, unless the report has errors. */
void raid_plan_make(const StorageContext *c, StorageItem *item);
