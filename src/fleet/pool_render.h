#pragma once
/* A pool's config out of the MachineConfigs that it selects, as objects to be stored; and which rendered
 * configs nobody needs any more. Pure. */
#include "fleet/config_cache.h"
#include "fleet/fleet.h"
#include "machineconfig/rendered_config.h"

typedef struct PoolRender {
    const RenderedConfig *rendered; /* NULL: it cannot be; `error` says why, for people */
    const char *error;
} PoolRender;
PoolRender pool_render(Arena *a, const FleetPool *p, const NameList *cache, const char *os_image_url);

/* The object to be created: owned by its pool, so that it goes when the pool goes. */
Node *pool_render_object(Arena *a, const FleetPool *p, const RenderedConfig *rc);
/* What is to be merged into the pool: spec.configuration, with the sources. */
Node *pool_render_patch(Arena *a, const RenderedConfig *rc);

/* May have changed what this pool selects, for either of both (NULL: there was none, or is none now)? */
bool pool_render_concerned(const FleetPool *p, const CachedConfig *former, const CachedConfig *now);

enum { RENDERED_KEPT = 5 };
typedef struct GarbageRule {
    int64_t now, age; /* seconds: younger ones stay */
} GarbageRule;
/* Rendered configs that no node has or is told, that no pool names, that are older than the rule's age, and
 * that are none of the RENDERED_KEPT youngest of their pool: what a rollback could ask for stays. `ret` has
 * room for all of the cache. */
size_t pool_render_garbage(const Fleet *f, const NameList *cache, const GarbageRule *rule,
                           const CachedConfig **ret);
