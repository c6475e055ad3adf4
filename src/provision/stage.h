#pragma once
/* A stage of the provisioner: what it gets and the table that main.c picks from. A stage runs in a process of
 * its own; what the stages tell each other goes through the config cache and the state file. */
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
    State *state;            /* written back by main.c after the stage succeeded */
} StageContext;

typedef struct Stage {
    const char *name;
    int (*run)(StageContext *c, Error *e);
} Stage;
extern const Stage stages[]; /* ends with a NULL name */

/* The stages, each in its own file. */
int stage_files_run(StageContext *c, Error *e);
