/* Order of events: what is wanted is read, so that every finding is told; the fleet as it is is taken in and
 * each pool's config rendered; what is wanted is laid over it, the generated configs are made anew, as the
 * controller makes them, and each pool is rendered again. Where that is another config, or a node has come
 * from another pool, the nodes are compared with it, in groups that have the same config now; then the
 * rollout is played, turn by turn, as if every node that is told comes back. Refused: configs that are not
 * valid, names that are wanted twice, a current state in which a config is missing that a pool's is made of.
 */
#include "installer/plan.h"

#include <string.h>

#include "fleet/generated_config.h"
#include "kube/kube_kind.h"
#include "machineconfig/controller_config.h"

typedef enum Kind { POOL, CONFIG, KUBELET, RUNTIME, CLUSTER, NODE, POLICY, OTHER } Kind;

typedef struct PoolBefore { /* by name */
    char *name;
    const RenderedConfig *rendered; /* NULL: it cannot be, */
    const char *error;              /* and why */
    const MachineConfig *from;      /* what the pool's nodes are told now; NULL: not known */
    const char *from_name;
} PoolBefore;

typedef struct Planner {
    Plan *plan;
    Arena *arena;
    const PlanInput *in;
    Report *report;
    Map wanted;    /* MachineConfigs that are wanted, by name */
    Map documents; /* current MachineConfigs, by name */
    Map was_in;    /* node to the FleetPool that it is in before */
    NameList before;
    const char *os_image_url;
    DisruptionPolicy *policy;
} Planner;

void plan_objects_add(PlanObjects *o, const Node *document)
{
    if (o->n == o->size) {
        o->size = o->size ? 2 * o->size : 64;
        o->items = reallocarray(o->items, o->size, sizeof(*o->items));
        if (!o->items)
            abort();
    }
    o->items[o->n++] = document;
}

static Kind kind_of(const Node *document)
{
    static const struct {
        const KubeKind *kind;
        Kind as;
    } kinds[] = {{&kube_machine_config_pool, POOL},  {&kube_machine_config, CONFIG},
                 {&kube_kubelet_config, KUBELET},    {&kube_container_runtime_config, RUNTIME},
                 {&kube_controller_config, CLUSTER}, {&kube_node, NODE}};
    const char *kind = node_string(node_get(document, "kind"));
    const KubeKind *k = kube_kind_of(document);
    for (size_t i = 0; k && i < ELEMENTS(kinds); i++)
        if (kinds[i].kind == k)
            return kinds[i].as;
    return kind && !strcmp(kind, "MachineConfiguration") ? POLICY : OTHER;
}

/* ---- what is wanted ---- */

static void check_source(Planner *p, GeneratedKind kind, const Node *document)
{
    _cleanup_(generated_source_freep)
    GeneratedSource *s = generated_source_new(kind, document);
    if (s->error)
        report_add(p->report, SEVERITY_ERROR, NULL, document, "%s", s->error);
}

static bool check_wanted(Planner *p, const Node *document, Map *names)
{
    const Kind kind = kind_of(document);
    MachineConfigPool *pool;
    MachineConfig *mc;
    if (kind == OTHER || kind == NODE || kind == CLUSTER)
        return false;
    if (!kube_name(document)) {
        report_add(p->report, SEVERITY_ERROR, NULL, document, "this has no metadata.name");
        return true;
    }
    const char *id = arena_printf(p->arena, "%d/%s", (int)kind, kube_name(document));
    if (!map_put_new(names, id, p, NULL))
        report_add(p->report, SEVERITY_ERROR, PATH_KEY(PATH_KEY(NULL, "metadata"), "name"),
                   node_get_path(document, "metadata.name"), "%s '%s' stands here twice",
                   node_string(node_get(document, "kind")), kube_name(document));
    if (kind == POOL)
        (void)machine_config_pool_read(p->arena, document, &pool, p->report);
    else if (kind == CONFIG && machine_config_read(p->arena, document, &mc, p->report) >= 0)
        map_put(&p->wanted, mc->name, mc);
    else if (kind == KUBELET || kind == RUNTIME)
        check_source(p, kind == KUBELET ? GENERATED_KUBELET : GENERATED_CONTAINER_RUNTIME, document);
    return true;
}

static int check_all_wanted(Planner *p)
{
    _cleanup_map_ Map names = MAP_INIT;
    bool any = false;
    for (size_t i = 0; i < p->in->wanted.n; i++)
        any |= check_wanted(p, p->in->wanted.items[i], &names);
    if (!any)
        report_add(
            p->report, SEVERITY_ERROR, NULL, NULL,
            "there is no MachineConfig, pool, KubeletConfig or ContainerRuntimeConfig in what was named");
    return p->report->errors ? any ? -EINVAL : -ENOENT : 0;
}

/* ---- as it is ---- */

static void source_seen(Planner *p, GeneratedKind kind, const Node *document, bool wanted)
{
    NameList *list = &p->plan->sources[kind];
    const GeneratedSource *former = name_list_get(list, kube_name(document));
    GeneratedSource *s = generated_source_new(kind, document);
    if (wanted)
        s->created = former ? former->created : INT64_MAX; /* the youngest */
    generated_source_free(name_list_put(list, s));
}

static void see_current(Planner *p, const Node *document)
{
    const Kind kind = kind_of(document);
    _cleanup_report_ Report ignored = REPORT_INIT(p->arena);
    ControllerConfig cluster;
    if (!kube_name(document))
        return;
    if (kind == POOL)
        fleet_pool_seen(&p->plan->fleet, document);
    else if (kind == CONFIG)
        map_put(&p->documents, kube_name(document), (void *)document);
    else if (kind == KUBELET || kind == RUNTIME)
        source_seen(p, kind == KUBELET ? GENERATED_KUBELET : GENERATED_CONTAINER_RUNTIME, document, false);
    else if (kind == CLUSTER && !p->os_image_url &&
             controller_config_read(p->arena, document, &cluster, &ignored) >= 0)
        p->os_image_url = cluster.os_image_url;
    else if (kind == POLICY)
        (void)disruption_policy_read(p->arena, document, &p->policy, &ignored);
    if (kind == CONFIG)
        cached_config_free(name_list_put(&p->plan->before, cached_config_new(document)));
}

static bool has_role(const PlanObjects *o, const char *role)
{
    for (size_t i = 0; i < o->n; i++) {
        const char *is = kube_label(o->items[i], MACHINE_CONFIG_ROLE_LABEL);
        if (kind_of(o->items[i]) == CONFIG && is && !strcmp(is, role))
            return true;
    }
    return false;
}

/* Where nobody declares pools there is one of each role, as `basalt render` has it. */
static void imply_pools(Planner *p)
{
    static const char *const roles[] = {"master", "worker"};
    if (p->plan->fleet.pools.n)
        return;
    for (size_t i = 0; i < ELEMENTS(roles); i++) {
        if (!has_role(&p->in->current, roles[i]) && !has_role(&p->in->wanted, roles[i]))
            continue;
        Node *pool =
            machine_config_pool_to_node(p->arena, machine_config_pool_of_role(p->arena, roles[i]), "");
        fleet_pool_seen(&p->plan->fleet, pool);
    }
}

static void see_nodes(Planner *p)
{
    for (size_t i = 0; i < p->in->current.n; i++)
        if (kind_of(p->in->current.items[i]) == NODE && kube_name(p->in->current.items[i]))
            fleet_node_seen(&p->plan->fleet, p->in->current.items[i], NULL);
}

static const MachineConfig *read_rendered(Planner *p, const char *name)
{
    _cleanup_report_ Report ignored = REPORT_INIT(p->arena);
    const Node *document = map_get(&p->documents, name);
    MachineConfig *mc;
    return document && machine_config_read_rendered(p->arena, document, &mc, &ignored) >= 0 ? mc : NULL;
}

/* A config that a pool's is made of and that is not there would look as if it were to go. */
static void check_sources(Planner *p, const FleetPool *pool, const PoolBefore *b)
{
    const Node *list = node_get_path(pool->object, "spec.configuration.source");
    if (p->in->whole)
        return;
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (source, list) {
            const char *name = node_string(node_get(source, "name"));
            if (name && !map_has(&p->documents, name))
                report_add(p->report, SEVERITY_ERROR, NULL, pool->object,
                           "pool '%s': MachineConfig '%s', which its config is made of, is not among the "
                           "current ones",
                           pool->name, name);
        }
    else if (b->from && !b->rendered)
        report_add(p->report, SEVERITY_ERROR, NULL, pool->object,
                   "pool '%s': the MachineConfigs that '%s' is made of are not among the current ones",
                   pool->name, b->from_name);
}

static void render_before(Planner *p)
{
    for (size_t i = 0; i < p->plan->fleet.pools.n; i++) {
        const FleetPool *pool = p->plan->fleet.pools.items[i];
        PoolBefore *b = ARENA_NEW(p->arena, PoolBefore);
        b->name = arena_strdup(p->arena, pool->name);
        PoolRender r = pool_render(p->arena, pool, &p->plan->before, p->os_image_url);
        b->rendered = r.rendered;
        b->error = r.error;
        b->from_name = arena_strdup(p->arena, fleet_pool_target(pool));
        b->from = read_rendered(p, b->from_name);
        check_sources(p, pool, b);
        if (!b->from && b->rendered) {
            b->from = &b->rendered->merged;
            b->from_name = b->rendered->name;
        }
        name_list_put(&p->before, b);
    }
    for (size_t i = 0; i < p->plan->fleet.nodes.n; i++) {
        const FleetNode *n = p->plan->fleet.nodes.items[i];
        if (n->pool)
            map_put(&p->was_in, n->name, n->pool);
    }
}

/* ---- as it would be ---- */

static void put_after(Planner *p, const Node *object)
{
    Plan *plan = p->plan;
    if (plan->n_made == plan->size_made) {
        plan->size_made = plan->size_made ? 2 * plan->size_made : 16;
        plan->made = reallocarray(plan->made, plan->size_made, sizeof(CachedConfig *));
        if (!plan->made)
            abort();
    }
    CachedConfig *c = plan->made[plan->n_made++] = cached_config_new(object);
    name_list_put(&plan->after, c);
}

/* As `kubectl apply` would: what the controller wrote into the pool stays. */
static void put_pool(Planner *p, const Node *document)
{
    const FleetPool *former = name_list_get(&p->plan->fleet.pools, kube_name(document));
    Node *pool = node_copy(p->arena, document), *spec = node_get(pool, "spec");
    const Node *kept = former ? node_get_path(former->object, "spec.configuration") : NULL;
    if (spec && kept && !node_get(spec, "configuration"))
        node_set(p->arena, spec, "configuration", node_copy(p->arena, kept));
    fleet_pool_seen(&p->plan->fleet, pool);
}

static void put_wanted(Planner *p)
{
    for (size_t i = 0; i < p->plan->before.n; i++)
        name_list_put(&p->plan->after, p->plan->before.items[i]);
    for (size_t i = 0; i < p->in->wanted.n; i++) {
        const Node *document = p->in->wanted.items[i];
        const Kind kind = kind_of(document);
        if (kind == POOL)
            put_pool(p, document);
        else if (kind == CONFIG)
            put_after(p, document);
        else if (kind == KUBELET || kind == RUNTIME)
            source_seen(p, kind == KUBELET ? GENERATED_KUBELET : GENERATED_CONTAINER_RUNTIME, document, true);
        else if (kind == POLICY)
            (void)disruption_policy_read(p->arena, document, &p->policy, p->report);
    }
}

/* As source_sync.c does it; what is not known is not taken away. */
static void put_generated(Planner *p, GeneratedKind kind, const FleetPool *pool)
{
    const NameList *sources = &p->plan->sources[kind];
    GeneratedConfig g;
    Error e = ERROR_INIT;
    if (!sources->n && !p->in->whole)
        return;
    if (generated_config_make(p->arena, kind, pool, sources, &p->plan->after, &g, &e) < 0) {
        report_add(p->report, SEVERITY_ERROR, NULL, pool->object, "pool '%s': %s", pool->name, e.text);
        return;
    }
    const CachedConfig *former = name_list_get(&p->plan->after, g.name);
    if (g.object)
        put_after(p, g.object);
    else if (former && generated_config_is(former))
        (void)name_list_take(&p->plan->after, g.name);
}

/* ---- a pool's nodes ---- */

/* NULL: not known. */
static const MachineConfig *config_of_node(Planner *p, const FleetNode *n)
{
    const MachineConfig *mc = read_rendered(p, n->current);
    for (size_t i = 0; i < p->before.n && !mc; i++) {
        const PoolBefore *x = p->before.items[i];
        if (x->rendered && !strcmp(x->rendered->name, n->current))
            mc = &x->rendered->merged;
    }
    return mc;
}

/* `assumed` is a group of its own. */
static PlanChange *change_of(Planner *p, PlanPool *pp, const RenderedConfig *rc, const MachineConfig *from,
                             bool assumed)
{
    size_t i = 0;
    while (i < pp->n_changes && (pp->changes[i].assumed != assumed ||
                                 strcmp(pp->changes[i].diff->from->name, from ? from->name : "") != 0))
        i++;
    PlanChange *c = &pp->changes[i];
    if (i < pp->n_changes)
        return c;
    pp->n_changes++;
    c->assumed = assumed;
    c->refused = REPORT_INIT(p->arena);
    c->nodes = ARENA_ARRAY(p->arena, FleetNode *, pp->pool->n_nodes + 1);
    (void)machine_config_diff(p->arena, from, &rc->merged, &c->diff, &c->refused);
    disruption_decide(p->arena, p->policy, c->diff, &c->disruption);
    return c;
}

static int by_name(const void *x, const void *y)
{
    return strcmp((*(FleetNode *const *)x)->name, (*(FleetNode *const *)y)->name);
}

static void compare_node(Planner *p, PlanPool *pp, const RenderedConfig *rc, const PoolBefore *b,
                         FleetNode *n)
{
    if (!*n->current || !strcmp(n->current, rc->name))
        return;
    const MachineConfig *from = config_of_node(p, n);
    PlanChange *c = change_of(p, pp, rc, from ? from : b ? b->from : NULL, !from);
    c->nodes[c->n_nodes++] = n;
}

/* The controller refuses by what the pool has, whatever its nodes have; where nothing runs it does not. */
static void compare_nodes(Planner *p, PlanPool *pp, const RenderedConfig *rc, const PoolBefore *b)
{
    const FleetPool *pool = pp->pool;
    const bool nothing_runs = !pool->n_nodes && !(b && b->from);
    pp->changes = ARENA_ARRAY(p->arena, PlanChange, pool->n_nodes + 2);
    if (pool->n_nodes)
        qsort(pool->nodes, pool->n_nodes, sizeof(*pool->nodes), by_name);
    for (size_t i = 0; i < pool->n_nodes; i++)
        compare_node(p, pp, rc, b, pool->nodes[i]);
    const size_t of_nodes = pp->n_changes;
    if (of_nodes && !(b && b->from))
        return;
    PlanChange *c = change_of(p, pp, rc, b ? b->from : NULL, false);
    if (of_nodes && pp->n_changes > of_nodes && !c->refused.errors)
        pp->n_changes--; /* nobody has it */
    if (nothing_runs) {
        report_done(&c->refused);
        c->refused = REPORT_INIT(p->arena);
        c->disruption = (Disruption){.n = 0};
    }
}

/* ---- the rollout, played ---- */

static void set_text(char **field, const char *text)
{
    free(*field);
    *field = strdup(text);
    if (!*field)
        abort();
}

static void arrive(FleetNode *n, const char *config)
{
    set_text(&n->current, config);
    set_text(&n->desired, config);
    n->state = NODE_STATE_DONE;
    n->unschedulable = fleet_node_kept_away(n);
}

/* Those that are under way by what they were told before. */
static bool settle(const FleetPool *pool)
{
    bool any = false;
    for (size_t i = 0; i < pool->n_nodes; i++) {
        FleetNode *n = pool->nodes[i];
        if (!*n->current || fleet_node_settled(n))
            continue;
        _cleanup_free_ char *desired = strdup(n->desired);
        if (!desired)
            abort();
        arrive(n, desired);
        any = true;
    }
    return any;
}

static const char *why_waiting(const PlanPool *pp, const FleetNode *n)
{
    return pp->pool->spec->paused    ? "the pool is paused"
           : !*n->current            ? "its daemon has not reported yet"
           : fleet_node_kept_away(n) ? "somebody has cordoned it"
                                     : "as many nodes as may be are away already";
}

static void play(Planner *p, PlanPool *pp)
{
    const FleetPool *pool = pp->pool;
    RolloutPool v = {.target = pp->to,
                     .max_unavailable = pool->spec->max_unavailable,
                     .paused = pool->spec->paused,
                     .nodes = pool->nodes,
                     .n_nodes = pool->n_nodes};
    FleetNode **next = ARENA_ARRAY(p->arena, FleetNode *, pool->n_nodes + 1);
    pp->turns = ARENA_ARRAY(p->arena, PlanTurn, pool->n_nodes + 1);
    pp->waiting = ARENA_ARRAY(p->arena, PlanWaiting, pool->n_nodes + 1);
    for (;;) {
        size_t n = rollout_next(&v, next);
        if (!n && settle(pool))
            continue;
        if (!n)
            break;
        pp->turns[pp->n_turns++] = (PlanTurn){next, n};
        for (size_t i = 0; i < n; i++)
            arrive(next[i], pp->to);
        next = ARENA_ARRAY(p->arena, FleetNode *, pool->n_nodes + 1);
    }
    for (size_t i = 0; i < pool->n_nodes; i++)
        if (strcmp(pool->nodes[i]->desired, pp->to) != 0)
            pp->waiting[pp->n_waiting++] = (PlanWaiting){pool->nodes[i], why_waiting(pp, pool->nodes[i])};
}

/* ---- a pool ---- */

static bool nodes_moved(const Planner *p, const FleetPool *pool)
{
    for (size_t i = 0; i < pool->n_nodes; i++)
        if (map_get(&p->was_in, pool->nodes[i]->name) != pool)
            return true;
    return false;
}

static void raise_to(Plan *plan, PlanOutcome o)
{
    plan->outcome = o > plan->outcome ? o : plan->outcome;
}

static void judge(Plan *plan, const PlanPool *pp)
{
    raise_to(plan, PLAN_CHANGE);
    for (size_t i = 0; i < pp->n_changes; i++)
        raise_to(plan, pp->changes[i].refused.errors      ? PLAN_REFUSED
                       : pp->changes[i].disruption.reboot ? PLAN_REBOOT
                                                          : PLAN_CHANGE);
}

static bool refused(const PlanPool *pp)
{
    for (size_t i = 0; i < pp->n_changes; i++)
        if (pp->changes[i].refused.errors)
            return true;
    return false;
}

static void plan_pool(Planner *p, const FleetPool *pool, PlanPool *pp)
{
    const PoolBefore *b = name_list_get(&p->before, pool->name);
    PoolRender r = pool_render(p->arena, pool, &p->plan->after, p->os_image_url);
    *pp = (PlanPool){.pool = pool, .from = b && b->from_name ? b->from_name : "", .to = ""};
    if (!r.rendered) {
        pp->error = r.error;
        if (!b || !b->error || strcmp(b->error, r.error) != 0) /* else it is so without this, too */
            raise_to(p->plan, PLAN_REFUSED);
        return;
    }
    pp->to = r.rendered->name;
    pp->max_unavailable = rollout_max_unavailable(pool->spec->max_unavailable, pool->n_nodes);
    pp->n_conflicts = plan_conflicts(p->arena, r.rendered, &p->wanted, &pp->conflicts);
    pp->changed = !b || !b->rendered || strcmp(b->rendered->name, pp->to) != 0 || nodes_moved(p, pool);
    if (!pp->changed)
        return;
    compare_nodes(p, pp, r.rendered, b);
    judge(p->plan, pp);
    if (!refused(pp))
        play(p, pp);
}

/* ---- the whole ---- */

static int make(Planner *p)
{
    Plan *plan = p->plan;
    int r = check_all_wanted(p);
    if (r < 0)
        return r;
    (void)disruption_policy_read(p->arena, NULL, &p->policy, p->report);
    for (size_t i = 0; i < p->in->current.n; i++)
        see_current(p, p->in->current.items[i]);
    imply_pools(p);
    see_nodes(p);
    render_before(p);
    if (p->report->errors)
        return -EINVAL;
    put_wanted(p);
    see_nodes(p);
    for (size_t i = 0; i < plan->fleet.pools.n; i++)
        for (GeneratedKind kind = 0; kind < GENERATED_KINDS; kind++)
            put_generated(p, kind, plan->fleet.pools.items[i]);
    if (p->report->errors)
        return -EINVAL;
    plan->pools = ARENA_ARRAY(p->arena, PlanPool, plan->fleet.pools.n + 1);
    for (; plan->n_pools < plan->fleet.pools.n; plan->n_pools++)
        plan_pool(p, plan->fleet.pools.items[plan->n_pools], &plan->pools[plan->n_pools]);
    return 0;
}

int plan_make(Arena *a, const PlanInput *in, Plan **ret, Report *r)
{
    Planner p = {.plan = ARENA_NEW(a, Plan), .arena = a, .in = in, .report = r};
    p.os_image_url = in->os_image_url;
    int k = make(&p);
    map_done(&p.wanted);
    map_done(&p.documents);
    map_done(&p.was_in);
    name_list_done(&p.before);
    *ret = p.plan;
    return k;
}

void plan_free(Plan *p)
{
    if (!p)
        return;
    fleet_done(&p->fleet);
    for (size_t i = 0; i < p->before.n; i++)
        cached_config_free(p->before.items[i]);
    for (size_t i = 0; i < p->n_made; i++)
        cached_config_free(p->made[i]);
    for (size_t k = 0; k < GENERATED_KINDS; k++)
        for (size_t i = 0; i < p->sources[k].n; i++)
            generated_source_free(p->sources[k].items[i]);
    for (size_t i = 0; i < p->n_pools; i++)
        for (size_t k = 0; k < p->pools[i].n_changes; k++)
            report_done(&p->pools[i].changes[k].refused);
    name_list_done(&p->before);
    name_list_done(&p->after);
    name_list_done(&p->sources[0]);
    name_list_done(&p->sources[1]);
    free(p->made);
}
