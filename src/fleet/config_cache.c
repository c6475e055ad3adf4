/* A rendered config is known by its owner, a MachineConfigPool. */
#include "fleet/config_cache.h"

#include <string.h>

#include "kube/kube_kind.h"

CachedConfig *cached_config_new(const Node *object)
{
    CachedConfig *c = calloc(1, sizeof(*c));
    if (!c || !(c->name = strdup(kube_name(object))))
        abort();
    c->arena = arena_new();
    c->created = kube_created(object);
    c->version = arena_strdup(c->arena, kube_resource_version(object));
    const char *pool = machine_config_pool_owner(object);
    if (pool) {
        c->pool = arena_strdup(c->arena, pool);
        return c;
    }
    const Node *kept = node_copy(c->arena, object);
    _cleanup_report_ Report r = REPORT_INIT(c->arena);
    c->labels = node_get_path(kept, "metadata.labels");
    if (machine_config_read(c->arena, kept, &c->config, &r) < 0) {
        c->config = NULL;
        c->error = report_first_error(&r);
    }
    return c;
}

void cached_config_free(CachedConfig *c)
{
    if (!c)
        return;
    free(c->name);
    arena_free(c->arena);
    free(c);
}

void config_cache_done(NameList *cache)
{
    for (size_t i = 0; i < cache->n; i++)
        cached_config_free(cache->items[i]);
    name_list_done(cache);
}
