/* KubeletConfigs and ContainerRuntimeConfigs, and the files that come of them. */
#include "../scratch.h"
#include "fleet/generated_config.h"
#include "fleet/pool_render.h"
#include "machineconfig/managed_path.h"
#include "objects.h"

typedef struct Setup {
    Arena *arena;
    Fleet fleet;
    NameList cache, sources;
    FleetPool *pool;
} Setup;

static void begin(Setup *s)
{
    *s = (Setup){.arena = arena_new()};
    s->pool = pool_of(s->arena, &s->fleet, "worker", "custom: small-pods");
    cache_role(s->arena, &s->cache, "worker");
}

static void end(Setup *s)
{
    for (size_t i = 0; i < s->sources.n; i++)
        generated_source_free(s->sources.items[i]);
    name_list_done(&s->sources);
    config_cache_done(&s->cache);
    fleet_done(&s->fleet);
    arena_free(s->arena);
}

static const GeneratedSource *source_of(Setup *s, GeneratedKind kind, const char *name, const char *spec)
{
    GeneratedSource *g = generated_source_new(
        kind, object_of(s->arena, arena_printf(s->arena,
                                               "metadata: {name: %s, creationTimestamp: "
                                               "'2026-01-0%zuT00:00:00Z'}\n"
                                               "spec:\n"
                                               "  machineConfigPoolSelector: {matchLabels: {custom: "
                                               "small-pods}}\n  %s",
                                               name, s->sources.n + 1, spec)));
    name_list_put(&s->sources, g);
    return g;
}

/* The file that the pool's machines get in the end. */
static const char *file_in_the_end(Setup *s, GeneratedKind kind, const char *path)
{
    GeneratedConfig g;
    Error e = ERROR_INIT;
    if (generated_config_make(s->arena, kind, s->pool, &s->sources, &s->cache, &g, &e) < 0)
        fail_msg("%s", e.text);
    if (g.object) {
        CachedConfig *c = cached_config_new(g.object);
        assert_null(c->error);
        assert_true(generated_config_is(c));
        cached_config_free(name_list_put(&s->cache, c));
    }
    PoolRender r = pool_render(s->arena, s->pool, &s->cache, NULL);
    if (!r.rendered)
        fail_msg("%s", r.error);
    const ManagedPath *p = managed_path_find(managed_state_read(s->arena, r.rendered->merged.config), path);
    return p ? arena_memdup(s->arena, p->data, p->len) : NULL;
}

static void test_pids_limit(void **state _unused_)
{
    Setup s;
    begin(&s);
    source_of(&s, GENERATED_CONTAINER_RUNTIME, "pids",
              "containerRuntimeConfig: {pidsLimit: 2048, logLevel: debug, overlaySize: 8Gi}");
    const char *crio = file_in_the_end(&s, GENERATED_CONTAINER_RUNTIME, "/etc/crio/crio.conf");
    assert_non_null(strstr(crio, "pids_limit = 2048\n"));
    assert_non_null(strstr(crio, "log_level = \"debug\"\n"));
    assert_non_null(strstr(crio, "conmon_cgroup = \"pod\"\n")); /* the rest stays */
    assert_null(strstr(crio, "pids_limit = 1024"));
    const char *storage = file_in_the_end(&s, GENERATED_CONTAINER_RUNTIME, "/etc/containers/storage.conf");
    assert_non_null(strstr(storage, "size = \"8589934592\"\n"));
    end(&s);
}

/* What an administrator has in the file stays, and a second object is laid over the first. */
static void test_over_a_user(void **state _unused_)
{
    Setup s;
    begin(&s);
    cache_config(s.arena, &s.cache,
                 "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\n"
                 "metadata: {name: 10-worker-container-runtime, labels: "
                 "{machineconfiguration.openshift.io/role: worker}}\n"
                 "spec: {config: {ignition: {version: 3.2.0}, storage: {files: [{path: /etc/crio/crio.conf, "
                 "contents: {source: "
                 "'data:,%5Bcrio.runtime%5D%0Apids_limit%20%3D%201500%0Aseccomp%20%3D%201%0A'}}]}}}");
    const char *crio = file_in_the_end(&s, GENERATED_CONTAINER_RUNTIME, "/etc/crio/crio.conf");
    assert_string_equal(crio, "[crio.runtime]\npids_limit = 1500\nseccomp = 1\n");
    source_of(&s, GENERATED_CONTAINER_RUNTIME, "b", "containerRuntimeConfig: {pidsLimit: 100}");
    source_of(&s, GENERATED_CONTAINER_RUNTIME, "a", "containerRuntimeConfig: {pidsLimit: 200}");
    crio = file_in_the_end(&s, GENERATED_CONTAINER_RUNTIME, "/etc/crio/crio.conf");
    assert_string_equal(crio, "[crio.runtime]\npids_limit = 200\nseccomp = 1\n");
    end(&s);
}

static void test_kubelet(void **state _unused_)
{
    Setup s;
    begin(&s);
    source_of(&s, GENERATED_KUBELET, "pods", "kubeletConfig: {maxPods: 500, systemReserved: {cpu: 1000m}}");
    const char *conf = file_in_the_end(&s, GENERATED_KUBELET, "/etc/kubernetes/kubelet.conf");
    assert_non_null(strstr(conf, "maxPods: 500\n"));
    assert_non_null(strstr(conf, "  cpu: 1000m\n"));
    assert_non_null(strstr(conf, "rotateCertificates: true\n"));
    end(&s);
}

static void test_no_source(void **state _unused_)
{
    Setup s;
    GeneratedConfig g;
    begin(&s);
    s.pool = pool_of(s.arena, &s.fleet, "worker", "other: x");
    source_of(&s, GENERATED_KUBELET, "pods", "kubeletConfig: {maxPods: 500}");
    assert_int_equal(
        generated_config_make(s.arena, GENERATED_KUBELET, s.pool, &s.sources, &s.cache, &g, NULL), 0);
    assert_string_equal(g.name, "99-worker-generated-kubelet");
    assert_null(g.object);
    end(&s);
}

static const struct {
    GeneratedKind kind;
    const char *spec, *error;
} refused[] = {
    {GENERATED_CONTAINER_RUNTIME, "containerRuntimeConfig: {pidsLimit: 19}",
     "spec.containerRuntimeConfig.pidsLimit: it is a number of at least 20"},
    {GENERATED_CONTAINER_RUNTIME, "containerRuntimeConfig: {logSizeMax: 8Ki}",
     "spec.containerRuntimeConfig.logSizeMax: it is a size of more than 8Ki, such as 50Mi, or -1"},
    {GENERATED_CONTAINER_RUNTIME, "containerRuntimeConfig: {logLevel: loud}",
     "spec.containerRuntimeConfig.logLevel: it is one of fatal, panic, error, warn, info and debug"},
    {GENERATED_CONTAINER_RUNTIME, "containerRuntimeConfig: {pids: 1}",
     "spec.containerRuntimeConfig.pids: there is no such field"},
    {GENERATED_CONTAINER_RUNTIME, "{}", "spec.containerRuntimeConfig is missing"},
    {GENERATED_KUBELET, "kubeletConfig: {clusterDNS: [10.0.0.1]}",
     "spec.kubeletConfig.clusterDNS: the cluster decides it"},
    {GENERATED_KUBELET, "logLevel: 5",
     "spec.logLevel is not supported; spec.kubeletConfig takes the kubelet's fields"},
};

static void test_refused(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTS(refused); i++) {
        Setup s;
        begin(&s);
        const char *spec = strcmp(refused[i].spec, "{}") == 0 ? "x: 1" : refused[i].spec;
        assert_string_equal(source_of(&s, refused[i].kind, "x", spec)->error, refused[i].error);
        end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pids_limit), cmocka_unit_test(test_over_a_user),
                                       cmocka_unit_test(test_kubelet), cmocka_unit_test(test_no_source),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
