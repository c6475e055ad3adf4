/* Pools are watched, of each the name of its config is kept. The configs are read when one of the names has
 * changed. */
#include "server/cluster.h"

#include <string.h>

#include "base/name_list.h"
#include "kube/informer.h"
#include "kube/kube_kind.h"

typedef struct PoolConfig {
    char *name, *config;
} PoolConfig;

struct Cluster {
    Kube *kube;
    Informer *pools;
    NameList configs;    /* PoolConfig */
    bool changed, begun; /* begun: every pool had a config once */
};

static void pool_config_free(PoolConfig *p)
{
    if (p) {
        free(p->name);
        free(p->config);
        free(p);
    }
}

static const char *config_of(const Node *pool)
{
    const char *wanted = node_string(node_get_path(pool, "spec.configuration.name")),
               *had = node_string(node_get_path(pool, "status.configuration.name"));
    const Node *count = node_get_path(pool, "status.updatedMachineCount");
    int64_t updated = 0;
    if (count)
        (void)node_int(count, &updated);
    const char *name = updated > 0 || !had ? wanted : had;
    return name ? name : "";
}

static void pool_seen(void *context, const Node *object)
{
    Cluster *c = context;
    const PoolConfig *known = name_list_get(&c->configs, kube_name(object));
    if (known && !strcmp(known->config, config_of(object)))
        return;
    PoolConfig *p = calloc(1, sizeof(*p));
    if (!p || !(p->name = strdup(kube_name(object))) || !(p->config = strdup(config_of(object))))
        abort();
    pool_config_free(name_list_put(&c->configs, p));
    c->changed = true;
}

static void pool_gone(void *context, const char *namespace _unused_, const char *name,
                      const Node *last _unused_)
{
    Cluster *c = context;
    pool_config_free(name_list_take(&c->configs, name));
    c->changed = true;
}

Cluster *cluster_new(Kube *kube)
{
    Cluster *c = calloc(1, sizeof(*c));
    if (!c)
        abort();
    c->kube = kube;
    c->pools = informer_new(
        kube, &(InformerOptions){.kind = &kube_machine_config_pool,
                                 .handler = {.seen = pool_seen, .gone = pool_gone, .context = c}});
    return c;
}

void cluster_free(Cluster *c)
{
    if (!c)
        return;
    informer_free(c->pools);
    for (size_t i = 0; i < c->configs.n; i++)
        pool_config_free(c->configs.items[i]);
    name_list_done(&c->configs);
    free(c);
}

int cluster_step(Cluster *c, Error *e)
{
    int r = informer_step(c->pools, e);
    return r < 0 ? r : informer_synced(c->pools) && c->changed;
}

int cluster_timeout_ms(const Cluster *c)
{
    return informer_timeout_ms(c->pools);
}

int cluster_pools(Cluster *c, Arena *a, Node **ret, Error *e)
{
    Node *pools = node_new(a, NODE_OBJECT);
    bool missing = !c->configs.n;
    for (size_t i = 0; i < c->configs.n; i++)
        missing |= !*((const PoolConfig *)c->configs.items[i])->config;
    if (!informer_synced(c->pools) || (missing && !c->begun))
        return error_set(e, EAGAIN, "the pools have no configs yet");
    for (size_t i = 0; i < c->configs.n; i++) {
        const PoolConfig *p = c->configs.items[i];
        KubeAnswer answer;
        if (!*p->config)
            continue;
        int r = kube_call(c->kube,
                          &(KubeRequest){.verb = KUBE_GET, .kind = &kube_machine_config, .name = p->config},
                          a, &answer, e);
        if (r < 0)
            return error_wrap(e, r, "pool %s", p->name);
        node_set(a, pools, arena_strdup(a, p->name), answer.object);
    }
    c->changed = false;
    c->begun = true;
    *ret = pools;
    return 0;
}
