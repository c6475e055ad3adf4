#pragma once
/* A config with everything that it refers to: ignition.config.replace and .merge followed to their end. */
#include "base/arena.h"
#include "base/error.h"
#include "ignition/config.h"
#include "provision/fetcher.h"
#include "provision/state.h"

enum {
    CONFIG_CHAIN_DEPTH_MAX = 64,
    CONFIG_CHAIN_TOTAL_MAX = 1024,             /* referenced configs in all */
    CONFIG_CHAIN_SIZE_MAX = 256 * 1024 * 1024, /* of one of them */
};

/* `config` is in the newest version. Each fetched config is added to the state. -ENETDOWN: one of them needs
 * the network and the fetcher is offline. *ret_merged says whether *ret is made of several: it was not
 * validated as a whole then. */
int config_chain_render(Arena *a, Fetcher *f, State *s, IgnConfig *config, IgnConfig **ret, bool *ret_merged,
                        Error *e);
