/* bench-fleet-nodes create KUBECONFIG FIRST N
 * bench-fleet-nodes run KUBECONFIG FIRST N CONFIG [shared-watch] [shared-calls] [drain] [reboot]
 *
 * N nodes of a fleet without machines. Each has what a daemon has of the API: a client of its own (a
 * connection for calls, another for its watch), an informer of its own Node, and node_agent.h, which decides.
 * What it decides is done to no machine, in no time, and has always worked. `shared-watch`: one watch of all
 * nodes for the process; `shared-calls`: one connection for all their calls. CONFIG is what the nodes have at
 * first.
 *
 * Says "ready N" when all of them have reported; then, for "mark" on its standard input, forgets what it has
 * counted, and for "stats" prints a line of JSON. Ends with its standard input. */
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "daemon/node_agent.h"
#include "format/json.h"
#include "kube/informer.h"
#include "kube/kube_event.h"
#include "kube/kube_http.h"
#include "kube/kube_kind.h"

enum { SWEEP_MS = 100, SWEPT_MAX = 8, EVENTS = 64, STEPS_MAX = 64, IMAGES = 50 };

static const KubeKind machine_configuration = {"operator.openshift.io", "v1", "MachineConfiguration",
                                               "machineconfigurations", false};

/* ---- a client that counts ---- */

typedef struct Counts {
    unsigned calls[KUBE_DELETE + 1], watches, refused;
    int64_t first_told, last_done; /* CLOCK_MONOTONIC, in microseconds; 0: not yet */
    unsigned done;
} Counts;

static Counts counts;

typedef struct CountedKube {
    Kube base; /* first */
    Kube *inner;
} CountedKube;

static int counted_call(Kube *k, const KubeRequest *q, Arena *a, KubeAnswer *ret, Error *e)
{
    counts.calls[q->verb]++;
    int r = kube_call(((CountedKube *)k)->inner, q, a, ret, e);
    counts.refused += r < 0 && r != -ENOENT;
    return r;
}

static int counted_watch(Kube *k, const KubeRequest *q, KubeWatch **ret, Error *e)
{
    counts.watches++;
    return kube_watch(((CountedKube *)k)->inner, q, ret, e);
}

static int counted_fd(const Kube *k)
{
    return kube_fd(((const CountedKube *)k)->inner);
}

static int counted_timeout_ms(Kube *k)
{
    return kube_timeout_ms(((CountedKube *)k)->inner);
}

static void counted_free(Kube *k)
{
    kube_free(((CountedKube *)k)->inner);
    free(k);
}

static const KubeBackend counted = {.call = counted_call,
                                    .watch = counted_watch,
                                    .fd = counted_fd,
                                    .timeout_ms = counted_timeout_ms,
                                    .free = counted_free};

static Kube *client_new(const KubeConfig *config)
{
    CountedKube *k = calloc(1, sizeof(*k));
    Error e = ERROR_INIT;
    if (!k)
        abort();
    k->base.backend = &counted;
    if (kube_http_new(config, &(KubeHttpOptions){.agent = "machine-config-daemon", .timeout_ms = 120000},
                      &k->inner, &e) < 0) {
        fprintf(stderr, "bench-fleet-nodes: %s\n", e.text);
        exit(1);
    }
    return &k->base;
}

/* ---- nodes ---- */

typedef struct Fleet Fleet;

typedef struct SimNode {
    Fleet *fleet;
    char name[16], selector[40];
    Kube *kube, *calls; /* of its watch, of its calls; one and the same unless they are shared */
    Informer *informer; /* NULL: the fleet's */
    Arena *arena;       /* of `node` */
    AgentNode node;
    Node *self;
    AgentMachine m;
    char *current, *planned;
    uint64_t answered; /* what its watch tells and is older is known already */
    bool told, seen;
} SimNode;

struct Fleet {
    KubeConfig config;
    Kube *calls;        /* of all; NULL: each has its own */
    Informer *informer; /* of all; NULL: each has its own */
    Kube *watching;
    SimNode *nodes;
    unsigned first, n, swept;
    bool drain, reboot;
    int epoll;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void keep(char **slot, const char **view, const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    free(*slot);
    *view = *slot = copy;
}

static bool same(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

static void node_take(SimNode *n, const Node *object)
{
    Arena *a = arena_new();
    n->node = (AgentNode){.known = true,
                          .desired = arena_strdup(a, kube_annotation(object, NODE_DESIRED)),
                          .current = arena_strdup(a, kube_annotation(object, NODE_CURRENT)),
                          .state = arena_strdup(a, kube_annotation(object, NODE_STATE)),
                          .reason = arena_strdup(a, kube_annotation(object, NODE_REASON)),
                          .desired_drain = arena_strdup(a, kube_annotation(object, NODE_DESIRED_DRAIN)),
                          .last_drain = arena_strdup(a, kube_annotation(object, NODE_LAST_DRAIN))};
    n->self = kube_object_new(a, &kube_node, NULL, arena_strdup(a, kube_name(object)));
    arena_free(n->arena);
    n->arena = a;
    if (n->node.desired && !same(n->node.desired, n->m.current) && !n->told) {
        n->told = true;
        if (!counts.first_told)
            counts.first_told = now_us();
    }
}

static void on_seen(void *context, const Node *object)
{
    SimNode *n = context;
    n->seen = true;
    if (kube_revision(object) >= n->answered)
        node_take(n, object);
}

static void on_any_seen(void *context, const Node *object)
{
    Fleet *f = context;
    const char *dash = strrchr(kube_name(object), '-');
    unsigned long i = dash ? strtoul(dash + 1, NULL, 10) : 0;
    if (i >= f->first && i < f->first + f->n)
        on_seen(&f->nodes[i - f->first], object);
}

static void on_gone(void *context, const char *namespace, const char *name, const Node *last)
{
    (void)context;
    (void)namespace;
    (void)last;
    fprintf(stderr, "bench-fleet-nodes: %s is gone\n", name);
}

static void node_watch(SimNode *n)
{
    n->informer = informer_new(
        n->kube, &(InformerOptions){.kind = &kube_node,
                                    .field_selector = n->selector,
                                    .handler = {.seen = on_seen, .gone = on_gone, .context = n}});
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = n};
    (void)epoll_ctl(n->fleet->epoll, EPOLL_CTL_ADD, kube_fd(n->kube), &event);
}

static void node_begin(Fleet *f, unsigned i, const char *config)
{
    SimNode *n = &f->nodes[i];
    n->fleet = f;
    snprintf(n->name, sizeof(n->name), "node-%05u", f->first + i);
    snprintf(n->selector, sizeof(n->selector), "metadata.name=%s", n->name);
    keep(&n->current, &n->m.current, config);
    n->kube = f->informer && f->calls ? NULL : client_new(&f->config);
    n->calls = f->calls ? f->calls : n->kube;
    if (!f->informer)
        node_watch(n);
}

/* ---- what it does ---- */

static int get(SimNode *n, const KubeKind *kind, const char *name)
{
    _cleanup_arena_ Arena *a = arena_new();
    KubeAnswer answer;
    return kube_call(n->calls, &(KubeRequest){.verb = KUBE_GET, .kind = kind, .name = name}, a, &answer,
                     NULL);
}

static int do_report(SimNode *n, const AgentStep *s)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *body = node_new(a, NODE_OBJECT), *meta = node_set(a, body, "metadata", node_new(a, NODE_OBJECT)),
         *list = node_set(a, meta, "annotations", node_new(a, NODE_OBJECT));
    const struct {
        const char *name, *value;
    } told[] = {{NODE_STATE, s->state},
                {NODE_REASON, s->reason},
                {NODE_CURRENT, s->current},
                {NODE_DESIRED, s->desired},
                {NODE_DESIRED_DRAIN, s->desired_drain}};
    KubeAnswer answer;
    Error e = ERROR_INIT;
    for (size_t i = 0; i < ELEMENTS(told); i++)
        if (told[i].value)
            node_set_string(a, list, told[i].name, told[i].value);
    int r = kube_call(n->calls,
                      &(KubeRequest){.verb = KUBE_PATCH, .kind = &kube_node, .name = n->name, .body = body},
                      a, &answer, &e);
    if (r < 0) {
        fprintf(stderr, "bench-fleet-nodes: %s: %s\n", n->name, e.text);
        return r;
    }
    if (s->desired_drain)
        n->m.waits_since = monotonic_ms();
    if (same(s->state, "Done")) {
        n->told = false;
        counts.done++;
        counts.last_done = now_us();
    }
    n->answered = kube_revision(answer.object);
    node_take(n, answer.object);
    return 0;
}

static int do_plan(SimNode *n, const char *config)
{
    int r = get(n, &kube_machine_config, config);
    if (r >= 0)
        (void)get(n, &machine_configuration, "cluster");
    if (r < 0)
        return r;
    keep(&n->planned, &n->m.planned, config);
    n->m.plan = AGENT_PLANNED;
    n->m.drain = n->fleet->drain;
    return 0;
}

static void do_apply(SimNode *n, const char *config)
{
    keep(&n->current, &n->m.current, config);
    n->m.plan = AGENT_UNPLANNED;
    n->m.check = AGENT_UNCHECKED;
    n->m.reboot = n->fleet->reboot;
}

/* The machine is gone, and another program asks the API who it is. */
static void do_reboot(SimNode *n)
{
    KubeRecorder *r = kube_recorder_new(n->calls, "machineconfigdaemon", n->name, NULL);
    (void)kube_record(r, &(KubeOccurrence){n->self, false, "Reboot", "the node reboots into its new config"},
                      NULL);
    kube_recorder_free(r);
    n->m.reboot = false;
    n->m.settled = false;
    if (n->fleet->informer)
        return;
    bool shared = n->calls != n->kube;
    informer_free(n->informer);
    kube_free(n->kube); /* its descriptor leaves the epoll with it */
    n->kube = client_new(&n->fleet->config);
    if (!shared)
        n->calls = n->kube;
    n->node.known = false;
    node_watch(n);
}

static int carry_out(SimNode *n, const AgentStep *s)
{
    switch (s->action) {
    case AGENT_REPORT:
        return do_report(n, s);
    case AGENT_SETTLE:
        n->m.settled = true;
        return 0;
    case AGENT_VERIFY:
        n->m.check = AGENT_GOOD;
        return 0;
    case AGENT_MAKE_PLAN:
        return do_plan(n, s->config);
    case AGENT_APPLY:
        do_apply(n, s->config);
        return 0;
    case AGENT_REBOOT:
        do_reboot(n);
        return 0;
    default:
        return 0;
    }
}

/* Until it has to wait for somebody. */
static void node_decide(SimNode *n)
{
    AgentStep s = {.action = AGENT_REPORT};
    for (unsigned i = 0; i < STEPS_MAX && s.action != AGENT_WAIT; i++) {
        _cleanup_arena_ Arena *a = arena_new();
        n->m.now = monotonic_ms();
        agent_next(a, &n->node, &n->m, &s);
        if (carry_out(n, &s) < 0)
            return;
    }
}

static void node_step(SimNode *n)
{
    Error e = ERROR_INIT;
    if (n->informer && informer_step(n->informer, &e) < 0)
        fprintf(stderr, "bench-fleet-nodes: %s: %s\n", n->name, e.text);
    if (n->node.known)
        node_decide(n);
    /* A list, then a watch: of a node that is back. */
    for (unsigned i = 0; n->informer && i < 2 && informer_timeout_ms(n->informer) == 0; i++)
        if (informer_step(n->informer, &e) >= 0 && n->node.known)
            node_decide(n);
}

/* ---- all of them ---- */

static void fleet_watch(Fleet *f)
{
    f->watching = client_new(&f->config);
    f->informer = informer_new(
        f->watching, &(InformerOptions){.kind = &kube_node,
                                        .handler = {.seen = on_any_seen, .gone = on_gone, .context = f}});
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    (void)epoll_ctl(f->epoll, EPOLL_CTL_ADD, kube_fd(f->watching), &event);
}

static void shared_step(Fleet *f)
{
    Error e = ERROR_INIT;
    do {
        if (informer_step(f->informer, &e) < 0)
            fprintf(stderr, "bench-fleet-nodes: %s\n", e.text);
        for (unsigned i = 0; i < f->n; i++)
            if (f->nodes[i].seen) {
                f->nodes[i].seen = false;
                node_step(&f->nodes[i]);
            }
    } while (informer_timeout_ms(f->informer) == 0);
}

/* Those whose time has come: the start of a watch, a pause that is over. True: there are more; those whose
 * connections are being made come first. */
static bool sweep(Fleet *f)
{
    unsigned stepped = 0;
    if (f->informer) {
        shared_step(f);
        return false;
    }
    for (unsigned i = 0; i < f->n && stepped < SWEPT_MAX; i++) {
        SimNode *n = &f->nodes[f->swept++ % f->n];
        if (informer_timeout_ms(n->informer) == 0 || kube_timeout_ms(n->kube) == 0) {
            node_step(n);
            stepped++;
        }
    }
    return stepped == SWEPT_MAX;
}

static unsigned settled(const Fleet *f)
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->n; i++)
        n += same(f->nodes[i].node.state, "Done") && same(f->nodes[i].node.current, f->nodes[i].m.current);
    return n;
}

static void say_stats(const Fleet *f)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("{\"get\":%u,\"list\":%u,\"create\":%u,\"update\":%u,\"patch\":%u,\"delete\":%u,\"watch\":%u,"
           "\"refused\":%u,"
           "\"first_told\":%" PRId64 ",\"last_done\":%" PRId64
           ",\"done\":%u,\"settled\":%u,\"cpu_us\":%" PRId64 ",\"peak_kb\":%ld}\n",
           counts.calls[KUBE_GET], counts.calls[KUBE_LIST], counts.calls[KUBE_CREATE],
           counts.calls[KUBE_UPDATE], counts.calls[KUBE_PATCH], counts.calls[KUBE_DELETE], counts.watches,
           counts.refused, counts.first_told, counts.last_done, counts.done, settled(f),
           (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec +
               u.ru_stime.tv_usec,
           u.ru_maxrss);
    fflush(stdout);
}

/* False: it is over. */
static bool obey(const Fleet *f)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);
    if (n <= 0)
        return false;
    line[n] = '\0';
    if (!strncmp(line, "mark", 4)) {
        counts = (Counts){0};
        printf("marked\n");
        fflush(stdout);
    } else
        say_stats(f);
    return true;
}

static int loop(Fleet *f)
{
    struct epoll_event events[EVENTS], input = {.events = EPOLLIN, .data.ptr = f};
    bool ready = false;
    int64_t next = 0;
    (void)epoll_ctl(f->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
    for (;;) {
        int64_t now = monotonic_ms();
        if (now >= next) {
            next = sweep(f) ? now : now + SWEEP_MS;
            if (!ready && settled(f) == f->n && counts.watches >= (f->informer ? 1 : f->n)) {
                ready = true;
                printf("ready %u\n", f->n);
                fflush(stdout);
            }
        }
        int n =
            epoll_wait(f->epoll, events, EVENTS, (int)(next > monotonic_ms() ? next - monotonic_ms() : 0));
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == f) {
                if (!obey(f))
                    return 0;
            } else if (events[i].data.ptr)
                node_step(events[i].data.ptr);
            else
                shared_step(f);
        }
    }
}

/* ---- Node objects, such as a kubelet makes them ---- */

static Node *parse(Arena *a, const char *text)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    Node *n = NULL;
    *source = (Source){.name = "node", .text = text, .len = strlen(text)};
    if (json_read(a, source, SEVERITY_ERROR, &n, &r) < 0)
        abort();
    return n;
}

static Node *node_object(Arena *a, unsigned i)
{
    Node *n = parse(
        a,
        arena_printf(
            a,
            "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"node-%05u\",\"labels\":{"
            "\"node-role.kubernetes.io/worker\":\"\",\"kubernetes.io/os\":\"linux\",\"kubernetes.io/arch\":"
            "\"amd64\",\"kubernetes.io/hostname\":\"node-%05u\",\"topology.kubernetes.io/"
            "zone\":\"zone-%u\"}},"
            "\"spec\":{},\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"10.%u.%u.%u\"},"
            "{\"type\":\"Hostname\",\"address\":\"node-%05u\"}],\"capacity\":{\"cpu\":\"4\",\"memory\":"
            "\"16393244Ki\",\"pods\":\"250\"},\"allocatable\":{\"cpu\":\"3500m\",\"memory\":\"15893244Ki\","
            "\"pods\":\"250\"},\"images\":[]}}",
            i, i, i % 3, i >> 16 & 255, i >> 8 & 255, i & 255, i));
    static const char *const types[] = {"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"};
    Node *status = node_get(n, "status"), *list = node_set(a, status, "conditions", node_new(a, NODE_ARRAY));
    for (size_t k = 0; k < ELEMENTS(types); k++) {
        bool is_ready = k + 1 == ELEMENTS(types);
        node_append(list, parse(a, arena_printf(a,
                                                "{\"type\":\"%s\",\"status\":\"%s\",\"reason\":\"Kubelet%s\","
                                                "\"message\":\"kubelet says so\","
                                                "\"lastHeartbeatTime\":\"2024-01-01T00:00:00Z\","
                                                "\"lastTransitionTime\":\"2024-01-01T00:00:00Z\"}",
                                                types[k], is_ready ? "True" : "False", types[k])));
    }
    for (unsigned k = 0; k < IMAGES; k++)
        node_append(node_get(status, "images"),
                    parse(a, arena_printf(a,
                                          "{\"names\":[\"quay.example/release/component-%u@sha256:%064u\","
                                          "\"quay.example/release/component-%u:4.3\"],\"sizeBytes\":%u}",
                                          k, k * 7919u, k, 100000000 + k)));
    return n;
}

static int create(const KubeConfig *config, unsigned first, unsigned n)
{
    _cleanup_(kube_freep)
    Kube *kube = client_new(config);
    for (unsigned i = first; i < first + n; i++) {
        _cleanup_arena_ Arena *a = arena_new();
        KubeAnswer answer;
        Error e = ERROR_INIT;
        KubeRequest q = {.verb = KUBE_CREATE, .kind = &kube_node, .body = node_object(a, i)};
        if (kube_call(kube, &q, a, &answer, &e) < 0) {
            fprintf(stderr, "bench-fleet-nodes: %s\n", e.text);
            return 1;
        }
    }
    return 0;
}

static bool has_word(int argc, char **argv, const char *word)
{
    for (int i = 6; i < argc; i++)
        if (!strcmp(argv[i], word))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    static Fleet f;
    if (argc < 5 || kubeconfig_load(a, argv[2], NULL, &f.config, &report) < 0) {
        fprintf(stderr, "bench-fleet-nodes: %s\n", report.n ? report_first_error(&report) : "see its source");
        return 2;
    }
    f.first = (unsigned)strtoul(argv[3], NULL, 10);
    f.n = (unsigned)strtoul(argv[4], NULL, 10);
    if (!strcmp(argv[1], "create"))
        return create(&f.config, f.first, f.n);
    if (argc < 6)
        return 2;
    f.nodes = calloc(f.n, sizeof(*f.nodes));
    f.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!f.nodes || f.epoll < 0)
        abort();
    f.drain = has_word(argc, argv, "drain");
    f.reboot = has_word(argc, argv, "reboot");
    if (has_word(argc, argv, "shared-calls"))
        f.calls = client_new(&f.config);
    if (has_word(argc, argv, "shared-watch"))
        fleet_watch(&f);
    for (unsigned i = 0; i < f.n; i++)
        node_begin(&f, i, argv[5]);
    return loop(&f);
}
