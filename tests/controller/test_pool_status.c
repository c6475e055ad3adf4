/* A pool's status through a rollout: what the columns of `kubectl get machineconfigpools` show. */
#include "../scratch.h"
#include "controller/pool_status.h"
#include "format/yaml.h"
#include "nodes.h"

static Node *read_pool(Arena *a, const char *text)
{
    Source *source = ARENA_NEW(a, Source);
    _cleanup_report_ Report r = REPORT_INIT(a);
    Node *n = NULL;
    *source = (Source){.name = "pool.yaml", .text = text, .len = strlen(text)};
    assert_int_equal(yaml_read(a, source, SEVERITY_ERROR, &n, &r), 0);
    return n;
}

static const char *condition(const Node *status, const char *type, const char *field)
{
    NODE_EACH (c, node_get(status, "conditions"))
        if (!strcmp(node_string(node_get(c, "type")), type))
            return node_string(node_get(c, field));
    fail_msg("no condition %s", type);
    return NULL;
}

typedef struct Expected {
    const char *nodes;
    bool paused;
    const char *render_error;
    const char *updated, *updating, *degraded, *configuration;
    const char *message_of, *message; /* of this condition */
} Expected;

static const Expected rows[] = {
    {"a v2>v2 Done", false, NULL, "True", "False", "False", "v2", "Updated", "All nodes are updated with v2"},
    {"", false, NULL, "True", "False", "False", "v2", "Updated", "All nodes are updated with v2"},
    {"a v1>v2 Working, b v1>v1 Done", false, NULL, "False", "True", "False", "v1", "Updating",
     "All nodes are updating to v2"},
    {"a! v2>v2 Done", false, NULL, "False", "True", "False", "v1", "Updating",
     "All nodes are updating to v2"},
    {"a v1>v1 Done", true, NULL, "False", "False", "False", "v1", "Updating",
     "Pool is paused; will not update to v2"},
    {"a v1>v2 Degraded, b v2>v2 Done", false, NULL, "False", "True", "True", "v1", "NodeDegraded",
     "Node a is reporting: \"\""},
    {"a v2>v2 Done", false, "no", "True", "False", "True", "v2", "RenderDegraded", "no"},
};

static void test_rows(void **state _unused_)
{
    static const char text[] = "metadata: {generation: 7}\n"
                               "spec: {configuration: {name: v2, source: [{name: 00}]}}\n"
                               "status: {configuration: {name: v1}, certExpirys: []}\n";
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        FleetNode *nodes[8];
        size_t n = 0;
        for (const char *at = rows[i].nodes; *at; n++) {
            size_t len = strcspn(at, ",");
            nodes[n] = node_of_word(a, arena_printf(a, "%.*s", (int)len, at), 0);
            at += len + strspn(at + len, ", ");
        }
        PoolStatusInput in = {
            .pool = read_pool(a, text),
            .nodes = {.target = "v2", .paused = rows[i].paused, .nodes = nodes, .n_nodes = n},
            .render_error = rows[i].render_error,
            .now = "2026-01-01T00:00:00Z"};
        Node *status;
        assert_int_equal(pool_status_make(a, &in, &status), 1);
        assert_string_equal(condition(status, "Updated", "status"), rows[i].updated);
        assert_string_equal(condition(status, "Updating", "status"), rows[i].updating);
        assert_string_equal(condition(status, "Degraded", "status"), rows[i].degraded);
        assert_string_equal(node_string(node_get_path(status, "configuration.name")), rows[i].configuration);
        assert_string_equal(condition(status, rows[i].message_of, "message"), rows[i].message);
        assert_string_equal(node_get(status, "observedGeneration")->string, "7");
        assert_non_null(node_get(status, "certExpirys")); /* what others have written stays */
        for (size_t k = 0; k < n; k++)
            fleet_node_free(nodes[k]);
    }
}

/* The same again is nothing to write; a condition that only gets another text keeps its time. */
static void test_times(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(fleet_node_freep)
    FleetNode *node = node_of_word(a, "a v1>v2 Degraded", 0);
    Node *pool = read_pool(a, "spec: {configuration: {name: v2}}"), *status, *next;
    PoolStatusInput in = {
        .pool = pool, .nodes = {.target = "v2", .nodes = &node, .n_nodes = 1}, .now = "2026-01-01T00:00:00Z"};
    assert_int_equal(pool_status_make(a, &in, &status), 1);
    node_set(a, pool, "status", status);
    in.now = "2026-01-01T00:01:00Z";
    assert_int_equal(pool_status_make(a, &in, &next), 0);
    free(node->reason);
    node->reason = strdup("disk full");
    assert_int_equal(pool_status_make(a, &in, &next), 1);
    assert_string_equal(condition(next, "NodeDegraded", "lastTransitionTime"), "2026-01-01T00:00:00Z");
    assert_string_equal(condition(next, "NodeDegraded", "message"), "Node a is reporting: \"disk full\"");
    assert_true(pool_status_important(status, next));
    node_set(a, pool, "status", next);
    node->state = NODE_STATE_WORKING;
    assert_int_equal(pool_status_make(a, &in, &status), 1);
    assert_string_equal(condition(status, "NodeDegraded", "lastTransitionTime"), "2026-01-01T00:01:00Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_times)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
