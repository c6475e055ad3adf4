/* The merging is machineconfig/rendered_config.c's. A config that is not valid degrades the pools that select
 * it, and none else. */
#include "fleet/pool_render.h"

#include <string.h>

#include "base/map.h"

/* ---- render ---- */

static bool selected(const FleetPool *p, const CachedConfig *c)
{
    return p->spec && c && !c->pool && label_selector_matches(&p->spec->machine_config_selector, c->labels);
}

bool pool_render_concerned(const FleetPool *p, const CachedConfig *former, const CachedConfig *now)
{
    return selected(p, former) || selected(p, now);
}

static const char *failed(Arena *a, const FleetPool *p, const char *why)
{
    return arena_printf(a, "Failed to render configuration for pool %s: %s", p->name, why);
}

static const char *refused(Arena *a, const FleetPool *p, const CachedConfig *c)
{
    return failed(a, p, arena_printf(a, "MachineConfig %s: %s", c->name, c->error));
}

PoolRender pool_render(Arena *a, const FleetPool *p, const NameList *cache, const char *os_image_url)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    MachineConfig **configs = ARENA_ARRAY(a, MachineConfig *, cache->n + 1);
    RenderedConfig *rc;
    size_t n = 0;

    if (!p->spec)
        return (PoolRender){.error = failed(a, p, p->error)};
    for (size_t i = 0; i < cache->n; i++) {
        const CachedConfig *k = cache->items[i];
        if (!selected(p, k))
            continue;
        if (k->error)
            return (PoolRender){.error = refused(a, p, k)};
        configs[n++] = k->config;
    }
    RenderInput in = {.pool = p->spec, .configs = configs, .n_configs = n, .os_image_url = os_image_url};
    if (rendered_config_make(a, &in, &rc, &r) < 0)
        return (PoolRender){.error = failed(a, p, report_first_error(&r))};
    return (PoolRender){.rendered = rc};
}

/* ---- objects ---- */

Node *pool_render_object(Arena *a, const FleetPool *p, const RenderedConfig *rc)
{
    Node *object = node_copy(a, rc->node), *metadata = node_get(object, "metadata");
    Node *owner = node_new(a, NODE_OBJECT);
    const Node *pool = node_get(p->object, "metadata");

    node_set_string(a, owner, "apiVersion", MACHINE_CONFIG_API);
    node_set(a, owner, "blockOwnerDeletion", node_new_bool(a, true));
    node_set(a, owner, "controller", node_new_bool(a, true));
    node_set_string(a, owner, "kind", "MachineConfigPool");
    node_set_string(a, owner, "name", p->name);
    node_set_string(a, owner, "uid", node_string(node_get(pool, "uid")));
    node_append(node_set(a, metadata, "ownerReferences", node_new(a, NODE_ARRAY)), owner);
    return object;
}

Node *pool_render_patch(Arena *a, const RenderedConfig *rc)
{
    Node *patch = node_new(a, NODE_OBJECT);
    Node *spec = node_set(a, patch, "spec", node_new(a, NODE_OBJECT));
    Node *configuration = node_set(a, spec, "configuration", node_new(a, NODE_OBJECT));
    node_set_string(a, configuration, "name", rc->name);
    Node *sources = node_set(a, configuration, "source", node_new(a, NODE_ARRAY));

    for (size_t i = 0; i < rc->n_sources; i++) {
        Node *source = node_append(sources, node_new(a, NODE_OBJECT));
        node_set_string(a, source, "apiVersion", MACHINE_CONFIG_API);
        node_set_string(a, source, "kind", "MachineConfig");
        node_set_string(a, source, "name", rc->sources[i]->name);
    }
    return patch;
}

/* ---- garbage ---- */

static void keep_pool(Map *kept, const FleetPool *p)
{
    static const char *const places[] = {"spec.configuration.name", "status.configuration.name"};
    for (size_t i = 0; i < ELEMENTS(places); i++) {
        const char *name = node_string(node_get_path(p->object, places[i]));
        if (name)
            map_put(kept, name, (void *)p);
    }
}

static unsigned younger_ones(const NameList *cache, const CachedConfig *than)
{
    unsigned n = 0;
    for (size_t i = 0; i < cache->n; i++) {
        const CachedConfig *k = cache->items[i];
        n += k->pool && !strcmp(k->pool, than->pool) && k->created > than->created;
    }
    return n;
}

size_t pool_render_garbage(const Fleet *f, const NameList *cache, const GarbageRule *rule,
                           const CachedConfig **ret)
{
    _cleanup_map_ Map kept = MAP_INIT;
    size_t n = 0;

    for (size_t i = 0; i < f->pools.n; i++)
        keep_pool(&kept, f->pools.items[i]);
    for (size_t i = 0; i < f->nodes.n; i++) {
        FleetNode *node = f->nodes.items[i];
        map_put(&kept, node->current, node);
        map_put(&kept, node->desired, node);
    }
    for (size_t i = 0; i < cache->n; i++) {
        const CachedConfig *k = cache->items[i];
        if (k->pool && rule->now - k->created > rule->age && !map_has(&kept, k->name) &&
            younger_ones(cache, k) >= RENDERED_KEPT)
            ret[n++] = k;
    }
    return n;
}
