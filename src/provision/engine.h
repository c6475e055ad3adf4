#pragma once
/* One stage of the provisioner from its start to its end: base configs, the user's config (from the provider
 * in the fetch stages, from the cache in the others), the stage itself. */
#include <stdint.h>

#include "base/error.h"
#include "provision/platform.h"
#include "provision/stage.h"

typedef struct EngineOptions {
    const Stage *stage;
    const Platform *platform;
    const char *root, *config_cache, *neednet;
    int64_t fetch_timeout_ns; /* for the provider's config; 0: none */
} EngineOptions;

/* 0 also when fetch-offline found that the network is needed and said so by making the neednet file. */
int engine_run(const EngineOptions *o, State *state, Error *e);
/* ign_config_validate() over a config made of several; its findings have no positions. */
int engine_validate_merged(Arena *a, const IgnConfig *config, Error *e);
