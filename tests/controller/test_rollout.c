/* Which nodes are told next; that no schedule takes more than the pool allows away, and that all end. */
#include "../scratch.h"
#include "fleet/rollout.h"
#include "nodes.h"

enum { NODES_MAX = 16, SCHEDULES = 200, STEPS_MAX = 4000 };

typedef struct Pool {
    Arena *arena;
    FleetNode *nodes[NODES_MAX];
    size_t n;
} Pool;

static void pool_read(Pool *p, const char *text)
{
    p->arena = arena_new();
    p->n = 0;
    for (const char *at = text; *at;) {
        size_t n = strcspn(at, ",");
        p->nodes[p->n] = node_of_word(p->arena, arena_printf(p->arena, "%.*s", (int)n, at), (int64_t)p->n);
        p->n++;
        at += n + strspn(at + n, ", ");
    }
}

static void pool_done(Pool *p)
{
    for (size_t i = 0; i < p->n; i++)
        fleet_node_free(p->nodes[i]);
    arena_free(p->arena);
}

typedef struct Case {
    const char *what, *nodes, *max, *next;
    bool paused;
    const char *last;
} Case;

static const Case cases[] = {
    {"one at a time", "a v1>v1 Done, b v1>v1 Done", NULL, "a"},
    {"none while one is away", "a v1>v2 Working, b v1>v1 Done", NULL, ""},
    {"told, but not yet heard", "a v1>v2 Done, b v1>v1 Done", NULL, ""},
    {"rebooting counts", "a v1>v2 Rebooting, b v1>v1 Done", NULL, ""},
    {"all are there", "a v2>v2 Done, b v2>v2 Done", NULL, ""},
    {"a number", "a v1>v1 Done, b v1>v1 Done, c v1>v1 Done", "2", "a b"},
    {"more than there are", "a v1>v1 Done, b v1>v1 Done", "9", "a b"},
    {"a percentage is rounded down", "a v1>v1 Done, b v1>v1 Done, c v1>v1 Done", "67%", "a b"},
    {"but never to none", "a v1>v1 Done, b v1>v1 Done, c v1>v1 Done", "10%", "a"},
    {"zero is one", "a v1>v1 Done, b v1>v1 Done", "0", "a"},
    {"paused", "a v1>v1 Done", NULL, "", .paused = true},
    {"zones in order, those without last", "a v1>v1 Done, b@z2 v1>v1 Done, c@z1 v1>v1 Done", "3", "c b a"},
    {"age in a zone", "b@z v1>v1 Done, a@z v1>v1 Done", "2", "b a"},
    {"who decides goes last", "a v1>v1 Done, b v1>v1 Done, c v1>v1 Done", "2", "b c", .last = "a"},
    {"a node that nobody has spoken for", "a v1>v1 Sleeping, b v1>v1 Done", "2", "b"},
    {"drained for what failed, and another is down", "a% v0>v1 Degraded, b! v1>v1 Done", NULL, "a"},
    {"cordoned by a person: left alone", "a# v1>v1 Done, b v1>v1 Done", "2", "b"},
    {"and counted", "a# v1>v1 Done, b v1>v1 Done", NULL, ""},
    {"failed with this config: its place is taken", "a v1>v2 Degraded, b v1>v1 Done", NULL, ""},
    {"of two places one", "a v1>v2 Degraded, b v1>v1 Done, c v1>v1 Done", "2", "b"},
    {"failed with an older one: told again", "a v0>v1 Degraded, b v1>v1 Done", NULL, "a"},
    {"also when it was drained for that", "a% v0>v1 Degraded, b v1>v1 Done", NULL, "a"},
    {"what cannot be done is undone", "a v0>v1 Unreconcilable, b v1>v1 Done", NULL, "a"},
    {"down: told first, costs nothing", "a v1>v1 Done, b! v1>v1 Done", NULL, "b"},
    {"not more of them at once", "a! v1>v1 Done, b! v1>v1 Done", NULL, "a"},
    {"down while another is not back", "a% v2>v2 Done, b! v1>v1 Done", NULL, ""},
    {"down while another works", "a v1>v2 Working, b! v1>v1 Done", NULL, ""},
    {"drifted: healed by the new config", "a v1>v1 Degraded, b v1>v1 Done", NULL, "a"},
    {"down and up", "a! v1>v1 Done, b v1>v1 Done, c v1>v1 Done", "2", "a b"},
};

static void test_cases(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        Pool p;
        pool_read(&p, cases[i].nodes);
        RolloutPool r = {.target = "v2",
                         .max_unavailable = cases[i].max,
                         .paused = cases[i].paused,
                         .last = cases[i].last,
                         .nodes = p.nodes,
                         .n_nodes = p.n};
        FleetNode *next[NODES_MAX];
        char told[256] = "";
        size_t n = rollout_next(&r, next);
        for (size_t k = 0; k < n; k++)
            snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s%s", k ? " " : "", next[k]->name);
        if (strcmp(told, cases[i].next))
            fail_msg("%s: expected '%s', got '%s'", cases[i].what, cases[i].next, told);
        pool_done(&p);
    }
}

static void test_counts(void **state _unused_)
{
    Pool p;
    pool_read(
        &p, "a v2>v2 Done, b! v2>v2 Done, c v1>v2 Working, d v1>v2 Degraded, e v1>v1 Degraded, f v1>v1 Done");
    RolloutCounts c = rollout_count(&(RolloutPool){.target = "v2", .nodes = p.nodes, .n_nodes = p.n});
    assert_int_equal(c.machines, 6);
    assert_int_equal(c.updated, 2);
    assert_int_equal(c.ready, 1);
    assert_int_equal(c.unavailable, 3); /* b, c, and e, which has drifted */
    assert_int_equal(c.degraded, 2);
    pool_done(&p);
}

/* ---- schedules: nodes that work, fail, vanish and come back, targets that change under way ---- */

static uint64_t seed;

static unsigned dice(unsigned sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % sides);
}

static void set(char **field, const char *text)
{
    free(*field);
    *field = strdup(text);
    assert_non_null(*field);
}

/* One step of a node's daemon, its kubelet, or of fate; `bad` is a config that no node can take. */
static void step_node(FleetNode *n, const char *bad, bool fate)
{
    bool told = strcmp(n->current, n->desired) != 0;
    if (fate && dice(40) == 0) {
        n->ready = !n->ready;
        return;
    }
    if (!n->ready) {
        if (!fate || dice(8) == 0)
            n->ready = true;
        return;
    }
    if (!told && n->state == NODE_STATE_DONE)
        return;
    if (n->state == NODE_STATE_DONE) {
        n->state = NODE_STATE_WORKING;
        n->unschedulable = true;
        set(&n->drain_done, "drain-x");
    } else if (told && !strcmp(n->desired, bad)) {
        n->state = NODE_STATE_DEGRADED;
    } else if (told && dice(3) == 0) {
        set(&n->current, n->desired);
        n->state = NODE_STATE_REBOOTING;
    } else if (!told) {
        n->state = NODE_STATE_DONE;
        n->unschedulable = false;
        set(&n->drain_done, "uncordon-x");
    } else
        n->state = NODE_STATE_WORKING;
}

/* Away because of an update: told, and not done. */
static unsigned under_way(const Pool *p)
{
    unsigned n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += strcmp(p->nodes[i]->current, p->nodes[i]->desired) != 0 || p->nodes[i]->unschedulable;
    return n;
}

static bool all_updated(const RolloutPool *r)
{
    RolloutCounts c = rollout_count(r);
    return c.updated == r->n_nodes && c.ready == r->n_nodes;
}

static void run_schedule(uint64_t number)
{
    seed = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
    Pool p;
    char text[1024] = "", max[8];
    unsigned n = 1 + dice(NODES_MAX - 1), allowed = 1 + dice(n);
    for (unsigned i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%sn%u v0>v0 Done", i ? ", " : "", i);
    pool_read(&p, text);
    snprintf(max, sizeof(max), "%u", allowed);
    const char *const targets[] = {"v1", "bad", "v2"};
    unsigned target = 0;
    RolloutPool r = {.target = targets[0], .max_unavailable = max, .nodes = p.nodes, .n_nodes = p.n};
    unsigned steps = 0;
    for (; steps < STEPS_MAX && !(target == 2 && all_updated(&r)); steps++) {
        FleetNode *next[NODES_MAX];
        unsigned in_service = 0, before = under_way(&p);
        for (size_t i = 0; i < p.n; i++)
            in_service += fleet_node_in_service(p.nodes[i]);
        size_t told = rollout_next(&r, next);
        unsigned taken = 0;
        for (size_t i = 0; i < told; i++) {
            taken += !fleet_node_unavailable(next[i]);
            set(&next[i]->desired, r.target);
        }
        /* what is taken out of service, with all that is out already, is within what is allowed */
        assert_true(taken == 0 || p.n - in_service + taken <= allowed);
        assert_true(under_way(&p) <= allowed || under_way(&p) == before);
        step_node(p.nodes[dice((unsigned)p.n)], "bad", steps < STEPS_MAX / 2);
        if (target < 2 && dice(60) == 0)
            r.target = targets[++target];
        if (steps > STEPS_MAX / 2)
            r.target = targets[target = 2];
    }
    if (!all_updated(&r))
        fail_msg("schedule %llu: not at its end after %u steps", (unsigned long long)number, steps);
    pool_done(&p);
}

static void test_schedules(void **state _unused_)
{
    for (uint64_t i = 0; i < SCHEDULES; i++)
        run_schedule(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_counts),
                                       cmocka_unit_test(test_schedules)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
