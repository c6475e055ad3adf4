/* Rules in a table, the cluster's put over it by path, unit or for the keys as a whole; then every difference
 * asks for its actions, and equal actions become one with all who asked. Built in are the cluster defaults of
 * OpenShift 4.17 (nodeDisruptionPolicyStatus.clusterPolicies) and, of ours, chrony, the drop-ins of CRI-O,
 * the journal's and sysctl's. Without a rule a file and a unit ask for a reboot: nobody knows who reads it.
 * Changes of units always reload systemd. Drains come first, then systemd reads its units, then services in
 * the order in which they were asked for. */
#include "machineconfig/disruption.h"

#include <errno.h>
#include <string.h>

#include "machineconfig/registries_change.h"

enum { RULES_MAX = 1024, ACTIONS_MAX = 32 };

typedef struct Rule {
    const char *what; /* path or unit */
    const DisruptionAction *actions;
    size_t n;
} Rule;

typedef struct RuleList {
    Rule *rules;
    size_t n;
} RuleList;

struct DisruptionPolicy {
    RuleList files, units;
    Rule keys;
};

#define CRIO       "crio.service"
#define A(...)     ((const DisruptionAction[]){__VA_ARGS__})
#define NONE       A({DISRUPTION_NONE, NULL}), 1
#define CALLS(k)   A({DISRUPTION_##k, CRIO}), 1
#define REGISTRIES "/etc/containers/registries.conf"
static const DisruptionAction registries_actions[] = {{DISRUPTION_DRAIN, NULL}, {DISRUPTION_RELOAD, CRIO}};
static const Rule built_in_files[] = {
    {"/var/lib/kubelet/config.json", NONE},
    {"/etc/mco/internal-registry-pull-secret.json", NONE},
    {"/etc/nmstate/openshift", NONE},
    {"/etc/machine-config-daemon/no-reboot/containers-gpg.pub", CALLS(RELOAD)},
    {"/etc/containers/policy.json", CALLS(RELOAD)},
    {"/etc/containers/registries.d", CALLS(RELOAD)},
    {"/etc/crio/policies", CALLS(RELOAD)},
    {REGISTRIES, registries_actions, 2},
    {"/etc/containers/registries.conf.d", A({DISRUPTION_DRAIN, NULL}, {DISRUPTION_RELOAD, CRIO}), 2},
    {"/etc/pki/ca-trust/source/anchors/openshift-config-user-ca-bundle.crt",
     A({DISRUPTION_RESTART, "coreos-update-ca-trust.service"}, {DISRUPTION_RESTART, CRIO}), 2},
    {"/etc/crio/crio.conf", A({DISRUPTION_DRAIN, NULL}, {DISRUPTION_RESTART, CRIO}), 2},
    {"/etc/crio/crio.conf.d", A({DISRUPTION_DRAIN, NULL}, {DISRUPTION_RESTART, CRIO}), 2},
    {"/etc/chrony.conf", A({DISRUPTION_RESTART, "chronyd.service"}), 1},
    {"/etc/systemd/journald.conf.d", A({DISRUPTION_RESTART, "systemd-journald.service"}), 1},
    {"/etc/sysctl.d", A({DISRUPTION_RESTART, "systemd-sysctl.service"}), 1},
};
static const Rule built_in_keys = {"", NONE};
static const DisruptionAction reboot = {DISRUPTION_REBOOT, NULL};

static const char *const kind_names[] = {
    [DISRUPTION_NONE] = "None",
    [DISRUPTION_DRAIN] = "Drain",
    [DISRUPTION_DAEMON_RELOAD] = "DaemonReload",
    [DISRUPTION_RELOAD] = "Reload",
    [DISRUPTION_RESTART] = "Restart",
    [DISRUPTION_REBOOT] = "Reboot",
};

const char *disruption_kind_name(DisruptionKind k)
{
    return kind_names[k];
}

/* ---- reading ---- */

static int kind_read(const Node *n, const PathStep *path, DisruptionKind *ret, Report *r)
{
    const char *text = node_string(n);
    for (size_t i = 0; text && i < ELEMENTS(kind_names); i++)
        if (!strcmp(text, kind_names[i])) {
            *ret = (DisruptionKind)i;
            return 0;
        }
    report_add(r, SEVERITY_ERROR, path, n,
               "an action is one of None, Drain, DaemonReload, Reload, Restart, Reboot%s%s",
               text ? ", not " : "", text ? text : "");
    return -EINVAL;
}

static void action_read(const Node *n, const PathStep *path, DisruptionAction *ret, Report *r)
{
    if (kind_read(node_get(n, "type"), PATH_KEY(path, "type"), &ret->kind, r) < 0)
        return;
    const char *member = ret->kind == DISRUPTION_RELOAD    ? "reload"
                         : ret->kind == DISRUPTION_RESTART ? "restart"
                                                           : NULL;
    ret->service = member ? node_string(node_get(node_get(n, member), "serviceName")) : NULL;
    if (member && (!ret->service || !*ret->service || *ret->service == '-' || strchr(ret->service, '/')))
        report_add(r, SEVERITY_ERROR, PATH_KEY(path, member), n, "%s needs %s.serviceName",
                   kind_names[ret->kind], member);
}

static void actions_read(Arena *a, const Node *list, const Node *at, const PathStep *path, Rule *ret,
                         Report *r)
{
    path = PATH_KEY(path, "actions");
    if (!list || list->kind != NODE_ARRAY || !list->n || list->n > ACTIONS_MAX) {
        report_add(r, SEVERITY_ERROR, path, list ? list : at, "expected a list of 1 to %d actions",
                   ACTIONS_MAX);
        return;
    }
    DisruptionAction *actions = ARENA_ARRAY(a, DisruptionAction, list->n);
    size_t i = 0;
    NODE_EACH (n, list) {
        action_read(n, PATH_INDEX(path, i), &actions[i], r);
        if ((actions[i].kind == DISRUPTION_NONE || actions[i].kind == DISRUPTION_REBOOT) && list->n > 1)
            report_add(r, SEVERITY_ERROR, PATH_INDEX(path, i), n, "%s stands alone",
                       kind_names[actions[i].kind]);
        i++;
    }
    ret->actions = actions;
    ret->n = list->n;
}

static void rule_put(RuleList *l, const Rule *rule)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->rules[i].what, rule->what)) {
            l->rules[i] = *rule;
            return;
        }
    l->rules[l->n++] = *rule;
}

static void rules_read(Arena *a, const Node *list, const PathStep *path, const char *key, RuleList *to,
                       Report *r)
{
    size_t i = 0;
    if (!list)
        return;
    if (list->kind != NODE_ARRAY || list->n > RULES_MAX) {
        report_add(r, SEVERITY_ERROR, path, list, "expected a list of at most %d rules", RULES_MAX);
        return;
    }
    NODE_EACH (n, list) {
        const PathStep *at = PATH_INDEX(path, i++);
        Rule rule = {.what = node_string(node_get(n, key))};
        actions_read(a, node_get(n, "actions"), n, at, &rule, r);
        if (!rule.what || !*rule.what || (!strcmp(key, "path") && *rule.what != '/'))
            report_add(r, SEVERITY_ERROR, PATH_KEY(at, key), n, "a rule needs a %s", key);
        else if (rule.n)
            rule_put(to, &rule);
    }
}

int disruption_policy_read(Arena *a, const Node *document, DisruptionPolicy **ret, Report *r)
{
    const size_t before = r->errors;
    const PathStep *path = PATH_KEY(PATH_KEY(NULL, "spec"), "nodeDisruptionPolicy");
    const Node *policy = node_get_path(document, "spec.nodeDisruptionPolicy"),
               *files = node_get(policy, "files"), *units = node_get(policy, "units"),
               *keys = node_get(policy, "sshkey");
    DisruptionPolicy *p = ARENA_NEW(a, DisruptionPolicy);
    const size_t n = files && files->kind == NODE_ARRAY ? files->n : 0,
                 m = units && units->kind == NODE_ARRAY ? units->n : 0;
    p->files.rules = ARENA_ARRAY(a, Rule, ELEMENTS(built_in_files) + (n < RULES_MAX ? n : RULES_MAX));
    p->units.rules = ARENA_ARRAY(a, Rule, 1 + (m < RULES_MAX ? m : RULES_MAX));
    for (size_t i = 0; i < ELEMENTS(built_in_files); i++)
        rule_put(&p->files, &built_in_files[i]);
    rules_read(a, files, PATH_KEY(path, "files"), "path", &p->files, r);
    rules_read(a, units, PATH_KEY(path, "units"), "name", &p->units, r);
    p->keys = built_in_keys;
    if (keys)
        actions_read(a, node_get(keys, "actions"), keys, PATH_KEY(path, "sshkey"), &p->keys, r);
    if (r->errors > before)
        return -EINVAL;
    *ret = p;
    return 0;
}

/* ---- deciding ---- */

typedef struct Decision {
    Arena *arena;
    Disruption *to;
    size_t room, most; /* of entries; of who asks for one */
} Decision;

static DisruptionEntry *entry_find(const Disruption *t, const DisruptionAction *action)
{
    for (size_t i = 0; i < t->n; i++) {
        const DisruptionAction *x = &t->entries[i].action;
        if (x->kind == action->kind && (!x->service || !strcmp(x->service, action->service)))
            return &t->entries[i];
    }
    return NULL;
}

static DisruptionEntry *entry_insert(Decision *d, const DisruptionAction *action, size_t at)
{
    Disruption *t = d->to;
    if (t->n == d->room) {
        DisruptionEntry *old = t->entries;
        d->room = d->room ? 2 * d->room : 8;
        t->entries = ARENA_ARRAY(d->arena, DisruptionEntry, d->room);
        for (size_t i = 0; i < t->n; i++)
            t->entries[i] = old[i];
    }
    memmove(&t->entries[at + 1], &t->entries[at], (t->n - at) * sizeof(*t->entries));
    t->n++;
    t->entries[at] =
        (DisruptionEntry){.action = *action, .asked_by = ARENA_ARRAY(d->arena, const char *, d->most)};
    return &t->entries[at];
}

static void asker_add(DisruptionEntry *entry, const char *who)
{
    for (size_t i = 0; i < entry->n; i++)
        if (!strcmp(entry->asked_by[i], who))
            return;
    entry->asked_by[entry->n++] = who;
}

/* The actions of a rule follow each other as it has them, also where another rule asked for the later ones.
 */
static void ask(Decision *d, const DisruptionAction *actions, size_t n, const char *who)
{
    for (size_t i = 0; i < n; i++) {
        DisruptionEntry *found = entry_find(d->to, &actions[i]);
        size_t at = d->to->n;
        for (size_t k = i + 1; k < n && !found; k++) {
            const DisruptionEntry *later = entry_find(d->to, &actions[k]);
            if (later && (size_t)(later - d->to->entries) < at)
                at = (size_t)(later - d->to->entries);
        }
        asker_add(found ? found : entry_insert(d, &actions[i], at), who);
    }
}

static void ask_rule(Decision *d, const Rule *rule, const char *who)
{
    if (rule)
        ask(d, rule->actions, rule->n, who);
    else
        ask(d, &reboot, 1, who);
}

static const Rule *file_rule(const RuleList *l, const char *path)
{
    const Rule *best = NULL;
    for (size_t i = 0; i < l->n; i++) {
        const char *what = l->rules[i].what;
        size_t n = strlen(what);
        while (n > 1 && what[n - 1] == '/')
            n--;
        bool fits = !strncmp(path, what, n) && (n == 1 || !path[n] || path[n] == '/');
        if (fits && (!best || strlen(best->what) < strlen(what)))
            best = &l->rules[i];
    }
    return best;
}

/* The built-in rule for registries drains only where that is needed; one of the cluster does as it says. */
static bool drain_is_needless(const Rule *rule, const PathChange *c)
{
    if (!rule || strcmp(rule->what, REGISTRIES) || rule->actions != registries_actions)
        return false;
    const ManagedPath *x = c->from, *y = c->to;
    return (!x || x->kind == MANAGED_FILE) && (!y || y->kind == MANAGED_FILE) &&
           registries_change_is_harmless((RegistriesText){x ? x->data : NULL, x ? x->len : 0},
                                         (RegistriesText){y ? y->data : NULL, y ? y->len : 0});
}

static void ask_file(Decision *d, const DisruptionPolicy *p, const PathChange *c, const char *path)
{
    const Rule *rule = file_rule(&p->files, path);
    if (drain_is_needless(rule, c))
        ask(d, &rule->actions[1], 1, path);
    else
        ask_rule(d, rule, path);
}

static const Rule *unit_rule(const RuleList *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (!strcmp(l->rules[i].what, name))
            return &l->rules[i];
    return NULL;
}

static void ask_unit(Decision *d, const DisruptionPolicy *p, const char *unit)
{
    static const DisruptionAction reload = {DISRUPTION_DAEMON_RELOAD, NULL};
    ask(d, &reload, 1, unit);
    ask_rule(d, unit_rule(&p->units, unit), unit);
}

static int rank(DisruptionKind k)
{
    return k == DISRUPTION_RELOAD || k == DISRUPTION_RESTART ? DISRUPTION_RELOAD : (int)k;
}

/* By rank, those of one rank as they came. */
static void put_in_order(Disruption *t)
{
    for (size_t i = 1; i < t->n; i++)
        for (size_t k = i; k > 0 && rank(t->entries[k].action.kind) < rank(t->entries[k - 1].action.kind);
             k--) {
            DisruptionEntry kept = t->entries[k];
            t->entries[k] = t->entries[k - 1];
            t->entries[k - 1] = kept;
        }
}

/* A service that is started anew need not reload before. */
static void merge_reloads(Disruption *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        const DisruptionEntry *e = &t->entries[i];
        DisruptionEntry *restart =
            e->action.kind == DISRUPTION_RELOAD
                ? entry_find(t, &(DisruptionAction){DISRUPTION_RESTART, e->action.service})
                : NULL;
        for (size_t k = 0; restart && k < e->n; k++)
            asker_add(restart, e->asked_by[k]);
    }
    for (size_t i = 0; i < t->n; i++) {
        const DisruptionAction *x = &t->entries[i].action;
        if (x->kind != DISRUPTION_RELOAD ||
            !entry_find(t, &(DisruptionAction){DISRUPTION_RESTART, x->service}))
            t->entries[n++] = t->entries[i];
    }
    t->n = n;
}

/* A reboot does what all the others would. */
static void keep_reboot(Disruption *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        t->drain |= t->entries[i].action.kind == DISRUPTION_DRAIN;
        t->reboot |= t->entries[i].action.kind == DISRUPTION_REBOOT;
    }
    t->drain |= t->reboot;
    for (size_t i = 0; i < t->n && t->reboot; i++)
        if (t->entries[i].action.kind == DISRUPTION_REBOOT || t->entries[i].action.kind == DISRUPTION_NONE)
            t->entries[n++] = t->entries[i];
    if (t->reboot)
        t->n = n;
}

void disruption_decide(Arena *a, const DisruptionPolicy *p, const MachineConfigDiff *diff, Disruption *ret)
{
    *ret = (Disruption){.n = 0};
    Decision d = {.arena = a, .to = ret, .most = diff->n_paths + diff->n_units + 8};
    const struct {
        bool changed;
        const char *who;
    } whole[] = {{diff->os_image.changed, "osImageURL"},
                 {diff->kernel_arguments, "kernelArguments"},
                 {diff->kernel_type.changed, "kernelType"},
                 {diff->extensions, "extensions"}};
    for (size_t i = 0; i < ELEMENTS(whole); i++)
        if (whole[i].changed)
            ask(&d, &reboot, 1, whole[i].who);
    for (size_t i = 0; i < diff->n_paths; i++) {
        const ManagedPath *m = diff->paths[i].to ? diff->paths[i].to : diff->paths[i].from;
        if (m->kind == MANAGED_FILE)
            ask_file(&d, p, &diff->paths[i], m->path);
        else
            ask_unit(&d, p, m->unit);
    }
    for (size_t i = 0; i < diff->n_units; i++)
        ask_unit(&d, p, diff->units[i].name);
    if (diff->keys)
        ask_rule(&d, &p->keys, "ssh keys of " MANAGED_CORE_USER);
    if (diff->password)
        ask_rule(&d, &built_in_keys, "password of " MANAGED_CORE_USER);
    put_in_order(ret);
    merge_reloads(ret);
    keep_reboot(ret);
}
