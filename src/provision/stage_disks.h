#pragma once
/* The disks stage with its switches, for tests. */
#include "provision/stage.h"
#include "provision/storage.h"

typedef struct DisksStageOptions {
    const StorageHooks *hooks;  /* NULL: none */
    const Inspector *inspector; /* NULL: the machine */
    unsigned wait_sec;          /* for devices; 0: DEVICE_WAIT_SEC */
} DisksStageOptions;
int stage_disks_run_with(StageContext *c, const DisksStageOptions *o, Error *e);
