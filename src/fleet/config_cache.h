#pragma once
/* The MachineConfigs that there are. Those that people and controllers write are kept whole, parsed; of the
 * rendered ones, which are many and large, only the names, their pools and their age. */
#include "base/name_list.h"
#include "machineconfig/machine_config.h"
#include "machineconfig/machine_config_pool.h"

typedef struct CachedConfig {
    char *name;
    Arena *arena;          /* of what follows */
    const char *version;   /* of the object */
    const Node *labels;    /* may be NULL */
    MachineConfig *config; /* NULL: rendered, or not valid */
    const char *error;     /* why it is not valid */
    const char *pool;      /* of a rendered one: the name of the pool that it was made for; else NULL */
    int64_t created;       /* seconds since 1970 */
} CachedConfig;

CachedConfig *cached_config_new(const Node *object);
void cached_config_free(CachedConfig *c);
DEFINE_CLEANUP(CachedConfig *, cached_config_free);

/* A list of them is a NameList. */
void config_cache_done(NameList *cache);
