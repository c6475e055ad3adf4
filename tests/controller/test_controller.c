/* The controller over an API in memory, with daemons and a clock of the test's own: from the first object to
 * a pool that is updated; pods that have to leave; configs that cannot be; and schedules in which calls fail,
 * watches break, leaders change, nodes go down: never more away than the pool allows, and all end. */
#include <stdarg.h>

#include "../scratch.h"
#include "controller/controller.h"
#include "fleet/fleet_node.h"
#include "kube_fake.h"
#include "format/json.h"
#include "machineconfig/machine_config.h"

enum { STEP_MS = 20, PATIENCE_MS = 30 * 60 * 1000 };
#define ROLE   MACHINE_CONFIG_ROLE_LABEL
#define CONFIG "'apiVersion':'" MACHINE_CONFIG_API "','kind':'MachineConfig'"

typedef struct World {
    Kube *kube;
    KubeTime time;
    int64_t ms;
    uint64_t chance;
    Controller *leaders[2];
    unsigned leader;
    bool verbose;
} World;

static int64_t world_ms(void *context)
{
    return ((World *)context)->ms;
}

static int64_t world_us(void *context)
{
    return INT64_C(1767225600000000) + ((World *)context)->ms * 1000;
}

static uint32_t world_chance(void *context)
{
    World *w = context;
    w->chance ^= w->chance << 13;
    w->chance ^= w->chance >> 7;
    w->chance ^= w->chance << 17;
    return (uint32_t)(w->chance >> 11);
}

static unsigned dice(World *w, unsigned sides)
{
    return world_chance(w) % sides;
}

static void say(void *context, const char *line)
{
    if (((World *)context)->verbose)
        printf("%8lld %s\n", (long long)((World *)context)->ms, line);
}

static Controller *controller(World *w)
{
    return controller_new(&(ControllerOptions){
        .kube = w->kube, .time = &w->time, .rendered_age_ms = 3600 * 1000, .log = say, .context = w});
}

static void begin(World *w, uint64_t seed)
{
    *w = (World){.kube = kube_fake_new(), .ms = 1000, .chance = seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
    w->verbose = getenv("VERBOSE") != NULL;
    w->time = (KubeTime){world_ms, world_us, world_chance, w};
    w->leaders[0] = controller(w);
}

static void end(World *w)
{
    for (size_t i = 0; i < ELEMENTS(w->leaders); i++)
        controller_free(w->leaders[i]);
    kube_free(w->kube);
}

/* ---- objects ---- */

static void put(World *w, const KubeKind *kind, const char *format, ...) _printf_(3, 4);
static void put(World *w, const KubeKind *kind, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    kube_fake_put(w->kube, kind, text);
}

static void put_pool(World *w, const char *name, const char *max)
{
    put(w, &kube_machine_config_pool,
        "{'metadata':{'name':'%s','labels':{'custom':'yes'}},'spec':{'maxUnavailable':%s,"
        "'machineConfigSelector':{'matchLabels':{'" ROLE "':'%s'}},"
        "'nodeSelector':{'matchLabels':{'node-role.kubernetes.io/%s':''}}}}",
        name, max, name, name);
}

static void put_config(World *w, const char *name, const char *spec)
{
    put(w, &kube_machine_config,
        "{" CONFIG ",'metadata':{'name':'%s','labels':{'" ROLE "':'worker'}},'spec':%s}", name, spec);
}

static const char *pool_text(World *w, const char *path)
{
    const char *s =
        node_string(node_get_path(kube_fake_get(w->kube, &kube_machine_config_pool, NULL, "worker"), path));
    return s ? s : "";
}

static const char *condition(World *w, const char *type, const char *field)
{
    const Node *pool = kube_fake_get(w->kube, &kube_machine_config_pool, NULL, "worker");
    const Node *list = node_get_path(pool, "status.conditions");
    if (list)
        NODE_EACH (c, list)
            if (!strcmp(node_string(node_get(c, "type")), type))
                return node_string(node_get(c, field));
    return "";
}

static void add_node(World *w, const char *name, const char *config)
{
    put(w, &kube_node,
        "{'metadata':{'name':'%s','labels':{'node-role.kubernetes.io/worker':''},'annotations':{"
        "'" NODE_CURRENT_CONFIG "':'%s','" NODE_DESIRED_CONFIG "':'%s','" NODE_STATE "':'Done'}},"
        "'status':{'conditions':[{'type':'Ready','status':'True'}]}}",
        name, config, config);
}

/* ---- what daemons do, a step at a time ---- */

static void patch_node(World *w, const char *name, const char *json)
{
    _cleanup_arena_ Arena *a = arena_new();
    const Node *is = kube_fake_get(w->kube, &kube_node, NULL, name);
    const char *all = arena_printf(a, "%s", json);
    (void)is;
    KubeAnswer answer;
    Source source = {.name = "patch", .text = arena_strdup(a, all), .len = strlen(all)};
    for (char *p = (char *)source.text; *p; p++)
        if (*p == '\'')
            *p = '"';
    Node *patch;
    _cleanup_report_ Report r = REPORT_INIT(a);
    assert_int_equal(json_read(a, &source, SEVERITY_ERROR, &patch, &r), 0);
    KubeRequest q = {.verb = KUBE_PATCH, .kind = &kube_node, .name = name, .body = patch};
    (void)kube_call(w->kube, &q, a, &answer, NULL); /* it may fail: the next step tries again */
    if (node_get(patch, "status")) {
        q.subresource = "status";
        (void)kube_call(w->kube, &q, a, &answer, NULL);
    }
}

#define ANNOTATE(format, ...)                                                                                \
    (snprintf(text, sizeof(text), "{'metadata':{'annotations':{" format "}}}", __VA_ARGS__),                 \
     patch_node(w, name, text))

static void step_daemon(World *w, const char *name)
{
    _cleanup_(fleet_node_freep)
    FleetNode *n = fleet_node_new(kube_fake_get(w->kube, &kube_node, NULL, name));
    char text[1024], wish[256];
    snprintf(wish, sizeof(wish), "drain-%s", n->desired);
    if (!n->ready)
        patch_node(w, name, "{'status':{'conditions':[{'type':'Ready','status':'True'}]}}");
    else if (n->state == NODE_STATE_DONE && strcmp(n->current, n->desired) != 0)
        ANNOTATE("'" NODE_STATE "':'Working','" NODE_DESIRED_DRAIN "':'%s'", wish);
    else if (n->state == NODE_STATE_WORKING && strcmp(n->drain_wanted, wish) != 0)
        ANNOTATE("'" NODE_DESIRED_DRAIN "':'%s'", wish);
    else if (n->state == NODE_STATE_WORKING && !strcmp(n->drain_done, wish))
        ANNOTATE("'" NODE_STATE "':'Done','" NODE_CURRENT_CONFIG "':'%s','" NODE_DESIRED_DRAIN
                 "':'uncordon-%s'",
                 n->desired, n->desired);
}

static void node_name(unsigned i, char out[16])
{
    snprintf(out, 16, "n%u", i);
}

/* ---- time ---- */

static void step(World *w)
{
    w->ms += STEP_MS;
    for (size_t i = 0; i < ELEMENTS(w->leaders); i++)
        if (w->leaders[i])
            controller_step(w->leaders[i], i == w->leader);
}

static void settle(World *w, unsigned ms)
{
    for (unsigned t = 0; t < ms; t += STEP_MS)
        step(w);
}

static unsigned away(World *w, unsigned n_nodes)
{
    unsigned n = 0;
    for (unsigned i = 0; i < n_nodes; i++) {
        char name[16];
        node_name(i, name);
        _cleanup_(fleet_node_freep)
        FleetNode *node = fleet_node_new(kube_fake_get(w->kube, &kube_node, NULL, name));
        n += node->unschedulable;
    }
    return n;
}

static bool updated(World *w)
{
    return !strcmp(condition(w, "Updated", "status"), "True") &&
           !strcmp(pool_text(w, "status.configuration.name"), pool_text(w, "spec.configuration.name"));
}

/* ---- tests ---- */

static void until_changed(World *w, const char *from)
{
    for (int64_t start = w->ms; strcmp(pool_text(w, "spec.configuration.name"), from) == 0; step(w))
        assert_true(w->ms - start < 500);
}

static void test_first_config(void **state _unused_)
{
    World w;
    begin(&w, 1);
    put(&w, &kube_controller_config,
        "{'metadata':{'name':'machine-config-controller'},'spec':{'clusterDNSIP':'172.30.0.10'}}");
    put_pool(&w, "worker", "1");
    settle(&w, 1000);
    assert_non_null(kube_fake_get(w.kube, &kube_machine_config, NULL, "00-worker"));
    assert_non_null(kube_fake_get(w.kube, &kube_machine_config, NULL, "01-worker-container-runtime"));
    assert_non_null(kube_fake_get(w.kube, &kube_machine_config, NULL, "00-master"));
    assert_string_equal(condition(&w, "Updated", "status"), "True"); /* no nodes */
    char first[128];
    snprintf(first, sizeof(first), "%s", pool_text(&w, "spec.configuration.name"));
    assert_int_equal(strncmp(first, "rendered-worker-", 16), 0);
    assert_non_null(kube_fake_get(w.kube, &kube_machine_config, NULL, first));
    unsigned calls = kube_fake_calls(w.kube, KUBE_CREATE, NULL) + kube_fake_calls(w.kube, KUBE_PATCH, NULL) +
                     kube_fake_calls(w.kube, KUBE_UPDATE, NULL);
    settle(&w, 60000); /* nothing changes, nothing is written */
    assert_int_equal(calls, kube_fake_calls(w.kube, KUBE_CREATE, NULL) +
                                kube_fake_calls(w.kube, KUBE_PATCH, NULL) +
                                kube_fake_calls(w.kube, KUBE_UPDATE, NULL));
    /* what a program of ours made is mended when somebody changes it */
    kube_fake_delete(w.kube, &kube_machine_config, NULL, "00-worker");
    settle(&w, 1000);
    assert_non_null(kube_fake_get(w.kube, &kube_machine_config, NULL, "00-worker"));
    assert_string_equal(pool_text(&w, "spec.configuration.name"), first);
    /* the pids limit of the documentation */
    put(&w, &kube_container_runtime_config,
        "{'metadata':{'name':'set-pids'},'spec':{'machineConfigPoolSelector':{'matchLabels':{'custom':'yes'}}"
        ","
        "'containerRuntimeConfig':{'pidsLimit':2048}}}");
    settle(&w, 1000);
    assert_non_null(
        kube_fake_get(w.kube, &kube_machine_config, NULL, "99-worker-generated-containerruntime"));
    assert_string_not_equal(pool_text(&w, "spec.configuration.name"), first);
    kube_fake_delete(w.kube, &kube_container_runtime_config, NULL, "set-pids");
    settle(&w, 1000);
    assert_null(kube_fake_get(w.kube, &kube_machine_config, NULL, "99-worker-generated-containerruntime"));
    assert_string_equal(pool_text(&w, "spec.configuration.name"), first);
    end(&w);
}

static void test_rollout(void **state _unused_)
{
    World w;
    begin(&w, 1);
    put_config(&w, "50-a", "{'kernelArguments':['a']}");
    put_pool(&w, "worker", "1");
    settle(&w, 1000);
    char first[128];
    snprintf(first, sizeof(first), "%s", pool_text(&w, "spec.configuration.name"));
    for (unsigned i = 0; i < 3; i++) {
        char name[16];
        node_name(i, name);
        add_node(&w, name, first);
    }
    settle(&w, 1000);
    assert_true(updated(&w));
    unsigned before = kube_fake_calls(w.kube, KUBE_PATCH, &kube_node);
    int64_t changed = w.ms;
    put_config(&w, "50-a", "{'kernelArguments':['b']}");
    until_changed(&w, first);
    while (!updated(&w)) {
        step(&w);
        for (unsigned i = 0; i < 3; i++) {
            char name[16];
            node_name(i, name);
            step_daemon(&w, name);
        }
        assert_true(away(&w, 3) <= 1);
        assert_true(w.ms - changed < PATIENCE_MS);
    }
    assert_int_equal(away(&w, 3), 0);
    /* told, cordoned, drained, uncordoned; working, done by the daemon */
    assert_int_equal(kube_fake_calls(w.kube, KUBE_PATCH, &kube_node) - before, 3 * 6);
    end(&w);
}

static void test_drain(void **state _unused_)
{
    World w;
    begin(&w, 1);
    put_config(&w, "50-a", "{'kernelArguments':['a']}");
    put_pool(&w, "worker", "1");
    settle(&w, 1000);
    char first[128];
    snprintf(first, sizeof(first), "%s", pool_text(&w, "spec.configuration.name"));
    add_node(&w, "n0", first);
    put(&w, &kube_pod, "{'metadata':{'name':'app','namespace':'x'},'spec':{'nodeName':'n0'}}");
    put(&w, &kube_pod, "{'metadata':{'name':'other','namespace':'x'},'spec':{'nodeName':'n1'}}");
    put(&w, &kube_pod,
        "{'metadata':{'name':'agent','namespace':'x','ownerReferences':[{'kind':'DaemonSet','name':'d',"
        "'controller':true}]},'spec':{'nodeName':'n0'}}");
    put(&w, &kube_pod,
        "{'metadata':{'name':'mirror','namespace':'x','annotations':{'kubernetes.io/config.mirror':'y'}},"
        "'spec':{'nodeName':'n0'}}");
    put_config(&w, "50-a", "{'kernelArguments':['b']}");
    /* a budget holds it for a while */
    kube_fake_fail(w.kube, &(KubeFakeFault){.verb = KUBE_CREATE,
                                            .kind = &kube_pod,
                                            .subresource = "eviction",
                                            .times = 3,
                                            .code = 429,
                                            .reason = "TooManyRequests"});
    until_changed(&w, first);
    int64_t start = w.ms;
    while (!updated(&w)) {
        step(&w);
        step_daemon(&w, "n0");
        assert_true(w.ms - start < PATIENCE_MS);
    }
    assert_true(w.ms - start > 3 * 5000); /* it was not pestered */
    assert_null(kube_fake_get(w.kube, &kube_pod, "x", "app"));
    assert_non_null(kube_fake_get(w.kube, &kube_pod, "x", "other"));
    assert_non_null(kube_fake_get(w.kube, &kube_pod, "x", "agent"));
    assert_non_null(kube_fake_get(w.kube, &kube_pod, "x", "mirror"));
    end(&w);
}

static void test_refused(void **state _unused_)
{
    World w;
    begin(&w, 1);
    put_config(&w, "50-a", "{'kernelArguments':['a']}");
    put_pool(&w, "worker", "1");
    settle(&w, 1000);
    char first[128];
    snprintf(first, sizeof(first), "%s", pool_text(&w, "spec.configuration.name"));
    add_node(&w, "n0", first);
    /* not valid */
    put_config(&w, "60-b", "{'kernelType':'fast'}");
    settle(&w, 1000);
    assert_string_equal(condition(&w, "RenderDegraded", "status"), "True");
    assert_string_equal(condition(&w, "Degraded", "status"), "True");
    assert_string_equal(pool_text(&w, "spec.configuration.name"), first);
    /* valid, but nothing that a running node can be brought to */
    put_config(&w, "60-b",
               "{'config':{'ignition':{'version':'3.2.0'},'storage':{'disks':[{'device':'/dev/sda'}]}}}");
    settle(&w, 1000);
    assert_non_null(strstr(condition(&w, "RenderDegraded", "message"), "its nodes cannot be changed so"));
    assert_string_equal(pool_text(&w, "spec.configuration.name"), first);
    /* taken back */
    kube_fake_delete(w.kube, &kube_machine_config, NULL, "60-b");
    settle(&w, 1000);
    assert_string_equal(condition(&w, "Degraded", "status"), "False");
    assert_string_equal(pool_text(&w, "spec.configuration.name"), first);
    end(&w);
}

static void test_paused(void **state _unused_)
{
    World w;
    begin(&w, 1);
    put_config(&w, "50-a", "{'kernelArguments':['a']}");
    put_pool(&w, "worker", "1,'paused':true");
    settle(&w, 1000);
    add_node(&w, "n0", "rendered-worker-before");
    settle(&w, 1000);
    assert_non_null(strstr(condition(&w, "Updating", "message"), "Pool is paused"));
    const Node *n = kube_fake_get(w.kube, &kube_node, NULL, "n0");
    assert_string_equal(kube_annotation(n, NODE_DESIRED_CONFIG), "rendered-worker-before");
    end(&w);
}

static void test_drift_repair(void **state _unused_)
{
    World w;
    begin(&w, 1);
    put_config(&w, "50-a", "{'kernelArguments':['a']}");
    put_pool(&w, "worker", "1");
    settle(&w, 1000);
    add_node(&w, "n0", pool_text(&w, "spec.configuration.name"));
    settle(&w, 1000);
    assert_null(kube_annotation(kube_fake_get(w.kube, &kube_node, NULL, "n0"), NODE_DRIFT_REPAIR));
    put(&w, &kube_machine_config_pool,
        "{'metadata':{'name':'worker','annotations':{'" NODE_DRIFT_REPAIR "':'true'}},'spec':{"
        "'machineConfigSelector':{'matchLabels':{'" ROLE "':'worker'}},"
        "'nodeSelector':{'matchLabels':{'node-role.kubernetes.io/worker':''}}}}");
    settle(&w, 1000);
    assert_string_equal(kube_annotation(kube_fake_get(w.kube, &kube_node, NULL, "n0"), NODE_DRIFT_REPAIR),
                        "true");
    put_pool(&w, "worker", "1");
    settle(&w, 1000);
    assert_null(kube_annotation(kube_fake_get(w.kube, &kube_node, NULL, "n0"), NODE_DRIFT_REPAIR));
    end(&w);
}

/* ---- schedules ---- */

static void trouble(World *w, unsigned nodes)
{
    char name[16];
    node_name(dice(w, nodes), name);
    if (dice(w, 8) == 0)
        kube_fake_reset_faults(w->kube); /* there is room for some only */
    switch (dice(w, 12)) {
    case 0:
        kube_fake_cut(w->kube, ECONNRESET);
        break;
    case 1:
        kube_fake_compact(w->kube);
        break;
    case 2:
        kube_fake_fail(w->kube, &(KubeFakeFault){.any = true, .times = 1 + dice(w, 5)});
        break;
    case 3: /* done, and nobody hears of it */
        kube_fake_fail(w->kube,
                       &(KubeFakeFault){.verb = KUBE_PATCH, .carried_out = true, .error = ECONNRESET});
        break;
    case 4:
        kube_fake_fail(w->kube, &(KubeFakeFault){.verb = KUBE_PATCH, .code = 409, .reason = "Conflict"});
        break;
    case 5: /* killed, and begun anew */
        controller_free(w->leaders[w->leader]);
        w->leaders[w->leader] = controller(w);
        break;
    case 6: /* another leads */
        if (!w->leaders[!w->leader])
            w->leaders[!w->leader] = controller(w);
        w->leader = !w->leader;
        break;
    case 7:
        patch_node(w, name, "{'status':{'conditions':[{'type':'Ready','status':'False'}]}}");
        break;
    case 8:
        put_config(w, "50-a", dice(w, 2) ? "{'kernelArguments':['b']}" : "{'kernelArguments':['c']}");
        break;
    case 9:
        put_config(w, "60-b", dice(w, 2) ? "{'kernelType':'fast'}" : "{'kernelType':'default'}");
        break;
    default:
        break;
    }
}

static void fail_schedule(World *w, uint64_t number, const char *why)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    json_write(kube_fake_get(w->kube, &kube_machine_config_pool, NULL, "worker"), JSON_COMPACT, &text);
    for (unsigned i = 0; i < 10; i++) {
        char name[16];
        node_name(i, name);
        const Node *n = kube_fake_get(w->kube, &kube_node, NULL, name);
        if (n) {
            buf_add_char(&text, '\n');
            json_write(n, JSON_COMPACT, &text);
        }
    }
    printf("%s\n", text.data);
    fail_msg("schedule %llu at %lld ms: %s", (unsigned long long)number, (long long)w->ms, why);
}

static void run_schedule(uint64_t number)
{
    World w;
    char name[16], max[8];
    begin(&w, number + 1);
    unsigned nodes = 1 + dice(&w, 9), allowed = 1 + dice(&w, nodes);
    snprintf(max, sizeof(max), "%u", allowed);
    put_config(&w, "50-a", "{'kernelArguments':['a']}");
    put_pool(&w, "worker", max);
    settle(&w, 1000);
    for (unsigned i = 0; i < nodes; i++) {
        node_name(i, name);
        add_node(&w, name, pool_text(&w, "spec.configuration.name"));
    }
    put_config(&w, "50-a", "{'kernelArguments':['z']}");
    int64_t start = w.ms;
    while (w.ms - start < 20 * 1000 || !updated(&w)) {
        bool calm = w.ms - start > 20 * 1000;
        if (!calm && dice(&w, 10) == 0)
            trouble(&w, nodes);
        if (calm && strcmp(condition(&w, "RenderDegraded", "status"), "True") == 0)
            put_config(&w, "60-b", "{'kernelType':'default'}");
        step(&w);
        node_name(dice(&w, nodes), name);
        step_daemon(&w, name);
        if (away(&w, nodes) > allowed)
            fail_schedule(&w, number, "more away than is allowed");
        if (w.ms - start > PATIENCE_MS)
            fail_schedule(&w, number, "not at its end");
    }
    settle(&w, 5000);
    assert_int_equal(away(&w, nodes), 0);
    end(&w);
}

static void test_schedules(void **state _unused_)
{
    const char *from = getenv("BASALT_SCHEDULE"), *count = getenv("BASALT_SCHEDULES");
    uint64_t first = from ? strtoull(from, NULL, 10) : 0, n = count ? strtoull(count, NULL, 10) : 200;
    for (uint64_t i = first; i < first + (from && !count ? 1 : n); i++)
        run_schedule(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_config), cmocka_unit_test(test_rollout),
        cmocka_unit_test(test_drain),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_paused),       cmocka_unit_test(test_drift_repair),
        cmocka_unit_test(test_schedules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
