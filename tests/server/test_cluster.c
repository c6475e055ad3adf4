/* Which config a new machine of a pool gets from a running cluster, and when nobody gets any yet. */
#include "../scratch.h"
#include "kube/kube_kind.h"
#include "kube_fake.h"
#include "server/cluster.h"

static void put_pool(Kube *k, const char *name, const char *wanted, const char *had, int updated)
{
    char text[512];
    snprintf(text, sizeof(text),
             "{'metadata':{'name':'%s'},'spec':{'configuration':{%s%s%s}},'status':{'configuration':{%s%s%s},"
             "'updatedMachineCount':%d}}",
             name, wanted ? "'name':'" : "", wanted ? wanted : "", wanted ? "'" : "", had ? "'name':'" : "",
             had ? had : "", had ? "'" : "", updated);
    kube_fake_put(k, &kube_machine_config_pool, text);
}

static void put_config(Kube *k, const char *name)
{
    char text[256];
    snprintf(text, sizeof(text), "{'metadata':{'name':'%s'},'spec':{}}", name);
    kube_fake_put(k, &kube_machine_config, text);
}

/* Steps until nothing happens any more; whether something has changed. */
static bool settle(Cluster *c)
{
    bool changed = false;
    for (int i = 0; i < 8; i++)
        changed |= cluster_step(c, NULL) > 0;
    return changed;
}

static const char *given(Cluster *c, Arena *a, const char *pool)
{
    Node *pools;
    Error e = ERROR_INIT;
    if (cluster_pools(c, a, &pools, &e) < 0)
        return NULL;
    return kube_name(node_get(pools, pool));
}

static void test_which(void **state _unused_)
{
    static const struct {
        const char *wanted, *had;
        int updated;
        const char *given;
    } rows[] = {
        {"new", "old", 0, "old"}, /* nobody has it yet: it may be one that breaks machines */
        {"new", "old", 1, "new"},
        {"new", "new", 3, "new"},
        {"new", NULL, 0, "new"}, /* the first one of a pool */
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        Kube *k = kube_fake_new();
        put_config(k, "old");
        put_config(k, "new");
        put_pool(k, "worker", rows[i].wanted, rows[i].had, rows[i].updated);
        Cluster *c = cluster_new(k);
        assert_true(settle(c));
        assert_string_equal(given(c, a, "worker"), rows[i].given);
        assert_false(settle(c));
        cluster_free(c);
        kube_free(k);
    }
}

/* A cluster that begins gives nothing before every pool has a config; later a pool without one is left out.
 */
static void test_begin(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    Kube *k = kube_fake_new();
    Cluster *c = cluster_new(k);
    Node *pools;
    settle(c);
    assert_int_equal(cluster_pools(c, a, &pools, NULL), -EAGAIN);
    put_config(k, "one");
    put_pool(k, "master", "one", NULL, 0);
    put_pool(k, "worker", NULL, NULL, 0);
    settle(c);
    assert_int_equal(cluster_pools(c, a, &pools, NULL), -EAGAIN);
    put_pool(k, "worker", "one", NULL, 0);
    assert_true(settle(c));
    assert_string_equal(given(c, a, "worker"), "one");
    put_pool(k, "infra", NULL, NULL, 0);
    settle(c);
    assert_string_equal(given(c, a, "master"), "one");
    assert_null(given(c, a, "infra"));
    kube_fake_delete(k, &kube_machine_config_pool, NULL, "worker");
    assert_true(settle(c));
    assert_null(given(c, a, "worker"));
    /* a config that is not there is a failure, and is asked for again */
    put_pool(k, "master", "gone", NULL, 0);
    settle(c);
    assert_int_equal(cluster_pools(c, a, &pools, NULL), -ENOENT);
    put_config(k, "gone");
    assert_true(settle(c));
    assert_string_equal(given(c, a, "master"), "gone");
    cluster_free(c);
    kube_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_which), cmocka_unit_test(test_begin)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
