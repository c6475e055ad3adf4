#pragma once
/* A stage of the provisioner: what it gets and the table that engine.c picks from. A stage runs in a process
 * of its own; what the stages tell each other goes through the config cache and the state file. */
#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "ignition/config.h"
#include "provision/resource.h"
#include "provision/state.h"

typedef struct StageContext {
    const char *stage, *platform;
    const char *root_path;   /* "" when the stage has none */
    int root;                /* directory descriptor, -EBADF when root_path is "" */
    Arena *arena;            /* of the config */
    const IgnConfig *config; /* merged, newest spec, validated */
    Fetcher *fetcher;
    State *state; /* written back after the stage succeeded */
} StageContext;

typedef struct Stage {
    const char *name;
    int (*run)(StageContext *c, Error *e);
    bool needs_root; /* always; the others ask stage_root() once they have something to do */
} Stage;
extern const Stage stages[]; /* ends with a NULL name */
const Stage *stage_find(const char *name);
/* c->root, or a failure that says why there is none. */
int stage_root(const StageContext *c, Error *e);

/* The stages, each in its own file. */
int stage_fetch_offline_run(StageContext *c, Error *e); /* -ENETDOWN: the config needs the network */
int stage_fetch_run(StageContext *c, Error *e);
int stage_kargs_run(StageContext *c, Error *e);
int stage_disks_run(StageContext *c, Error *e);
int stage_mount_run(StageContext *c, Error *e);
int stage_files_run(StageContext *c, Error *e);
int stage_umount_run(StageContext *c, Error *e);
