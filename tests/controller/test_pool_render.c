/* Which pool a node is of, what a pool's config becomes, and which rendered ones may go. */
#include "../scratch.h"
#include "fleet/pool_render.h"
#include "nodes.h"
#include "objects.h"

#define HEAD "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\n"
#define ROLE "machineconfiguration.openshift.io/role"

typedef struct Setup {
    Arena *arena;
    Fleet fleet;
    NameList cache;
} Setup;

static void begin(Setup *s)
{
    *s = (Setup){.arena = arena_new()};
    pool_of(s->arena, &s->fleet, "worker", "");
    pool_of(s->arena, &s->fleet, "master", "");
    pool_of(s->arena, &s->fleet, "infra", "");
    pool_of(s->arena, &s->fleet, "gpu", "");
}

static void end(Setup *s)
{
    config_cache_done(&s->cache);
    fleet_done(&s->fleet);
    arena_free(s->arena);
}

static const struct {
    const char *labels, *pool, *why;
} memberships[] = {
    {"worker", "worker", NULL},
    {"master", "master", NULL},
    {"worker master", "master", NULL},
    {"worker infra", "infra", NULL},
    {"infra", "infra", NULL},
    {"infra master", "master", NULL},
    {"", NULL, NULL},
    {"worker infra gpu", NULL,
     "node n is in two pools, gpu and infra, and gets no config from either; change its labels or a pool's "
     "nodeSelector"},
};

static void test_membership(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTS(memberships); i++) {
        Setup s;
        FleetNode *n;
        begin(&s);
        NodeWord w = node_word("n v1>v1 Done");
        Node *object = node_word_object(s.arena, &w, 0);
        Node *labels = node_get_path(object, "metadata.labels");
        for (const char *at = memberships[i].labels; *at;) {
            size_t len = strcspn(at, " ");
            node_set_string(s.arena, labels,
                            arena_printf(s.arena, "node-role.kubernetes.io/%.*s", (int)len, at), "");
            at += len + strspn(at + len, " ");
        }
        assert_int_equal(fleet_node_seen(&s.fleet, object, &n), 1);
        assert_int_equal(fleet_node_seen(&s.fleet, object, &n), 0);
        const char *pool = n->pool ? n->pool->name : NULL;
        assert_true(pool == memberships[i].pool || !strcmp(pool, memberships[i].pool));
        assert_true(n->no_pool == memberships[i].why || !strcmp(n->no_pool, memberships[i].why));
        if (n->pool) {
            assert_int_equal(n->pool->n_nodes, 1);
            fleet_pool_gone(&s.fleet, pool);
            assert_null(n->pool);
            assert_true(s.fleet.list_nodes_again);
        }
        fleet_node_gone(&s.fleet, "n");
        assert_int_equal(s.fleet.nodes.n, 0);
        end(&s);
    }
}

static void test_render(void **state _unused_)
{
    Setup s;
    begin(&s);
    const FleetPool *worker = name_list_get(&s.fleet.pools, "worker"),
                    *infra = name_list_get(&s.fleet.pools, "infra");
    PoolRender r = pool_render(s.arena, worker, &s.cache, NULL);
    assert_string_equal(r.error,
                        "Failed to render configuration for pool worker: no MachineConfigs found for "
                        "pool 'worker': none has the labels that it selects");
    cache_role(s.arena, &s.cache, "worker");
    r = pool_render(s.arena, worker, &s.cache, NULL);
    assert_non_null(r.rendered);
    Node *object = pool_render_object(s.arena, worker, r.rendered);
    assert_string_equal(node_string(node_get_path(object, "metadata.ownerReferences.0.uid")), "u-worker");
    Node *patch = pool_render_patch(s.arena, r.rendered);
    assert_string_equal(node_string(node_get_path(patch, "spec.configuration.source.2.name")),
                        "01-worker-kubelet");
    /* the stored object is known again as a rendered one, and no pool takes it up */
    const char *name = kube_name(object);
    CachedConfig *c = cached_config_new(object);
    assert_string_equal(c->pool, "worker");
    cached_config_free(name_list_put(&s.cache, c));
    assert_string_equal(pool_render(s.arena, worker, &s.cache, NULL).rendered->name, name);
    /* a bad one degrades those who select it */
    const CachedConfig *bad = cache_config(s.arena, &s.cache,
                                           HEAD "metadata: {name: 50-bad, labels: {" ROLE ": infra}}\n"
                                                "spec: {kernelType: fast}\n");
    assert_true(pool_render_concerned(infra, NULL, bad));
    assert_false(pool_render_concerned(worker, NULL, bad));
    assert_non_null(pool_render(s.arena, worker, &s.cache, NULL).rendered);
    r = pool_render(s.arena, infra, &s.cache, NULL);
    assert_string_equal(r.error,
                        "Failed to render configuration for pool infra: MachineConfig 50-bad: "
                        "$.spec.kernelType: kernelType 'fast' is not known; there are: default, realtime, "
                        "64k-pages");
    end(&s);
}

static void test_garbage(void **state _unused_)
{
    Setup s;
    begin(&s);
    for (unsigned i = 0; i < 10; i++)
        cache_config(s.arena, &s.cache,
                     arena_printf(s.arena,
                                  HEAD "metadata: {name: rendered-worker-%u, creationTimestamp: "
                                       "'2026-01-01T00:00:%02uZ', ownerReferences: [{kind: "
                                       "MachineConfigPool, name: worker, uid: u-worker}]}\n",
                                  i, i));
    NodeWord w = node_word("n rendered-worker-1>rendered-worker-2 Working");
    fleet_node_seen(&s.fleet, node_word_object(s.arena, &w, 0), NULL);
    const CachedConfig *gone[16];
    int64_t now = ((const CachedConfig *)name_list_get(&s.cache, "rendered-worker-0"))->created + 103;
    /* 5 to 9 are the youngest, 1 and 2 are a node's, 4 is not old enough */
    assert_int_equal(pool_render_garbage(&s.fleet, &s.cache, &(GarbageRule){.now = now, .age = 99}, gone), 2);
    assert_string_equal(gone[0]->name, "rendered-worker-0");
    assert_string_equal(gone[1]->name, "rendered-worker-3");
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_membership), cmocka_unit_test(test_render),
                                       cmocka_unit_test(test_garbage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
