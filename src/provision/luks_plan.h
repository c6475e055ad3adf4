#pragma once
/* What is to be done with the device of an encrypted volume, from the config and the facts alone. */
#include "provision/storage.h"
#include "system/luks_options.h"

typedef enum LuksAction {
    LUKS_REUSE, /* a container that matches: opened, its contents stay */
    LUKS_MAKE,
} LuksAction;

typedef struct LuksPlan {
    LuksAction action;
    const char *device;  /* to work on */
    LuksOptions options; /* of both lists, with label, UUID and flags of the fields */
    bool generated;      /* the key: the config has none */
    bool clevis;
    const char *close; /* a mapping of what was there before, to be closed first */
} LuksPlan;

/* Fills item->plan, item->changes, item->report. */
void luks_plan_make(const StorageContext *c, StorageItem *item);
