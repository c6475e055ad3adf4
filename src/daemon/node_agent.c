/* Rules from the most urgent to the least; the first that has something to do decides. What is reported is
 * compared with what the API has, so that nothing is written twice. A node is uncordoned before it says that
 * it is done, since that is what the next node waits for. */
#include "daemon/node_agent.h"

#include <string.h>

typedef struct Agent {
    Arena *arena;
    const AgentNode *n;
    const AgentMachine *m;
    AgentStep *step;
} Agent;

static bool same(const char *x, const char *y)
{
    return !strcmp(x ? x : "", y ? y : "");
}

/* At most so many characters, never half of one. */
static const char *cut(Arena *a, const char *text)
{
    size_t characters = 0;
    for (const char *p = text; *p; p++) {
        if (((unsigned char)*p & 0xc0) == 0x80)
            continue;
        if (++characters > AGENT_REASON_MAX)
            return arena_memdup(a, text, (size_t)(p - text));
    }
    return text;
}

/* True: there is something to tell, and the step tells it. */
static bool report(Agent *g, const char *state, const char *reason)
{
    AgentStep s = {.action = AGENT_REPORT};
    reason = cut(g->arena, reason ? reason : "");
    if (!same(g->n->state, state))
        s.state = state;
    if (!same(g->n->reason, reason))
        s.reason = reason;
    /* Before its reboot a machine is not yet what its disk says. */
    if (g->m->current && !g->m->reboot && !same(g->n->current, g->m->current))
        s.current = g->m->current;
    if (!s.state && !s.reason && !s.current)
        return false;
    *g->step = s;
    return true;
}

static void wait_until(Agent *g, int64_t until)
{
    *g->step = (AgentStep){.action = AGENT_WAIT, .until = until};
}

static void take(Agent *g, AgentAction action, const char *config)
{
    *g->step = (AgentStep){.action = action, .config = config, .until = -1};
}

/* After a failure nothing is tried before its time; the failure is told meanwhile. */
static bool holds_back(Agent *g)
{
    if (!g->m->error || g->m->now >= g->m->retry_at)
        return false;
    if (!g->n->known || !report(g, "Degraded", g->m->error))
        wait_until(g, g->m->retry_at);
    return true;
}

static void try(Agent *g, AgentAction action, const char *config)
{
    if (!holds_back(g))
        take(g, action, config);
}

/* ---- the drain controller ---- */

/* It has done what is wanted, or the step asks for it, or waits; *ret_done says which. */
static void drain_ask(Agent *g, const char *verb, int64_t patience_ms, bool *ret_done)
{
    const char *wanted = arena_printf(g->arena, "%s-%s", verb, g->n->desired);
    const int64_t since = g->m->waits_since ? g->m->waits_since : g->m->now, end = since + patience_ms;
    *ret_done = same(g->n->desired_drain, wanted) && same(g->n->last_drain, wanted);
    if (*ret_done)
        return;
    if (!same(g->n->desired_drain, wanted))
        *g->step = (AgentStep){.action = AGENT_REPORT, .desired_drain = wanted};
    else if (g->m->now < end)
        wait_until(g, end);
    else if (!report(g, "Degraded",
                     arena_printf(g->arena, "failed to %s the node after %d minutes; still waiting", verb,
                                  (int)(patience_ms / 60000))))
        wait_until(g, -1);
}

static bool was_drained(const AgentNode *n)
{
    return n->desired_drain && !strncmp(n->desired_drain, "drain-", strlen("drain-"));
}

/* ---- there, or on the way ---- */

static void arrived(Agent *g)
{
    const AgentNode *n = g->n;
    bool done = true;
    if (g->m->check == AGENT_UNCHECKED) {
        try(g, AGENT_VERIFY, NULL);
        return;
    }
    if (g->m->check == AGENT_DIFFERENT) {
        if (n->repair && g->m->repairable)
            try(g, AGENT_REPAIR, NULL);
        else if (!report(g, "Degraded",
                         arena_printf(g->arena, "unexpected on-disk state validating against %s: %s",
                                      g->m->current, g->m->difference)))
            wait_until(g, -1);
        return;
    }
    if (was_drained(n) || (n->desired_drain && !same(n->desired_drain, n->last_drain)))
        drain_ask(g, "uncordon", AGENT_UNCORDON_MAX_MS, &done);
    if (done && !report(g, "Done", ""))
        wait_until(g, -1);
}

static void on_the_way(Agent *g)
{
    const AgentMachine *m = g->m;
    const char *to = g->n->desired;
    bool drained = true;
    if (same(m->failed, to)) {
        if (!report(g, "Degraded", m->failed_why))
            wait_until(g, -1);
    } else if (holds_back(g)) {
        return;
    } else if (m->plan == AGENT_UNPLANNED || !same(m->planned, to)) {
        take(g, AGENT_MAKE_PLAN, to);
    } else if (m->plan == AGENT_REFUSED) {
        if (!report(g, "Unreconcilable", m->refusal))
            wait_until(g, -1);
    } else {
        const bool impatient = m->waits_since && m->now >= m->waits_since + AGENT_DRAIN_MAX_MS;
        /* What went wrong before stays told until it has gone right. */
        if (!m->error && !impatient && report(g, "Working", ""))
            return;
        if (m->drain && !g->n->single)
            drain_ask(g, "drain", AGENT_DRAIN_MAX_MS, &drained);
        if (drained)
            take(g, AGENT_APPLY, to);
    }
}

static void begin(Agent *g)
{
    const AgentMachine *m = g->m;
    if (!m->current && m->first) {
        try(g, AGENT_ADOPT, m->first);
    } else if (m->current) { /* a node that is new to the API */
        *g->step = (AgentStep){.action = AGENT_REPORT,
                               .state = "Done",
                               .reason = "",
                               .current = m->current,
                               .desired = m->current};
    } else {
        wait_until(g, -1);
    }
}

void agent_next(Arena *a, const AgentNode *n, const AgentMachine *m, AgentStep *ret)
{
    Agent g = {.arena = a, .n = n, .m = m, .step = ret};
    *ret = (AgentStep){.action = AGENT_WAIT, .until = -1};
    if (!m->settled) {
        try(&g, AGENT_SETTLE, NULL);
        return;
    }
    if (!n->known)
        return;
    if (m->reboot) {
        bool told = m->failed ? !report(&g, "Degraded", m->failed_why) : !report(&g, "Rebooting", "");
        if (told)
            try(&g, AGENT_REBOOT, NULL);
        return;
    }
    if (!n->desired || !*n->desired || (!m->current && m->first))
        begin(&g);
    else if (same(m->current, n->desired))
        arrived(&g);
    else
        on_the_way(&g);
}

int64_t agent_retry_ms(unsigned failures)
{
    int64_t ms = AGENT_RETRY_FIRST_MS;
    for (unsigned i = 1; i < failures && ms < AGENT_RETRY_MAX_MS; i++)
        ms *= 2;
    return ms < AGENT_RETRY_MAX_MS ? ms : AGENT_RETRY_MAX_MS;
}
