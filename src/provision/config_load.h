#pragma once
/* A config that a person names, with all that it refers to: for the programs that are run at a desk. */
#include "base/arena.h"
#include "format/report.h"
#include "ignition/config.h"
#include "provision/fetcher.h"
#include "provision/state.h"

typedef struct ConfigLoad {
    const char *path;     /* "-" is stdin */
    const char *platform; /* its base configs lie under the config; NULL: none do */
    Fetcher *fetcher;
    State *state;
} ConfigLoad;

/* Findings of the config itself are in the report, with their places in the text; those of configs that it
 * refers to are logged. -EINVAL: it has errors, or the merged one has. -ENETDOWN: the fetcher is offline, but
 * something has to be fetched. */
int config_load(Arena *a, const ConfigLoad *l, IgnConfig **ret, Report *report, Error *e);
