/* What the API says comes by an informer of one object; what the machine is like is read when it is needed
 * and forgotten. A step is: events in, then touched paths, then one decision and what it asks for. Steps are
 * not interrupted: who ends this waits for the one at hand, and a kill is what the journal is for. */
#include "daemon/node_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/config_file.h"
#include "daemon/drift_watch.h"
#include "daemon/node_agent.h"
#include "daemon/node_verify.h"
#include "kube/informer.h"
#include "kube/kube_event.h"
#include "kube/kube_kind.h"

enum {
    REBOOT_PATIENCE_MS = 600 * 1000,
    FINDINGS_TOLD = 5,
    BEHIND_MS = 10 * 1000, /* what a watch tells so long after a write of ours may be older than its answer */
    QUARREL_MS = 300 * 1000, /* repairs that lie nearer to each other are in a row */
    QUARREL_REPAIRS = 3
};

static const KubeKind machine_configuration = {"operator.openshift.io", "v1", "MachineConfiguration",
                                               "machineconfigurations", false};

struct NodeLoop {
    NodeLoopOptions o;
    const KubeTime *time;
    Arena *arena;
    Informer *informer;
    KubeRecorder *recorder;
    Arena *node_arena; /* of `node` and `self`; made anew with each event */
    AgentNode node;
    Node *self; /* identity alone */
    AgentMachine m;
    char *current, *first, *failed, *failed_why, *difference, *refusal, *error, *planned; /* behind `m` */
    Arena *plan_arena;
    MachineConfigDiff *diff;
    Disruption disruption;
    DriftWatch *drift;
    int64_t wake_at;   /* of the last decision; -1: whenever */
    int64_t api_at;    /* no report before */
    uint64_t answered; /* the revision of the last write's answer */
    int64_t answered_at;
    int64_t reboot_asked;
    unsigned failures, api_failures;
    int64_t repaired_at; /* what is changed and repaired in turns is a quarrel with somebody */
    unsigned repairs;    /* in a row */
};

static void keep(char **slot, const char **view, const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        abort();
    free(*slot);
    *view = *slot = copy;
}

static int64_t now(const NodeLoop *l)
{
    return kube_monotonic_ms(l->time);
}

/* ---- what the API says ---- */

static void node_take(NodeLoop *l, const Node *object)
{
    Arena *a = arena_new();
    const char *topology = kube_annotation(object, NODE_TOPOLOGY),
               *repair = kube_annotation(object, NODE_REPAIR);
    l->node = (AgentNode){.known = true,
                          .desired = arena_strdup(a, kube_annotation(object, NODE_DESIRED)),
                          .current = arena_strdup(a, kube_annotation(object, NODE_CURRENT)),
                          .state = arena_strdup(a, kube_annotation(object, NODE_STATE)),
                          .reason = arena_strdup(a, kube_annotation(object, NODE_REASON)),
                          .desired_drain = arena_strdup(a, kube_annotation(object, NODE_DESIRED_DRAIN)),
                          .last_drain = arena_strdup(a, kube_annotation(object, NODE_LAST_DRAIN)),
                          .single = topology && !strcmp(topology, "SingleReplica"),
                          .repair = repair && !strcmp(repair, "true")};
    l->self = kube_object_new(a, &kube_node, NULL, arena_strdup(a, kube_name(object)));
    node_set_string(a, node_get(l->self, "metadata"), "uid", arena_strdup(a, kube_uid(object)));
    arena_free(l->node_arena);
    l->node_arena = a;
}

static void on_seen(void *context, const Node *object)
{
    NodeLoop *l = context;
    if (kube_revision(object) < l->answered && now(l) < l->answered_at + BEHIND_MS)
        return; /* what is newer is known already, and would be told a second time */
    node_take(l, object);
}

static void on_gone(void *context, const char *namespace _unused_, const char *name _unused_,
                    const Node *last _unused_)
{
    ((NodeLoop *)context)->node = (AgentNode){.known = false};
}

NodeLoop *node_loop_new(const NodeLoopOptions *o)
{
    NodeLoop *l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    l->o = *o;
    l->time = o->time ? o->time : &kube_time;
    l->node_arena = arena_new();
    l->m.waits_since = now(l);
    l->wake_at = -1;
    l->arena = arena_new();
    l->informer = informer_new(
        o->kube, &(InformerOptions){.kind = &kube_node,
                                    .field_selector = arena_printf(l->arena, "metadata.name=%s", o->node),
                                    .handler = {on_seen, on_gone, NULL, l},
                                    .time = o->time});
    l->recorder = kube_recorder_new(o->kube, "machineconfigdaemon", o->node, o->time);
    return l;
}

void node_loop_free(NodeLoop *l)
{
    if (!l)
        return;
    informer_free(l->informer);
    kube_recorder_free(l->recorder);
    drift_watch_free(l->drift);
    arena_free(l->arena);
    arena_free(l->node_arena);
    arena_free(l->plan_arena);
    char *texts[] = {l->current,    l->first,   l->failed, l->failed_why,
                     l->difference, l->refusal, l->error,  l->planned};
    for (size_t i = 0; i < ELEMENTS(texts); i++)
        free(texts[i]);
    free(l);
}

static void tell(NodeLoop *l, bool warning, const char *reason, const char *message)
{
    if (warning)
        log_warning("%s: %s", reason, message);
    else
        log_info("%s: %s", reason, message);
    if (l->self)
        (void)kube_record(l->recorder, &(KubeOccurrence){l->self, warning, reason, message}, NULL);
}

/* ---- steps ---- */

static int do_report(NodeLoop *l, const AgentStep *s, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *body = node_new(a, NODE_OBJECT), *meta = node_set(a, body, "metadata", node_new(a, NODE_OBJECT)),
         *list = node_set(a, meta, "annotations", node_new(a, NODE_OBJECT));
    node_set_string(a, list, NODE_STATE, s->state);
    node_set_string(a, list, NODE_REASON, s->reason);
    node_set_string(a, list, NODE_CURRENT, s->current);
    node_set_string(a, list, NODE_DESIRED, s->desired);
    node_set_string(a, list, NODE_DESIRED_DRAIN, s->desired_drain);
    KubeAnswer answer;
    int r = kube_call(l->o.kube,
                      &(KubeRequest){.verb = KUBE_PATCH, .kind = &kube_node, .name = l->o.node, .body = body},
                      a, &answer, e);
    if (r < 0)
        return error_wrap(e, r, "writing the annotations of node %s", l->o.node);
    if (s->state)
        log_info("state %s%s%s", s->state, s->reason && *s->reason ? ": " : "", s->reason ? s->reason : "");
    if (s->desired_drain)
        l->m.waits_since = now(l);
    l->answered = kube_revision(answer.object);
    l->answered_at = now(l);
    node_take(l, answer.object);
    return 0;
}

/* What is on the disk about itself. */
static int read_records(NodeLoop *l, Arena *a, Error *e)
{
    const Machine *m = l->o.machine;
    MachineConfig *mc = NULL;
    FailedConfig failed;
    Node *annotations = NULL;
    Error own = ERROR_INIT;
    int r = config_file_current(a, m->root, &mc, e);
    if (r >= 0)
        r = node_apply_failed(m, a, &failed, e);
    if (r < 0)
        return r;
    keep(&l->current, &l->m.current, mc ? mc->name : NULL);
    keep(&l->failed, &l->m.failed, failed.config);
    keep(&l->failed_why, &l->m.failed_why, failed.why);
    l->m.reboot |= failed.reboot;
    r = mc ? 0 : config_file_json(a, m->root, FIRST_ANNOTATIONS, &annotations, &own);
    if (r < 0 && r != -ENOENT)
        return error_set(e, -r, "%s", own.text);
    keep(&l->first, &l->m.first, annotations ? node_string(node_get(annotations, NODE_CURRENT)) : NULL);
    return 0;
}

static int do_settle(NodeLoop *l, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    SettleResult result;
    const char *why;
    int r = node_apply_settle(l->o.machine, a, &result, &why, e);
    if (r < 0)
        return r;
    if (result == SETTLE_WENT_BACK || result == SETTLE_OS_FAILED)
        log_warning("%s", why);
    l->m.reboot = result == SETTLE_REBOOT;
    r = read_records(l, a, e);
    l->m.settled = r >= 0;
    l->m.check = AGENT_UNCHECKED;
    return r;
}

static int get(NodeLoop *l, Arena *a, const KubeKind *kind, const char *name, Node **ret, Error *e)
{
    KubeAnswer answer;
    int r = kube_call(l->o.kube, &(KubeRequest){.verb = KUBE_GET, .kind = kind, .name = name}, a, &answer, e);
    if (r >= 0)
        *ret = answer.object;
    return r < 0 ? error_wrap(e, r, "%s %s", kind->kind, name) : 0;
}

static int rename_first(const NodeLoop *l)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = root_open_parent(l->o.machine->root, FIRST_ANNOTATIONS, false, 0, &name);
    return dir < 0 ? dir : renameat(dir, name, dir, "node-annotations.json.bak") < 0 ? -errno : dir_sync(dir);
}

static int do_adopt(NodeLoop *l, const char *config, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    Node *object;
    MachineConfig *mc;
    MachineConfigDiff *d;
    Disruption nothing = {.n = 0};
    int r = get(l, a, &kube_machine_config, config, &object, e);
    if (r >= 0)
        r = config_from_node(a, object, &mc, e);
    if (r < 0)
        return r;
    (void)machine_config_diff(a, mc, mc, &d, &report); /* no difference: only the record is made */
    r = node_apply(l->o.machine, a, d, &nothing, e);
    if (r < 0)
        return r;
    (void)rename_first(l);
    keep(&l->current, &l->m.current, config);
    keep(&l->first, &l->m.first, NULL);
    l->m.check = AGENT_UNCHECKED;
    return 0;
}

/* ---- verifying ---- */

static bool take_force(const NodeLoop *l)
{
    _cleanup_free_ char *name = NULL;
    _cleanup_close_ int dir = root_open_parent(l->o.machine->root, FORCE_FILE, false, 0, &name);
    return dir >= 0 && unlinkat(dir, name, 0) == 0;
}

static const char *findings_text(Arena *a, const Report *r)
{
    const char *text = "";
    for (size_t i = 0; i < r->n && i < FINDINGS_TOLD; i++)
        text = arena_printf(a, "%s%s%s", text, i ? "; " : "", r->entries[i].message);
    return r->n > FINDINGS_TOLD ? arena_printf(a, "%s; and %zu more", text, r->n - FINDINGS_TOLD) : text;
}

static int watch_anew(NodeLoop *l, Arena *a, const MachineConfig *mc, Error *e)
{
    const char **paths;
    size_t n;
    int r = node_verify_paths(l->o.machine, a, mc, &paths, &n, e);
    drift_watch_free(TAKE_PTR(l->drift));
    return r < 0 ? r : drift_watch_new(l->o.machine->root, paths, n, &l->drift, e);
}

static bool repair_has_any(const NodeRepair *x)
{
    return x->n_paths || x->n_units || x->keys || x->password;
}

/* All of it, or what was touched. */
static int verify(NodeLoop *l, const VerifyScope *scope, bool repair, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    MachineConfig *mc;
    NodeRepair what;
    int r = config_file_current(a, l->o.machine->root, &mc, e);
    if (r >= 0 && !mc)
        r = error_set(e, ENOENT, "%s is gone", CURRENT_CONFIG);
    if (r >= 0 && !scope) /* before the look, so that nothing is missed after it */
        r = watch_anew(l, a, mc, e);
    if (r >= 0)
        r = node_verify(l->o.machine, a, mc, scope, &report, &what, e);
    if (r < 0)
        return r;
    if (repair && repair_has_any(&what)) {
        l->repairs = l->repaired_at && now(l) < l->repaired_at + QUARREL_MS ? l->repairs + 1 : 0;
        l->repaired_at = now(l);
        tell(l, false, "ConfigDriftRepaired", findings_text(a, &report));
        drift_watch_free(TAKE_PTR(l->drift));
        r = node_apply_repair(l->o.machine, a, mc, &what, e);
        l->m.check = AGENT_UNCHECKED;
        return r >= 0 && l->repairs >= QUARREL_REPAIRS
                   ? error_set(e, EAGAIN, "changed again and again, and repaired: %s",
                               findings_text(a, &report))
                   : r;
    }
    const AgentCheck was = l->m.check;
    if (scope && !report.n)
        return 0; /* what else differs, still differs */
    l->m.check = report.n ? AGENT_DIFFERENT : AGENT_GOOD;
    l->m.repairable = repair_has_any(&what);
    keep(&l->difference, &l->m.difference, report.n ? findings_text(a, &report) : NULL);
    if (report.n && was != AGENT_DIFFERENT)
        tell(l, true, "ConfigDriftDetected", l->difference);
    return 0;
}

static int do_verify(NodeLoop *l, bool repair, Error *e)
{
    if (take_force(l)) {
        repair = true;
        (void)node_apply_forget_failed(l->o.machine, NULL);
        keep(&l->failed, &l->m.failed, NULL);
    }
    return verify(l, NULL, repair, e);
}

/* ---- planning and applying ---- */

static void plan_forget(NodeLoop *l)
{
    l->m.plan = AGENT_UNPLANNED;
    l->diff = NULL;
}

static int policy_read(NodeLoop *l, Arena *a, DisruptionPolicy **ret, Error *e)
{
    _cleanup_report_ Report report = REPORT_INIT(a);
    Node *object = NULL;
    Error own = ERROR_INIT;
    int r = get(l, a, &machine_configuration, "cluster", &object, &own);
    if (r == -EACCES) /* a cluster whose roles are older than this program has no such policy */
        log_warning("%s", own.text);
    else if (r < 0 && r != -ENOENT)
        return error_set(e, -r, "%s", own.text);
    if (disruption_policy_read(a, object, ret, &report) < 0) {
        log_warning("the cluster's node disruption policy is not used: %s", report.entries[0].message);
        return disruption_policy_read(a, NULL, ret, &report);
    }
    return 0;
}

static void refuse(NodeLoop *l, const char *text)
{
    l->m.plan = AGENT_REFUSED;
    keep(&l->refusal, &l->m.refusal, text);
}

static int do_plan(NodeLoop *l, const char *config, Error *e)
{
    Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    Node *object;
    MachineConfig *from = NULL, *to;
    DisruptionPolicy *policy;
    Error own = ERROR_INIT;
    arena_free(l->plan_arena);
    l->plan_arena = a;
    plan_forget(l);
    keep(&l->planned, &l->m.planned, config);
    int r = get(l, a, &kube_machine_config, config, &object, e);
    if (r >= 0)
        r = config_file_current(a, l->o.machine->root, &from, e);
    if (r >= 0)
        r = policy_read(l, a, &policy, e);
    if (r < 0)
        return r;
    if (config_from_node(a, object, &to, &own) < 0) {
        refuse(l, own.text);
        return 0;
    }
    (void)machine_config_diff(a, from, to, &l->diff, &report);
    (void)node_apply_check(l->diff, &report);
    if (report.errors) {
        refuse(l, findings_text(a, &report));
        return 0;
    }
    disruption_decide(a, policy, l->diff, &l->disruption);
    l->m.drain = l->disruption.drain;
    l->m.plan = AGENT_PLANNED;
    return 0;
}

static int do_apply(NodeLoop *l, const char *config, Error *e)
{
    if (!l->diff)
        return do_plan(l, config, e);
    drift_watch_free(TAKE_PTR(l->drift)); /* what is written now is no drift */
    log_info("applying %s%s", config, l->disruption.reboot ? ", with a reboot" : "");
    int r = node_apply(l->o.machine, l->plan_arena, l->diff, &l->disruption, e);
    plan_forget(l);
    arena_free(l->plan_arena);
    l->plan_arena = NULL;
    l->m.check = AGENT_UNCHECKED;
    if (r < 0) {
        l->m.settled = false; /* where going back failed, too, that comes first */
        return r;
    }
    l->m.reboot = r > 0;
    keep(&l->current, &l->m.current, config);
    (void)node_apply_forget_failed(l->o.machine, NULL);
    return 0;
}

static int do_reboot(NodeLoop *l, Error *e)
{
    static const DisruptionAction reboot = {DISRUPTION_REBOOT, NULL};
    if (l->o.skip_reboot)
        return error_set(e, ECANCELED, "the machine is to be started anew");
    if (l->reboot_asked)
        return error_set(e, ETIME, "the reboot was asked for, but it did not come");
    tell(l, false, "Reboot", "the node reboots into its new config");
    int r = l->o.machine->services->act(l->o.machine->services->context, &reboot, e);
    if (r >= 0) {
        l->reboot_asked = now(l);
        l->wake_at = l->reboot_asked + REBOOT_PATIENCE_MS;
    }
    return r;
}

/* ---- the loop ---- */

static int carry_out(NodeLoop *l, const AgentStep *s, Error *e)
{
    switch (s->action) {
    case AGENT_SETTLE:
        return do_settle(l, e);
    case AGENT_ADOPT:
        return do_adopt(l, s->config, e);
    case AGENT_VERIFY:
        return do_verify(l, false, e);
    case AGENT_REPAIR:
        return do_verify(l, true, e);
    case AGENT_MAKE_PLAN:
        return do_plan(l, s->config, e);
    case AGENT_APPLY:
        return do_apply(l, s->config, e);
    case AGENT_REBOOT:
        return do_reboot(l, e);
    default:
        return 0;
    }
}

static int report_step(NodeLoop *l, const AgentStep *s)
{
    Error e = ERROR_INIT;
    if (now(l) < l->api_at) {
        l->wake_at = l->api_at;
        return 0;
    }
    if (do_report(l, s, &e) >= 0) {
        l->api_failures = 0;
        return 1;
    }
    log_warning("%s", e.text);
    l->api_at = l->wake_at = now(l) + agent_retry_ms(++l->api_failures);
    return 0;
}

/* Paths that were touched, once they are quiet. */
static int drift_step(NodeLoop *l)
{
    Error e = ERROR_INIT;
    int r = l->drift ? drift_watch_read(l->drift, &e) : 0;
    if (r >= 0 && l->drift && drift_watch_timeout_ms(l->drift) == 0) {
        _cleanup_arena_ Arena *a = arena_new();
        const char **paths;
        VerifyScope scope = {.n = drift_watch_take(l->drift, a, &paths)};
        scope.paths = paths;
        /* What was told must also be noticed to be gone: then all of it is looked at. */
        r = l->m.check == AGENT_DIFFERENT ? (l->m.check = AGENT_UNCHECKED, 0) : verify(l, &scope, false, &e);
        malloc_trim(0);
    }
    if (r < 0) {
        log_warning("%s", e.text);
        l->m.check = AGENT_UNCHECKED;
    }
    return r;
}

int node_loop_step(NodeLoop *l, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    AgentStep s;
    Error own = ERROR_INIT;
    if (informer_step(l->informer, &own) < 0)
        log_warning("%s", own.text);
    if (l->reboot_asked && now(l) < l->reboot_asked + REBOOT_PATIENCE_MS)
        return 0;
    (void)drift_step(l);
    l->m.now = now(l);
    agent_next(a, &l->node, &l->m, &s);
    l->wake_at = s.until;
    if (s.action == AGENT_WAIT)
        return 0;
    if (s.action == AGENT_REPORT)
        return report_step(l, &s);
    own = ERROR_INIT;
    int r = carry_out(l, &s, &own);
    malloc_trim(0);
    if (r == -ECANCELED && l->o.skip_reboot && s.action == AGENT_REBOOT)
        return error_set(e, ECANCELED, "%s", own.text);
    if (r < 0) {
        log_warning("%s", own.text);
        keep(&l->error, &l->m.error, own.text);
        l->failures++;
        l->m.retry_at = now(l) + agent_retry_ms(l->failures > l->repairs ? l->failures : l->repairs);
        l->reboot_asked = 0;
    } else if (s.action != AGENT_SETTLE && s.action != AGENT_MAKE_PLAN) { /* what went wrong went well */
        keep(&l->error, &l->m.error, NULL);
        l->failures = 0;
    }
    return 1;
}

static void sooner(int *ms, int other)
{
    if (other >= 0 && (*ms < 0 || other < *ms))
        *ms = other;
}

int node_loop_timeout_ms(NodeLoop *l)
{
    int ms = -1;
    int64_t left = l->wake_at - now(l);
    if (l->wake_at >= 0)
        ms = left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left;
    sooner(&ms, informer_timeout_ms(l->informer));
    sooner(&ms, kube_timeout_ms(l->o.kube));
    if (l->drift)
        sooner(&ms, drift_watch_timeout_ms(l->drift));
    return ms;
}

int node_loop_drift_fd(const NodeLoop *l)
{
    return l->drift ? drift_watch_fd(l->drift) : -EBADF;
}
