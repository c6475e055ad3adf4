/* MachineConfigs that are made out of other objects are brought to what these say: those of every role, and
 * those of KubeletConfigs and ContainerRuntimeConfigs. What is as it should be is not written. And what
 * nobody refers to any more is removed. */
#include <string.h>

#include "controller/controller_state.h"
#include "fleet/pool_render.h"
#include "format/yaml.h"

enum { RETRY_MS = 1000, GARBAGE_MS = 60 * 60 * 1000 };

/* ---- one config ---- */

static bool as_wanted(const CachedConfig *c, const Node *wanted)
{
    const Node *is = c->config ? node_get(c->config->node, "spec") : NULL, *spec = node_get(wanted, "spec");
    const Node *labels = node_get_path(wanted, "metadata.labels");
    /* Who made it stands in a column, and decides whether its OS image is a user's. */
    if (!c->config || !c->config->generated_by || strcmp(c->config->generated_by, BASALT_VERSION) != 0)
        return false;
    return is && node_equal(is, spec) && labels && c->labels && node_equal(labels, c->labels);
}

static int put_config(Controller *c, Arena *a, Node *object)
{
    const char *name = kube_name(object);
    const CachedConfig *former = name_list_get(&c->configs, name);
    KubeAnswer answer;
    if (former && as_wanted(former, object))
        return 0;
    KubeRequest q = {.verb = former ? KUBE_UPDATE : KUBE_CREATE,
                     .kind = &kube_machine_config,
                     .name = former ? name : NULL,
                     .body = object};
    if (former && former->version)
        node_set_string(a, node_get(object, "metadata"), "resourceVersion", former->version);
    int r = controller_call(c, &q, a, &answer, name);
    if (r < 0)
        return r;
    controller_log(c, "MachineConfig %s: %s", name, former ? "updated" : "created");
    controller_config_seen(c, answer.object);
    return 1;
}

static int remove_config(Controller *c, const char *name)
{
    _cleanup_arena_ Arena *a = arena_new();
    KubeAnswer answer;
    const char *gone = arena_strdup(a, name);
    KubeRequest q = {.verb = KUBE_DELETE, .kind = &kube_machine_config, .name = gone};
    int r = controller_call(c, &q, a, &answer, gone);
    if (r < 0 && r != -ENOENT)
        return r;
    controller_log(c, "MachineConfig %s: removed", gone);
    controller_config_gone(c, gone);
    return 0;
}

/* ---- of every role ---- */

static Node *parse(Arena *a, const RoleConfig *rc)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    Node *object = NULL;
    *source = (Source){.name = rc->name, .text = rc->text, .len = rc->len};
    return yaml_read(a, source, SEVERITY_ERROR, &object, &r) < 0 ? NULL : object;
}

static int sync_role(Controller *c, const char *role)
{
    _cleanup_arena_ Arena *a = arena_new();
    RoleConfig configs[CONTROLLER_CONFIG_ROLE];
    Error e = ERROR_INIT;
    int r = controller_config_role(a, &c->cluster, role, configs, &e);
    for (size_t i = 0; r >= 0 && i < CONTROLLER_CONFIG_ROLE; i++) {
        Node *object = parse(a, &configs[i]);
        if (!object) {
            r = error_set(&e, EINVAL, "%s is not YAML", configs[i].name);
            break;
        }
        Node *annotations = node_new(a, NODE_OBJECT);
        node_set(a, node_get(object, "metadata"), "annotations", annotations);
        node_set_string(a, annotations, MACHINE_CONFIG_GENERATED_BY, BASALT_VERSION);
        r = put_config(c, a, object);
    }
    if (r < 0 && e.code)
        controller_log(c, "configs of role %s: %s", role, e.text);
    return r;
}

/* ---- of kubelets and engines ---- */

static int sync_generated(Controller *c, GeneratedKind kind, const FleetPool *p)
{
    _cleanup_arena_ Arena *a = arena_new();
    GeneratedConfig g;
    Error e = ERROR_INIT;
    int r = generated_config_make(a, kind, p, &c->sources[kind], &c->configs, &g, &e);
    if (r < 0) {
        controller_log(c, "pool %s: %s", p->name, e.text);
        return 0; /* when what is wrong changes it is tried again */
    }
    const CachedConfig *former = name_list_get(&c->configs, g.name);
    if (g.object)
        return put_config(c, a, g.object);
    return former && generated_config_is(former) ? remove_config(c, g.name) : 0;
}

void source_sync(Controller *c)
{
    static const char *const roles[] = {"master", "worker"};
    int r = 0;
    if (!c->sources_changed)
        return;
    if (controller_now(c) < c->sources_retry) {
        controller_wake_at(c, c->sources_retry);
        return;
    }
    c->sources_changed = false;
    for (size_t i = 0; c->cluster_arena && i < ELEMENTS(roles); i++) {
        int k = sync_role(c, roles[i]);
        r = k < 0 ? k : r;
    }
    for (size_t i = 0; i < c->fleet.pools.n; i++)
        for (GeneratedKind kind = 0; kind < GENERATED_KINDS; kind++) {
            int k = sync_generated(c, kind, c->fleet.pools.items[i]);
            r = k < 0 ? k : r;
        }
    if (r < 0) {
        c->sources_changed = true;
        c->sources_retry = controller_now(c) + RETRY_MS;
    }
    if (c->sources_changed) /* what was written may be what another is made of */
        controller_wake_at(c, c->sources_retry);
}

/* ---- garbage ---- */

void garbage_sync(Controller *c)
{
    int64_t now = controller_now(c);
    if (c->collected && now < c->collected + GARBAGE_MS) {
        controller_wake_at(c, c->collected + GARBAGE_MS);
        return;
    }
    c->collected = now;
    _cleanup_free_ const CachedConfig **gone = calloc(c->configs.n + 1, sizeof(*gone));
    if (!gone)
        abort();
    GarbageRule rule = {.now = c->time->wall_us(c->time->context) / 1000000,
                        .age = c->o.rendered_age_ms / 1000};
    size_t n = pool_render_garbage(&c->fleet, &c->configs, &rule, gone);
    for (size_t i = 0; i < n; i++)
        if (remove_config(c, gone[i]->name) < 0)
            break;
}
