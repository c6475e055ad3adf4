/* Pools by name; in each what changes, in words that a conflict, an order and a refusal follow. */
#include "installer/plan_show.h"

#include <string.h>

#include "machineconfig/machine_config_plan.h"

const char *plan_outcome_name(PlanOutcome o)
{
    static const char *const names[] = {[PLAN_NOTHING] = "nothing",
                                        [PLAN_CHANGE] = "change",
                                        [PLAN_REBOOT] = "reboot",
                                        [PLAN_REFUSED] = "refused"};
    return names[o];
}

/* What the API tells has no file. */
static const char *file_of(const Node *at)
{
    return at && at->source && !at->source->secret ? at->source->name : NULL;
}

/* ---- text ---- */

static void print_names(FleetNode *const *nodes, size_t n, bool zones, Buf *out)
{
    for (size_t i = 0; i < n; i++) {
        buf_addf(out, "%s%s", i ? ", " : " ", nodes[i]->name);
        if (zones && *nodes[i]->zone)
            buf_addf(out, " (%s)", nodes[i]->zone);
    }
    buf_add_char(out, '\n');
}

static void print_indented(const char *text, Buf *out)
{
    while (text && *text) {
        size_t n = strcspn(text, "\n");
        buf_addf(out, "  %.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static void print_change(const PlanChange *c, Buf *out)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    if (c->refused.errors && machine_config_diff_empty(c->diff))
        buf_addf(&text, "%s -> %s\n", c->diff->from->name, c->diff->to->name);
    else
        machine_config_plan_print(c->diff, &c->disruption, PLAN_CONTENTS, &text);
    if (c->refused.errors)
        buf_add_str(&text, "refused: a machine that runs cannot be changed so\n");
    for (size_t i = 0; i < c->refused.n; i++) {
        const ReportEntry *e = &c->refused.entries[i];
        buf_add_str(&text, "  ");
        if (e->source && !e->source->secret && e->line)
            buf_addf(&text, "%s:%u: ", e->source->name, e->line);
        buf_addf(&text, "%s: %s\n", e->path, e->message);
    }
    if (c->n_nodes) {
        buf_addf(&text, "nodes");
        print_names(c->nodes, c->n_nodes, false, &text);
    }
    if (c->n_nodes && c->assumed)
        buf_add_str(&text, "  what these have is not known; it is taken for what the pool has\n");
    print_indented(text.data, out);
}

static void print_conflicts(const PlanPool *pp, Buf *out)
{
    if (pp->n_conflicts)
        buf_add_str(out, "  conflicts\n");
    for (size_t i = 0; i < pp->n_conflicts; i++) {
        const PlanConflict *c = &pp->conflicts[i];
        buf_addf(out, "    %s\n", c->what);
        for (size_t k = c->n; k-- > 0;) {
            buf_addf(out, "      %-7s  %s", k + 1 == c->n ? "wins" : "covered", c->who[k]->name);
            if (file_of(c->at[k]))
                buf_addf(out, "  (%s:%u)", file_of(c->at[k]), c->at[k]->line);
            buf_add_char(out, '\n');
        }
    }
}

static void print_order(const Plan *p, const PlanPool *pp, Buf *out)
{
    if (!p->fleet.nodes.n) {
        buf_add_str(out, "  order: not known, since no nodes are\n");
        return;
    }
    if (!pp->pool->n_nodes) {
        buf_add_str(out, "  no node is in this pool\n");
        return;
    }
    if (pp->n_turns)
        buf_addf(out, "  order: at most %u of %zu nodes at a time\n", pp->max_unavailable, pp->pool->n_nodes);
    for (size_t i = 0; i < pp->n_turns; i++) {
        buf_addf(out, "    %zu.", i + 1);
        print_names(pp->turns[i].nodes, pp->turns[i].n, true, out);
    }
    if (pp->n_waiting)
        buf_add_str(out, "  not told\n");
    for (size_t i = 0; i < pp->n_waiting; i++)
        buf_addf(out, "    %s: %s\n", pp->waiting[i].node->name, pp->waiting[i].why);
}

static bool is_refused(const PlanPool *pp)
{
    for (size_t i = 0; i < pp->n_changes; i++)
        if (pp->changes[i].refused.errors)
            return true;
    return false;
}

static void print_pool(const Plan *p, const PlanPool *pp, Buf *out)
{
    buf_addf(out, "pool %s: ", pp->pool->name);
    if (pp->error)
        buf_addf(out, "%s\n", pp->error);
    else
        buf_add_str(out, !pp->changed ? "nothing changes\n" : "changes\n");
    for (size_t i = 0; i < pp->n_changes; i++)
        print_change(&pp->changes[i], out);
    print_conflicts(pp, out);
    if (pp->changed && !is_refused(pp))
        print_order(p, pp, out);
}

void plan_print(const Plan *p, Buf *out)
{
    static const char *const ends[] = {[PLAN_NOTHING] = "nothing would change",
                                       [PLAN_CHANGE] = "would change, without a reboot",
                                       [PLAN_REBOOT] = "would change, with reboots",
                                       [PLAN_REFUSED] = "would be refused"};
    for (size_t i = 0; i < p->n_pools; i++)
        print_pool(p, &p->pools[i], out);
    for (size_t i = 0; i < p->fleet.nodes.n; i++) {
        const FleetNode *n = p->fleet.nodes.items[i];
        if (!n->pool && n->no_pool)
            buf_addf(out, "%s\n", n->no_pool);
        else if (!n->pool)
            buf_addf(out, "node %s is in no pool\n", n->name);
    }
    buf_addf(out, "%s\n", ends[p->outcome]);
}

/* ---- JSON ---- */

static Node *list_set(Arena *a, Node *to, const char *key)
{
    return node_set(a, to, key, node_new(a, NODE_ARRAY));
}

static Node *object_add(Arena *a, Node *list)
{
    return node_append(list, node_new(a, NODE_OBJECT));
}

static void add_names(Arena *a, Node *list, FleetNode *const *nodes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        node_append(list, node_new_string(a, nodes[i]->name));
}

static void add_place(Arena *a, Node *to, const char *file, unsigned line)
{
    if (!file || !line)
        return;
    node_set_string(a, to, "file", file);
    node_set(a, to, "line", node_new_int(a, line));
}

static void add_change(Arena *a, Node *list, const PlanChange *c)
{
    Node *n = node_append(list, machine_config_plan_to_node(a, c->diff, &c->disruption, PLAN_CONTENTS));
    add_names(a, list_set(a, n, "nodes"), c->nodes, c->n_nodes);
    node_set(a, n, "assumed", node_new_bool(a, c->assumed));
    if (!c->refused.n)
        return;
    Node *findings = list_set(a, n, "refused");
    for (size_t i = 0; i < c->refused.n; i++) {
        const ReportEntry *e = &c->refused.entries[i];
        Node *finding = object_add(a, findings);
        node_set_string(a, finding, "path", e->path);
        node_set_string(a, finding, "message", e->message);
        add_place(a, finding, e->source && !e->source->secret ? e->source->name : NULL, e->line);
    }
}

static void add_conflict(Arena *a, Node *list, const PlanConflict *c)
{
    Node *n = object_add(a, list);
    node_set_string(a, n, "what", c->what);
    Node *said = list_set(a, n, "configs");
    for (size_t i = 0; i < c->n; i++) {
        Node *by = object_add(a, said);
        node_set_string(a, by, "name", c->who[i]->name);
        add_place(a, by, file_of(c->at[i]), c->at[i]->line);
        node_set(a, by, "wins", node_new_bool(a, i + 1 == c->n));
    }
}

static void add_order(Arena *a, Node *n, const PlanPool *pp)
{
    Node *order = list_set(a, n, "order"), *waiting = list_set(a, n, "waiting");
    for (size_t i = 0; i < pp->n_turns; i++)
        add_names(a, node_append(order, node_new(a, NODE_ARRAY)), pp->turns[i].nodes, pp->turns[i].n);
    for (size_t i = 0; i < pp->n_waiting; i++) {
        Node *w = object_add(a, waiting);
        node_set_string(a, w, "node", pp->waiting[i].node->name);
        node_set_string(a, w, "why", pp->waiting[i].why);
    }
}

static void add_pool(Arena *a, Node *list, const PlanPool *pp)
{
    Node *n = object_add(a, list);
    node_set_string(a, n, "name", pp->pool->name);
    node_set_string(a, n, "from", pp->from);
    node_set_string(a, n, "to", pp->to);
    node_set_string(a, n, "error", pp->error);
    node_set(a, n, "changed", node_new_bool(a, pp->changed));
    node_set(a, n, "machineCount", node_new_int(a, (int64_t)pp->pool->n_nodes));
    node_set(a, n, "maxUnavailable", node_new_int(a, pp->max_unavailable));
    node_set(a, n, "paused", node_new_bool(a, pp->pool->spec && pp->pool->spec->paused));
    Node *changes = list_set(a, n, "changes"), *conflicts = list_set(a, n, "conflicts");
    for (size_t i = 0; i < pp->n_changes; i++)
        add_change(a, changes, &pp->changes[i]);
    for (size_t i = 0; i < pp->n_conflicts; i++)
        add_conflict(a, conflicts, &pp->conflicts[i]);
    add_order(a, n, pp);
}

Node *plan_to_node(Arena *a, const Plan *p)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "outcome", plan_outcome_name(p->outcome));
    node_set(a, n, "nodesKnown", node_new_bool(a, p->fleet.nodes.n > 0));
    Node *pools = list_set(a, n, "pools"), *none = list_set(a, n, "nodesWithoutPool");
    for (size_t i = 0; i < p->n_pools; i++)
        add_pool(a, pools, &p->pools[i]);
    for (size_t i = 0; i < p->fleet.nodes.n; i++) {
        const FleetNode *node = p->fleet.nodes.items[i];
        if (node->pool)
            continue;
        Node *x = object_add(a, none);
        node_set_string(a, x, "name", node->name);
        node_set_string(a, x, "problem", node->no_pool);
    }
    return n;
}
