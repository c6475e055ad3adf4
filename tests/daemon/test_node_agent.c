/* The decisions: a table of situations, and whole updates in a world of a few lines, in which the program is
 * killed, drains are slow, systems do not boot and people change their minds. */
#include <stdio.h>

#include "../scratch.h"

#include "daemon/node_agent.h"

/* ---- situations ---- */

static const char *const actions[] = {"wait",   "report", "settle", "adopt", "verify",
                                      "repair", "plan",   "apply",  "reboot"};

static const char *say(Arena *a, const AgentStep *s)
{
    const char *text = actions[s->action];
    if (s->config)
        text = arena_printf(a, "%s %s", text, s->config);
    if (s->action == AGENT_WAIT && s->until >= 0)
        text = arena_printf(a, "%s %lld", text, (long long)s->until);
    const char *const values[] = {s->state, s->reason, s->current, s->desired, s->desired_drain};
    static const char *const names[] = {"state", "reason", "current", "desired", "drain"};
    for (size_t i = 0; i < ELEMENTS(values); i++)
        if (values[i])
            text = arena_printf(a, "%s %s=%s", text, names[i], values[i]);
    return text;
}

#define NODE(...)                                                                                            \
    {                                                                                                        \
        .known = true, .desired = "b", .current = "a", .state = "Done", .reason = "", __VA_ARGS__            \
    }
#define ON_A(...)                                                                                            \
    {                                                                                                        \
        .settled = true, .current = "a", .check = AGENT_GOOD, .now = 100, __VA_ARGS__                        \
    }
#define ON_B(...)                                                                                            \
    {                                                                                                        \
        .settled = true, .current = "b", .check = AGENT_GOOD, .now = 100, __VA_ARGS__                        \
    }
#define PLANNED(...) ON_A(.plan = AGENT_PLANNED, .planned = "b", __VA_ARGS__)

static const struct {
    const char *what;
    AgentNode n;
    AgentMachine m;
    const char *next;
} rows[] = {
    {"a cut change first", NODE(), {.settled = false}, "settle"},
    {"which fails", NODE(), {.error = "x", .retry_at = 5, .now = 1}, "report state=Degraded reason=x"},
    {"and is tried again",
     NODE(.state = "Degraded", .reason = "x"),
     {.error = "x", .retry_at = 5, .now = 5},
     "settle"},
    {"no API yet", {.known = false}, ON_A(), "wait"},
    {"a new machine", {.known = true}, {.settled = true, .first = "f"}, "adopt f"},
    {"a new machine, told by the API", NODE(.desired = "f"), {.settled = true, .first = "f"}, "adopt f"},
    {"a node new to the API", {.known = true}, ON_A(), "report state=Done reason= current=a desired=a"},
    {"nothing known at all", {.known = true}, {.settled = true}, "wait"},
    {"all is done", NODE(.desired = "a"), ON_A(), "wait"},
    {"after a start", NODE(.desired = "a"), ON_A(.check = AGENT_UNCHECKED), "verify"},
    {"the API has an old current", NODE(), ON_B(), "report current=b"},
    {"drift", NODE(.desired = "a"), ON_A(.check = AGENT_DIFFERENT, .difference = "/x: is missing"),
     "report state=Degraded reason=unexpected on-disk state validating against a: /x: is missing"},
    {"drift was told",
     NODE(.desired = "a", .state = "Degraded", .reason = "unexpected on-disk state validating against a: /x"),
     ON_A(.check = AGENT_DIFFERENT, .difference = "/x"), "wait"},
    {"drift is repaired", NODE(.desired = "a", .repair = true),
     ON_A(.check = AGENT_DIFFERENT, .difference = "/x", .repairable = true), "repair"},
    {"drift that cannot be", NODE(.desired = "a", .repair = true),
     ON_A(.check = AGENT_DIFFERENT, .difference = "/x"),
     "report state=Degraded reason=unexpected on-disk state validating against a: /x"},
    {"a new config", NODE(), ON_A(), "plan b"},
    {"also when it drifted", NODE(), ON_A(.check = AGENT_DIFFERENT, .difference = "/x"), "plan b"},
    {"a plan for another", NODE(), ON_A(.plan = AGENT_PLANNED, .planned = "c"), "plan b"},
    {"refused", NODE(), ON_A(.plan = AGENT_REFUSED, .planned = "b", .refusal = "disks"),
     "report state=Unreconcilable reason=disks"},
    {"planned", NODE(), PLANNED(), "report state=Working"},
    {"no drain", NODE(.state = "Working"), PLANNED(), "apply b"},
    {"a drain", NODE(.state = "Working"), PLANNED(.drain = true), "report drain=drain-b"},
    {"asked for", NODE(.state = "Working", .desired_drain = "drain-b"),
     PLANNED(.drain = true, .waits_since = 50), "wait 3600050"},
    {"an old drain does not count",
     NODE(.state = "Working", .desired_drain = "drain-b", .last_drain = "drain-a"),
     PLANNED(.drain = true, .waits_since = 50), "wait 3600050"},
    {"drained", NODE(.state = "Working", .desired_drain = "drain-b", .last_drain = "drain-b"),
     PLANNED(.drain = true), "apply b"},
    {"drained for another", NODE(.state = "Working", .desired_drain = "drain-c", .last_drain = "drain-c"),
     PLANNED(.drain = true), "report drain=drain-b"},
    {"a single node", NODE(.state = "Working", .single = true), PLANNED(.drain = true), "apply b"},
    {"no patience left", NODE(.state = "Working", .desired_drain = "drain-b"),
     PLANNED(.drain = true, .waits_since = 50, .now = 3600050),
     "report state=Degraded reason=failed to drain the node after 60 minutes; still waiting"},
    {"that was told",
     NODE(.state = "Degraded", .reason = "failed to drain the node after 60 minutes; still waiting",
          .desired_drain = "drain-b"),
     PLANNED(.drain = true, .waits_since = 50, .now = 3600050), "wait"},
    {"it comes late",
     NODE(.state = "Degraded", .reason = "x", .desired_drain = "drain-b", .last_drain = "drain-b"),
     PLANNED(.drain = true, .waits_since = 50, .now = 3600050), "apply b"},
    {"a failure", NODE(.state = "Working"), PLANNED(.error = "disk full", .retry_at = 1100),
     "report state=Degraded reason=disk full"},
    {"told", NODE(.state = "Degraded", .reason = "disk full"),
     PLANNED(.error = "disk full", .retry_at = 1100), "wait 1100"},
    {"again", NODE(.state = "Degraded", .reason = "disk full"),
     PLANNED(.error = "disk full", .retry_at = 100), "apply b"},
    {"a reboot", NODE(.state = "Working"), ON_B(.reboot = true), "report state=Rebooting"},
    {"now", NODE(.state = "Rebooting", .current = "b"), ON_B(.reboot = true), "reboot"},
    {"after a system that did not boot", NODE(.state = "Rebooting", .current = "a"),
     ON_A(.reboot = true, .failed = "b", .failed_why = "booted x"), "report state=Degraded reason=booted x"},
    {"it goes back", NODE(.state = "Degraded", .reason = "booted x", .current = "a"),
     ON_A(.reboot = true, .failed = "b", .failed_why = "booted x"), "reboot"},
    {"and stays there", NODE(.state = "Degraded", .reason = "booted x"),
     ON_A(.failed = "b", .failed_why = "booted x"), "wait"},
    {"but for another config", NODE(.desired = "c", .state = "Degraded", .reason = "booted x"),
     ON_A(.failed = "b", .failed_why = "booted x"), "plan c"},
    {"arrived and drained",
     NODE(.current = "b", .desired_drain = "drain-b", .last_drain = "drain-b", .state = "Rebooting"), ON_B(),
     "report drain=uncordon-b"},
    {"uncordoning",
     NODE(.current = "b", .desired_drain = "uncordon-b", .last_drain = "drain-b", .state = "Rebooting"),
     ON_B(.waits_since = 60), "wait 600060"},
    {"uncordoned",
     NODE(.current = "b", .desired_drain = "uncordon-b", .last_drain = "uncordon-b", .state = "Rebooting"),
     ON_B(), "report state=Done"},
    {"never before it is verified", NODE(.current = "b", .desired_drain = "drain-b", .last_drain = "drain-b"),
     ON_B(.check = AGENT_UNCHECKED), "verify"},
};

static void test_situations(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        AgentStep step;
        agent_next(a, &rows[i].n, &rows[i].m, &step);
        if (strcmp(say(a, &step), rows[i].next))
            fail_msg("%s: %s, not %s", rows[i].what, say(a, &step), rows[i].next);
    }
}

static void test_reason_is_cut(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    char *long_text = arena_alloc(a, 3 * 3000 + 1);
    for (size_t i = 0; i < 3000; i++)
        memcpy(long_text + 3 * i, "\xe2\x80\xa6", 3);
    AgentNode n = NODE();
    AgentMachine m = ON_A(.plan = AGENT_REFUSED, .planned = "b", .refusal = long_text);
    AgentStep s;
    agent_next(a, &n, &m, &s);
    assert_int_equal(strlen(s.reason), 3 * AGENT_REASON_MAX);
}

static void test_retries(void **state)
{
    (void)state;
    assert_int_equal(agent_retry_ms(1), 1000);
    assert_int_equal(agent_retry_ms(2), 2000);
    assert_int_equal(agent_retry_ms(6), 32000);
    assert_int_equal(agent_retry_ms(7), 60000);
    assert_int_equal(agent_retry_ms(1000000), 60000);
}

/* ---- whole updates ---- */

/* Names are single letters; 0: none. */
typedef struct World {
    unsigned seed;
    /* the API */
    char desired, current, drained;
    const char *state;
    char reason[64], wanted_drain[32], last_drain[32];
    bool cordoned;
    /* the disk */
    char disk, journal_to, journal_from, failed;
    bool journal_reboot, same_boot, staged;
    /* the program */
    AgentMachine m;
    char planned[2], failed_text[2], disk_text[2];
} World;

static unsigned dice(World *w, unsigned n)
{
    w->seed = w->seed * 1103515245 + 12345;
    return (w->seed >> 16) % n;
}

static bool needs_reboot(char config)
{
    return config % 2 == 0;
}

static void restart(World *w)
{
    int64_t now = w->m.now;
    w->m = (AgentMachine){.now = now, .waits_since = now};
}

/* What node_apply_settle() does. */
static void do_settle(World *w)
{
    if (w->journal_to && !w->journal_reboot) {
        w->disk = w->journal_from;
        w->journal_to = 0;
    } else if (w->journal_to && w->same_boot) {
        w->m.reboot = true;
    } else if (w->journal_to && w->staged) { /* the wanted system has booted */
        w->journal_to = 0;
        w->staged = false;
    } else if (w->journal_to) {
        w->failed = w->journal_to;
        w->disk = w->journal_from;
        w->journal_to = 0;
    }
    w->m.settled = true;
}

/* Nothing may be changed that needs it before the pods are away. */
static void do_apply(World *w)
{
    if (needs_reboot(w->desired))
        assert_true(w->cordoned);
    w->journal_from = w->disk;
    w->journal_to = w->desired;
    w->journal_reboot = false;
    w->same_boot = true;
    if (dice(w, 6) == 0) {
        restart(w);
        return;
    }
    if (dice(w, 6) == 0) { /* fails, and goes back */
        w->journal_to = 0;
        w->m.error = "disk full";
        w->m.retry_at = w->m.now + 1000;
        return;
    }
    w->m.error = NULL;
    w->disk = w->desired;
    w->m.check = AGENT_UNCHECKED;
    w->journal_reboot = needs_reboot(w->desired);
    if (w->journal_reboot)
        w->m.reboot = true;
    else
        w->journal_to = 0;
}

static void do_reboot(World *w)
{
    w->same_boot = false;
    w->staged = dice(w, 8) != 0; /* else the boot loader goes back */
    restart(w);
}

static void do_report(World *w, const AgentStep *s)
{
    if (s->state)
        w->state = !strcmp(s->state, "Done") ? "Done" : !strcmp(s->state, "Working") ? "Working" : s->state;
    if (s->reason)
        snprintf(w->reason, sizeof(w->reason), "%s", s->reason);
    if (s->current)
        w->current = *s->current;
    if (s->desired)
        w->desired = *s->desired;
    if (s->desired_drain) {
        snprintf(w->wanted_drain, sizeof(w->wanted_drain), "%s", s->desired_drain);
        w->m.waits_since = w->m.now;
    }
    if (s->state && !strcmp(s->state, "Done")) {
        assert_int_equal(w->current, w->desired);
        assert_int_equal(w->disk, w->desired);
        assert_false(w->cordoned);
    }
}

static void do_step(World *w, const AgentStep *s)
{
    if (s->action != AGENT_WAIT && dice(w, 12) == 0) {
        restart(w); /* killed before it did anything */
        return;
    }
    switch (s->action) {
    case AGENT_WAIT:
        w->m.now = s->until > w->m.now ? (dice(w, 3) ? w->m.now + 500 : s->until) : w->m.now + 500;
        break;
    case AGENT_REPORT:
        do_report(w, s);
        break;
    case AGENT_SETTLE:
        do_settle(w);
        break;
    case AGENT_VERIFY:
        w->m.check = AGENT_GOOD;
        break;
    case AGENT_MAKE_PLAN:
        snprintf(w->planned, sizeof(w->planned), "%s", s->config);
        w->m.planned = w->planned;
        w->m.plan = AGENT_PLANNED;
        w->m.drain = needs_reboot(*s->config);
        break;
    case AGENT_APPLY:
        do_apply(w);
        break;
    case AGENT_REBOOT:
        do_reboot(w);
        break;
    case AGENT_ADOPT:
    case AGENT_REPAIR:
        fail_msg("not in this world");
    }
}

/* The drain controller, when it gets to it. */
static void do_drain(World *w)
{
    if (!*w->wanted_drain || !strcmp(w->wanted_drain, w->last_drain) || dice(w, 3))
        return;
    w->cordoned = !strncmp(w->wanted_drain, "drain-", 6);
    snprintf(w->last_drain, sizeof(w->last_drain), "%s", w->wanted_drain);
}

static void ask(World *w, Arena *a, AgentStep *s)
{
    const char desired[] = {w->desired, 0}, current[] = {w->current, 0};
    AgentNode n = {.known = true,
                   .desired = arena_strdup(a, desired),
                   .current = arena_strdup(a, current),
                   .state = w->state,
                   .reason = arena_strdup(a, w->reason),
                   .desired_drain = *w->wanted_drain ? arena_strdup(a, w->wanted_drain) : NULL,
                   .last_drain = *w->last_drain ? arena_strdup(a, w->last_drain) : NULL};
    w->disk_text[0] = w->disk;
    w->m.current = w->disk_text;
    w->failed_text[0] = w->failed;
    w->m.failed = w->failed ? w->failed_text : NULL;
    w->m.failed_why = "booted another system";
    agent_next(a, &n, &w->m, s);
}

static void test_updates_end(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20000; seed++) {
        World w = {.seed = seed, .desired = 'a', .current = 'a', .disk = 'a', .state = "Done"};
        w.desired = (char)('b' + dice(&w, 4));
        unsigned changes = dice(&w, 3), steps = 0;
        bool ended = false;
        for (; !ended && steps < 3000; steps++) {
            _cleanup_arena_ Arena *a = arena_new();
            AgentStep s;
            if (changes && dice(&w, 25) == 0) {
                w.desired = (char)('a' + dice(&w, 6));
                changes--;
            }
            do_drain(&w);
            ask(&w, a, &s);
            ended = s.action == AGENT_WAIT && s.until < 0 && !changes &&
                    (!*w.wanted_drain || !strcmp(w.wanted_drain, w.last_drain));
            if (!ended)
                do_step(&w, &s);
        }
        if (!ended)
            fail_msg("seed %u does not end", seed);
        if (w.failed == w.desired && w.disk != w.desired)
            assert_string_equal(w.state, "Degraded");
        else
            assert_string_equal(w.state, "Done");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_situations),
        cmocka_unit_test(test_reason_is_cut),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_updates_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
