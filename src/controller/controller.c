/* Informers tell what there is; what they tell is kept in the fleet and the caches, and marks what is due.
 * Nothing is decided before every kind has been listed once: half a picture would move the wrong nodes. Order
 * of a step: what the API has; configs that are made out of others; pools; drains; garbage. */
#include "controller/controller.h"

#include <stdarg.h>
#include <string.h>

#include "controller/controller_state.h"
#include "fleet/pool_render.h"

int64_t controller_now(const Controller *c)
{
    return kube_monotonic_ms(c->time);
}

void controller_log(const Controller *c, const char *format, ...)
{
    va_list args;
    char line[1024];
    if (!c->o.log)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    c->o.log(c->o.context, line);
}

void controller_event(Controller *c, const Node *object, bool warning, const char *reason, const char *format,
                      ...)
{
    va_list args;
    char message[KUBE_EVENT_MESSAGE_MAX];
    Error e = ERROR_INIT;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    controller_log(c, "%s: %s", reason, message);
    KubeOccurrence o = {.object = object, .warning = warning, .reason = reason, .message = message};
    if (kube_record(c->recorder, &o, &e) < 0)
        controller_log(c, "an event was not stored: %s", e.text);
}

Node *controller_node_object(Arena *a, const FleetNode *n)
{
    Node *object = kube_object_new(a, &kube_node, NULL, n->name);
    node_set_string(a, node_get(object, "metadata"), "uid", n->uid);
    return object;
}

void controller_wake_at(Controller *c, int64_t when)
{
    if (c->wake < 0 || when < c->wake)
        c->wake = when;
}

int controller_call(Controller *c, const KubeRequest *q, Arena *a, KubeAnswer *ret, const char *what)
{
    Error e = ERROR_INIT;
    int r = kube_call(c->o.kube, q, a, ret, &e);
    if (r < 0 && r != -ESTALE)
        controller_log(c, "%s: %s", what, e.text);
    if (r < 0 && q->verb != KUBE_GET && q->verb != KUBE_LIST && ret->status.code == 0)
        c->unsure = true;
    return r;
}

/* ---- what is there ---- */

enum { BEHIND_MS = 10 * 1000 }; /* so far a watch may be behind the answers to our own writes */

/* Older than what is known? Taken in, it would show as undone what was just done, until the watch tells of
 * it, too. No longer than a watch may be behind: an API that was restored has older objects for good. */
static bool is_behind(const Controller *c, const Answered *a, const Node *object)
{
    return kube_revision(object) < a->revision && controller_now(c) < a->at + BEHIND_MS;
}

static Answered answered_by(const Controller *c, const Node *object)
{
    return (Answered){kube_revision(object), controller_now(c)};
}

static FleetPool *see_pool(Controller *c, const Node *object)
{
    FleetPool *p = fleet_pool_seen(&c->fleet, object);
    if (p->render_due && !p->times.changed)
        p->times.changed = p->times.changed_first = controller_now(c);
    c->sources_changed |= p->render_due;
    return p;
}

void controller_pool_seen(Controller *c, const Node *object)
{
    see_pool(c, object)->answered = answered_by(c, object);
}

static void pool_seen(void *context, const Node *object)
{
    Controller *c = context;
    const FleetPool *p = kube_name(object) ? name_list_get(&c->fleet.pools, kube_name(object)) : NULL;
    if (!p || !is_behind(c, &p->answered, object))
        (void)see_pool(c, object);
}

static void pool_gone(void *context, const char *namespace _unused_, const char *name,
                      const Node *last _unused_)
{
    Controller *c = context;
    fleet_pool_gone(&c->fleet, name);
}

static void config_changed(Controller *c, const CachedConfig *former, const CachedConfig *now)
{
    int64_t when = controller_now(c);
    for (size_t i = 0; i < c->fleet.pools.n; i++) {
        FleetPool *p = c->fleet.pools.items[i];
        if (!pool_render_concerned(p, former, now))
            continue;
        p->render_due = true;
        p->times.changed = when;
        if (!p->times.changed_first)
            p->times.changed_first = when;
        c->sources_changed = true;
    }
}

void controller_config_seen(Controller *c, const Node *object)
{
    CachedConfig *now = cached_config_new(object);
    _cleanup_(cached_config_freep)
    CachedConfig *former = name_list_put(&c->configs, now);
    config_changed(c, former, now);
}

void controller_config_gone(Controller *c, const char *name)
{
    _cleanup_(cached_config_freep)
    CachedConfig *former = name_list_take(&c->configs, name);
    config_changed(c, former, NULL);
}

static void config_seen(void *context, const Node *object)
{
    controller_config_seen(context, object);
}

static void config_gone(void *context, const char *namespace _unused_, const char *name,
                        const Node *last _unused_)
{
    controller_config_gone(context, name);
}

static void source_seen(Controller *c, GeneratedKind kind, const Node *object)
{
    GeneratedSource *s = generated_source_new(kind, object);
    if (s->error)
        controller_log(c, "%s %s: %s", node_string(node_get(object, "kind")), s->name, s->error);
    generated_source_free(name_list_put(&c->sources[kind], s));
    c->sources_changed = true;
}

static void kubelet_config_seen(void *context, const Node *object)
{
    source_seen(context, GENERATED_KUBELET, object);
}

static void runtime_config_seen(void *context, const Node *object)
{
    source_seen(context, GENERATED_CONTAINER_RUNTIME, object);
}

static void source_gone(Controller *c, GeneratedKind kind, const char *name)
{
    generated_source_free(name_list_take(&c->sources[kind], name));
    c->sources_changed = true;
}

static void kubelet_config_gone(void *context, const char *namespace _unused_, const char *name,
                                const Node *last _unused_)
{
    source_gone(context, GENERATED_KUBELET, name);
}

static void runtime_config_gone(void *context, const char *namespace _unused_, const char *name,
                                const Node *last _unused_)
{
    source_gone(context, GENERATED_CONTAINER_RUNTIME, name);
}

/* One that cannot be read changes nothing: what follows from the former one stays. */
static void cluster_seen(void *context, const Node *object)
{
    Controller *c = context;
    Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    ControllerConfig cluster;
    if (strcmp(kube_name(object), controller_config_name) != 0 ||
        controller_config_read(a, node_copy(a, object), &cluster, &r) < 0) {
        if (r.errors)
            controller_log(c, "ControllerConfig %s: %s", kube_name(object), report_first_error(&r));
        arena_free(a);
        return;
    }
    arena_free(c->cluster_arena);
    c->cluster_arena = a;
    c->cluster = cluster;
    if (c->installed != kube_created(object))
        csr_sync_again(c);
    c->installed = kube_created(object);
    c->sources_changed = true;
    for (size_t i = 0; i < c->fleet.pools.n; i++)
        ((FleetPool *)c->fleet.pools.items[i])->render_due = true; /* the OS image is said here */
}

static void cluster_gone(void *context _unused_, const char *namespace _unused_, const char *name _unused_,
                         const Node *last _unused_)
{
}

static FleetNode *see_node(Controller *c, const Node *object)
{
    FleetNode *n;
    if (fleet_node_seen(&c->fleet, object, &n) && n->no_pool && c->active) {
        _cleanup_arena_ Arena *a = arena_new();
        controller_event(c, controller_node_object(a, n), true, "NodeInTwoPools", "%s", n->no_pool);
    }
    drain_asked(c, n);
    return n;
}

void controller_node_seen(Controller *c, const Node *object)
{
    if (kube_name(object))
        see_node(c, object)->answered = answered_by(c, object);
}

static void node_seen(void *context, const Node *object)
{
    Controller *c = context;
    const FleetNode *n = kube_name(object) ? name_list_get(&c->fleet.nodes, kube_name(object)) : NULL;
    if (kube_name(object) && (!n || !is_behind(c, &n->answered, object)))
        (void)see_node(c, object);
}

static void node_gone(void *context, const char *namespace _unused_, const char *name,
                      const Node *last _unused_)
{
    Controller *c = context;
    fleet_node_gone(&c->fleet, name);
}

static void csr_seen(void *context, const Node *object)
{
    controller_csr_seen(context, object);
}

static void csr_gone(void *context, const char *namespace _unused_, const char *name,
                     const Node *last _unused_)
{
    controller_csr_gone(context, name);
}

static const struct {
    const KubeKind *kind;
    void (*seen)(void *context, const Node *object);
    void (*gone)(void *context, const char *namespace, const char *name, const Node *last);
} watched[WATCHED_KINDS] = {
    [WATCHED_POOLS] = {&kube_machine_config_pool, pool_seen, pool_gone},
    [WATCHED_CONFIGS] = {&kube_machine_config, config_seen, config_gone},
    [WATCHED_KUBELET_CONFIGS] = {&kube_kubelet_config, kubelet_config_seen, kubelet_config_gone},
    [WATCHED_RUNTIME_CONFIGS] = {&kube_container_runtime_config, runtime_config_seen, runtime_config_gone},
    [WATCHED_CLUSTER] = {&kube_controller_config, cluster_seen, cluster_gone},
    [WATCHED_NODES] = {&kube_node, node_seen, node_gone},
    [WATCHED_CSRS] = {&kube_certificate_signing_request, csr_seen, csr_gone},
};

static void start_informer(Controller *c, Watched w)
{
    c->informers[w] = informer_new(
        c->o.kube,
        &(InformerOptions){.kind = watched[w].kind,
                           .page = w == WATCHED_CONFIGS ? 20 : 0, /* they are large */
                           .handler = {.seen = watched[w].seen, .gone = watched[w].gone, .context = c},
                           .time = c->time});
}

/* ---- steps ---- */

/* True when what is known can be acted on. */
static bool look(Controller *c)
{
    bool whole = true;
    for (Watched w = 0; w < WATCHED_KINDS; w++) {
        Error e = ERROR_INIT;
        if (w == WATCHED_NODES && !informer_synced(c->informers[WATCHED_POOLS]))
            return false;
        int r = informer_step(c->informers[w], &e);
        if (r < 0 && !c->failing[w]) /* told once, and waited out */
            controller_log(c, "%s", e.text);
        c->failing[w] = r < 0 || (c->failing[w] && !informer_synced(c->informers[w]));
        whole = whole && (w == WATCHED_CSRS || informer_synced(c->informers[w]));
        if (w == WATCHED_POOLS && c->fleet.list_nodes_again) {
            c->fleet.list_nodes_again = false;
            informer_list_again(c->informers[WATCHED_NODES], true);
        }
    }
    return whole;
}

/* A watch may be behind, and nobody can tell: whoever begins to act, or does not know what came of an act,
 * asks for the whole. Acting on an older picture would take more nodes away than is allowed. */
static void look_again(Controller *c)
{
    informer_list_again(c->informers[WATCHED_POOLS], false);
    informer_list_again(c->informers[WATCHED_NODES], false);
    c->unsure = false;
    controller_wake_at(c, controller_now(c));
}

void controller_step(Controller *c, bool active)
{
    c->wake = -1;
    if (c->unsure || (active && !c->active))
        look_again(c);
    c->active = active;
    if (!look(c) || !active)
        return;
    source_sync(c);
    for (size_t i = 0; i < c->fleet.pools.n && !c->unsure; i++)
        pool_sync(c, c->fleet.pools.items[i]);
    if (!c->unsure)
        drain_sync(c);
    if (informer_synced(c->informers[WATCHED_CSRS]))
        csr_sync(c);
    garbage_sync(c);
    if (c->unsure)
        controller_wake_at(c, controller_now(c));
}

int controller_timeout_ms(const Controller *c)
{
    int64_t now = controller_now(c), ms = c->wake < 0 ? -1 : c->wake > now ? c->wake - now : 0;
    for (Watched w = 0; w < WATCHED_KINDS; w++) {
        int t = informer_timeout_ms(c->informers[w]);
        if (t >= 0 && (ms < 0 || t < ms))
            ms = t;
    }
    return (int)ms;
}

Controller *controller_new(const ControllerOptions *o)
{
    Controller *c = calloc(1, sizeof(*c));
    if (!c)
        abort();
    c->o = *o;
    c->time = o->time ? o->time : &kube_time;
    c->wake = -1;
    c->recorder = kube_recorder_new(o->kube, "machine-config-controller", o->node, c->time);
    for (Watched w = 0; w < WATCHED_KINDS; w++)
        start_informer(c, w);
    return c;
}

void controller_free(Controller *c)
{
    if (!c)
        return;
    for (Watched w = 0; w < WATCHED_KINDS; w++)
        informer_free(c->informers[w]);
    for (size_t k = 0; k < GENERATED_KINDS; k++) {
        for (size_t i = 0; i < c->sources[k].n; i++)
            generated_source_free(c->sources[k].items[i]);
        name_list_done(&c->sources[k]);
    }
    drain_sync_done(c);
    kube_recorder_free(c->recorder);
    csr_sync_done(c);
    config_cache_done(&c->configs);
    fleet_done(&c->fleet);
    arena_free(c->cluster_arena);
    free(c);
}
