/* Documents of MachineConfigs and pools, as `basalt render` takes them: read, and rendered for their pools.
 * What reading takes, rendering names; the same inputs in any order give one name. */
#include <stdint.h>
#include <string.h>

#include "format/yaml.h"
#include "machineconfig/rendered_config.h"

enum { MOST = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Inputs {
    Arena *arena;
    Report report;
    MachineConfig *configs[MOST];
    MachineConfigPool *pools[MOST];
    size_t n_configs, n_pools;
} Inputs;

static void take(Inputs *in, const Node *document)
{
    size_t before = in->report.errors;
    MachineConfig *mc = NULL;
    MachineConfigPool *pool = NULL;
    if (machine_config_is(document)) {
        if ((machine_config_read(in->arena, document, &mc, &in->report) == 0) !=
            (in->report.errors == before))
            abort();
        if (mc && in->n_configs < MOST)
            in->configs[in->n_configs++] = mc;
    } else if (machine_config_pool_is(document)) {
        if ((machine_config_pool_read(in->arena, document, &pool, &in->report) == 0) !=
            (in->report.errors == before))
            abort();
        if (pool && in->n_pools < MOST)
            in->pools[in->n_pools++] = pool;
    }
}

static const char *render(Inputs *in, const MachineConfigPool *pool)
{
    RenderedConfig *rc = NULL;
    RenderInput input = {.pool = pool, .configs = in->configs, .n_configs = in->n_configs};
    size_t before = in->report.errors;
    if (rendered_config_make(in->arena, &input, &rc, &in->report) < 0) {
        if (in->report.errors == before)
            abort();
        return NULL;
    }
    const MachineConfig **who;
    const Node **at;
    rendered_config_explain(in->arena, rc, "/etc/chrony.conf", &who, &at);
    rendered_config_explain(in->arena, rc, "a.service/10.conf", &who, &at);
    (void)machine_config_pool_to_node(in->arena, pool, rc->name);
    return rc->name;
}

static void check_pool(Inputs *in, const MachineConfigPool *pool)
{
    const char *name = render(in, pool);
    for (size_t i = 0, k = in->n_configs; i + 1 < k; i++) {
        MachineConfig *mc = in->configs[i];
        in->configs[i] = in->configs[--k];
        in->configs[k] = mc;
    }
    const char *again = render(in, pool);
    if ((name == NULL) != (again == NULL) || (name && strcmp(name, again)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *arena = arena_new();
    Inputs in = {.arena = arena, .report = REPORT_INIT(arena)};
    Source source = {.name = "fuzz", .text = (const char *)data, .len = size};
    Node *documents;
    if (yaml_read_all(arena, &source, SEVERITY_WARNING, &documents, &in.report) == 0) {
        NODE_EACH (d, documents)
            take(&in, d);
        for (size_t i = 0; i < in.n_pools; i++)
            check_pool(&in, in.pools[i]);
        for (size_t i = 0; i < in.n_configs; i++)
            check_pool(&in, machine_config_pool_of_role(arena, in.configs[i]->role));
    }
    report_done(&in.report);
    return 0;
}
