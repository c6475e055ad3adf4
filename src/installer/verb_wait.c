/* `basalt wait-for pools`: until every pool has its config on all of its nodes. What changes is told as it
 * happens; the end is the table that one would ask for next. */
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/name_list.h"
#include "installer/verbs.h"
#include "kube/informer.h"
#include "kube/kube_http.h"
#include "kube/kube_kind.h"

enum { EXIT_NOT_YET = 4 };

static struct {
    const char *kubeconfig, *context;
    unsigned timeout, nodes;
    bool json;
} opt = {.timeout = 600};

const Option wait_pools_options[] = {
    {"kubeconfig", 0, OPTION_STRING, &opt.kubeconfig, "FILE", "where the API is ($KUBECONFIG)", NULL},
    {"context", 0, OPTION_STRING, &opt.context, "NAME", "of the kubeconfig (its current one)", NULL},
    {"nodes", 'n', OPTION_UINT, &opt.nodes, "N", "also until the pools have so many nodes", NULL},
    {"timeout", 't', OPTION_UINT, &opt.timeout, "SECONDS", "no longer than this (600)", NULL},
    {"json", 0, OPTION_FLAG, &opt.json, NULL, "the pools as JSON in the end", NULL},
    {0},
};

typedef struct PoolState {
    char *name;
    char *config; /* that all have; "" when none */
    const char *updated, *updating, *degraded;
    int64_t nodes, updated_nodes;
} PoolState;

static void pool_free(PoolState *p)
{
    if (p) {
        free(p->name);
        free(p->config);
        free(p);
    }
}

/* ---- what is seen ---- */

static const char *condition(const Node *pool, const char *type)
{
    const Node *list = node_get_path(pool, "status.conditions");
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (c, list) {
            const char *t = node_string(node_get(c, "type")), *s = node_string(node_get(c, "status"));
            if (t && s && !strcmp(t, type))
                return !strcmp(s, "True") ? "True" : "False";
        }
    return "";
}

static int64_t count(const Node *pool, const char *path)
{
    int64_t v = 0;
    const Node *n = node_get_path(pool, path);
    if (n)
        (void)node_int(n, &v);
    return v;
}

static void pool_seen(void *context, const Node *object)
{
    NameList *pools = context;
    const char *config = node_string(node_get_path(object, "status.configuration.name"));
    PoolState *p = calloc(1, sizeof(*p));
    if (!p || !(p->name = strdup(kube_name(object))) || !(p->config = strdup(config ? config : "")))
        abort();
    p->updated = condition(object, "Updated");
    p->updating = condition(object, "Updating");
    p->degraded = condition(object, "Degraded");
    p->nodes = count(object, "status.machineCount");
    p->updated_nodes = count(object, "status.updatedMachineCount");
    PoolState *former = name_list_put(pools, p);
    if (!opt.json && former && (former->updated_nodes != p->updated_nodes || former->nodes != p->nodes))
        fprintf(stderr, "pool %s: %lld of %lld nodes have its config\n", p->name, (long long)p->updated_nodes,
                (long long)p->nodes);
    pool_free(former);
}

static void pool_gone(void *context, const char *namespace _unused_, const char *name,
                      const Node *last _unused_)
{
    pool_free(name_list_take(context, name));
}

static bool all_updated(const NameList *pools)
{
    int64_t nodes = 0;
    for (size_t i = 0; i < pools->n; i++) {
        const PoolState *p = pools->items[i];
        if (strcmp(p->updated, "True") != 0 || !*p->config)
            return false;
        nodes += p->nodes;
    }
    return pools->n > 0 && nodes >= opt.nodes;
}

/* ---- what is shown ---- */

static void print_table(const NameList *pools)
{
    printf("%-10s %-52s %-8s %-9s %-9s %s\n", "NAME", "CONFIG", "UPDATED", "UPDATING", "DEGRADED",
           "MACHINECOUNT");
    for (size_t i = 0; i < pools->n; i++) {
        const PoolState *p = pools->items[i];
        printf("%-10s %-52s %-8s %-9s %-9s %lld\n", p->name, p->config, p->updated, p->updating, p->degraded,
               (long long)p->nodes);
    }
}

static void print_json(const NameList *pools)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf text = BUF_INIT;
    Node *list = node_new(a, NODE_ARRAY);
    for (size_t i = 0; i < pools->n; i++) {
        const PoolState *p = pools->items[i];
        Node *n = node_append(list, node_new(a, NODE_OBJECT));
        node_set_string(a, n, "name", p->name);
        node_set_string(a, n, "config", p->config);
        node_set(a, n, "updated", node_new_bool(a, !strcmp(p->updated, "True")));
        node_set(a, n, "updating", node_new_bool(a, !strcmp(p->updating, "True")));
        node_set(a, n, "degraded", node_new_bool(a, !strcmp(p->degraded, "True")));
        node_set(a, n, "nodes", node_new_int(a, p->nodes));
        node_set(a, n, "updatedNodes", node_new_int(a, p->updated_nodes));
    }
    json_write(list, JSON_PRETTY2, &text);
    printf("%s\n", text.data);
}

/* ---- waiting ---- */

static int wait_for(Kube *kube, Informer *informer, const NameList *pools)
{
    int64_t end = monotonic_ms() + INT64_C(1000) * opt.timeout;
    bool failing = false;
    for (;;) {
        Error e = ERROR_INIT;
        int r = informer_step(informer, &e);
        if (r < 0 && !failing)
            fprintf(stderr, "basalt wait-for: %s; waiting\n", e.text);
        failing = r < 0;
        if (informer_synced(informer) && all_updated(pools))
            return 0;
        int64_t left = end - monotonic_ms();
        if (left <= 0)
            return EXIT_NOT_YET;
        int waits[] = {informer_timeout_ms(informer), kube_timeout_ms(kube), 1000};
        int ms = left < INT32_MAX ? (int)left : INT32_MAX;
        for (size_t i = 0; i < ELEMENTS(waits); i++)
            if (waits[i] >= 0 && waits[i] < ms)
                ms = waits[i];
        (void)poll(&(struct pollfd){.fd = kube_fd(kube), .events = POLLIN}, 1, ms);
    }
}

static int load(Arena *a, KubeConfig *ret)
{
    const char *path = opt.kubeconfig ? opt.kubeconfig : getenv("KUBECONFIG");
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_buf_ Buf text = BUF_INIT;
    if (!path || !*path) {
        fprintf(stderr, "basalt wait-for: no --kubeconfig, and KUBECONFIG is not set\n");
        return -EINVAL;
    }
    int r = kubeconfig_load(a, path, opt.context, ret, &report);
    report_write(&report, REPORT_TEXT, &text);
    if (text.len)
        fputs(text.data, stderr);
    return r;
}

int verb_wait_pools(int argc _unused_, char **argv _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(kube_freep)
    Kube *kube = NULL;
    NameList pools = {0};
    Error e = ERROR_INIT;
    KubeConfig config;
    if (load(a, &config) < 0)
        return EXIT_USAGE;
    if (kube_http_new(&config, &(KubeHttpOptions){.agent = "basalt"}, &kube, &e) < 0) {
        fprintf(stderr, "basalt wait-for: %s\n", e.text);
        return 1;
    }
    Informer *informer = informer_new(
        kube, &(InformerOptions){.kind = &kube_machine_config_pool,
                                 .handler = {.seen = pool_seen, .gone = pool_gone, .context = &pools}});
    int r = wait_for(kube, informer, &pools);
    if (opt.json)
        print_json(&pools);
    else
        print_table(&pools);
    if (r)
        fprintf(stderr, "basalt wait-for: not all pools are updated after %u s\n", opt.timeout);
    informer_free(informer);
    for (size_t i = 0; i < pools.n; i++)
        pool_free(pools.items[i]);
    name_list_done(&pools);
    return r;
}
