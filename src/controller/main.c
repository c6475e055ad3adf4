/* machine-config-controller: one thread that waits for the API and for time. Of several, one leads; the
 * others keep their picture of the fleet fresh and write nothing. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/command.h"
#include "base/log.h"
#include "base/clock.h"
#include "controller/controller.h"
#include "controller/manifests.h"
#include "kube/kube_http.h"
#include "kube/lease.h"
#include "net/pki.h"

enum { EXIT_FILES = 3, WAIT_MAX_MS = 60 * 1000, BEGIN_RETRY_MS = 1000 };

static struct {
    const char *kubeconfig, *context, *namespace, *lease, *node, *manifests;
    unsigned keep_days;
    const char *signing_certificate, *signing_key;
    StringList expected;
    unsigned signing_hours, lifetime_scale, join_minutes;
    bool verbose;
} opt = {.namespace = "openshift-machine-config-operator",
         .lease = "machine-config-controller",
         .keep_days = CONTROLLER_RENDERED_AGE_DAYS,
         .signing_hours = CONTROLLER_CSR_LIFE_SEC / 3600,
         .lifetime_scale = 1,
         .join_minutes = CONTROLLER_JOIN_MINUTES};

static const Option options[] = {
    {"kubeconfig", 0, OPTION_STRING, &opt.kubeconfig, "FILE",
     "where the API is, and as whom it is asked; without it what a pod is given", NULL},
    {"context", 0, OPTION_STRING, &opt.context, "NAME", "of the kubeconfig (its current one)", NULL},
    {"manifest-dir", 0, OPTION_STRING, &opt.manifests, "DIR",
     "objects that the cluster begins with: made once", NULL},
    {"node-name", 0, OPTION_STRING, &opt.node, "NAME", "the node that this runs on: it is updated last",
     NULL},
    {"resourcelock-namespace", 0, OPTION_STRING, &opt.namespace, "NAME",
     "where the lease is (openshift-machine-config-operator)", NULL},
    {"resourcelock-name", 0, OPTION_STRING, &opt.lease, "NAME",
     "whoever holds it leads (machine-config-controller)", NULL},
    {"keep-rendered-days", 0, OPTION_UINT, &opt.keep_days, "N",
     "rendered configs that nobody refers to stay so long (7)", NULL},
    {"cluster-signing-cert-file", 0, OPTION_STRING, &opt.signing_certificate, "FILE",
     "sign nodes' certificates by this one; without it they are only approved", NULL},
    {"cluster-signing-key-file", 0, OPTION_STRING, &opt.signing_key, "FILE", "its key", NULL},
    {"cluster-signing-hours", 0, OPTION_UINT, &opt.signing_hours, "N", "for so long (24)", NULL},
    {"certificate-lifetime-scale", 0, OPTION_UINT, &opt.lifetime_scale, "N",
     "divide that by N, to see rotations soon (1)", NULL},
    {"expected-node", 0, OPTION_LIST, &opt.expected, "NAME",
     "a node that may join at any time; may be repeated", NULL},
    {"join-window-minutes", 0, OPTION_UINT, &opt.join_minutes, "N",
     "any node may join so long after the installation (120; 0: none)", NULL},
    {"verbose", 'v', OPTION_FLAG, &opt.verbose, NULL, "more messages", NULL},
    {0},
};

typedef struct Run {
    Kube *kube;
    Lease *lease;
    Controller *controller;
    int signals;
    bool begun; /* the objects of the beginning are there */
    int64_t begin_retry;
} Run;

static void run_done(Run *r)
{
    controller_free(r->controller);
    lease_free(r->lease);
    kube_free(r->kube);
    closep(&r->signals);
}

static void say(void *context _unused_, const char *line)
{
    log_info("%s", line);
}

/* ---- waiting ---- */

static int sooner(int a, int b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

static int wait_ms(const Run *r)
{
    int ms = sooner(controller_timeout_ms(r->controller), lease_timeout_ms(r->lease));
    if (!r->begun)
        ms = sooner(ms, BEGIN_RETRY_MS);
    return sooner(sooner(ms, kube_timeout_ms(r->kube)), WAIT_MAX_MS);
}

/* The cluster's first objects, once. */
static void begin(Run *r)
{
    Manifests counts;
    Error e = ERROR_INIT;
    if (r->begun || monotonic_ms() < r->begin_retry)
        return;
    int k = opt.manifests ? manifests_make(r->kube, opt.manifests, &counts, &e) : 0;
    r->begun = k >= 0;
    r->begin_retry = monotonic_ms() + BEGIN_RETRY_MS;
    if (k < 0)
        log_warning("the cluster's first objects: %s", e.text);
    else if (k > 0)
        log_info("the cluster begins: %u objects made, %u were there, %u are of kinds for others",
                 counts.made, counts.known, counts.unknown);
}

static void step(Run *r)
{
    Error e = ERROR_INIT;
    bool led = lease_held(r->lease);
    int k = lease_step(r->lease, &e);
    if (k < 0)
        log_warning("lease %s: %s", opt.lease, e.text);
    bool leads = lease_held(r->lease);
    if (leads && !led)
        log_info("leads: holds lease %s/%s", opt.namespace, opt.lease);
    else if (led && !leads)
        log_warning("leads no more");
    if (leads)
        begin(r);
    controller_step(r->controller, leads && r->begun);
}

static int loop(Run *r)
{
    for (;;) {
        step(r);
        struct pollfd fds[] = {{.fd = kube_fd(r->kube), .events = POLLIN},
                               {.fd = r->signals, .events = POLLIN}};
        struct signalfd_siginfo s;
        if (poll(fds, ELEMENTS(fds), wait_ms(r)) < 0 && errno != EINTR)
            return -errno;
        if (fds[1].revents && read(r->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
            (void)lease_release(r->lease, NULL);
            return 0;
        }
    }
}

/* ---- the beginning ---- */

static int read_config(Arena *a, KubeConfig *ret)
{
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_buf_ Buf text = BUF_INIT;
    Error e = ERROR_INIT;
    int r;
    if (opt.kubeconfig) {
        r = kubeconfig_load(a, opt.kubeconfig, opt.context, ret, &report);
        report_write(&report, REPORT_TEXT, &text);
        if (text.len)
            fputs(text.data, stderr);
        return r;
    }
    r = kubeconfig_of_pod(a, NULL, getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT"), ret,
                          &e);
    if (r < 0)
        log_error("no --kubeconfig, and no pod: %s", e.text);
    return r;
}

static int take_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static CsrOptions csr_options(void)
{
    int64_t life = INT64_C(3600) * opt.signing_hours / opt.lifetime_scale;
    string_list_add(&opt.expected, NULL);
    return (CsrOptions){.signing_certificate = opt.signing_certificate,
                        .signing_key = opt.signing_key,
                        .life_sec = life ? life : 1,
                        .expected = opt.expected.items,
                        .window_sec = INT64_C(60) * opt.join_minutes};
}

/* Half of a key pair signs nothing, and a life of nothing is a mistake. */
static int check_options(Error *e)
{
    if (!opt.signing_certificate != !opt.signing_key)
        return error_set(e, EINVAL, "--cluster-signing-cert-file and --cluster-signing-key-file go together");
    if (!opt.signing_hours || !opt.lifetime_scale)
        return error_set(e, EINVAL,
                         "--cluster-signing-hours and --certificate-lifetime-scale are 1 at least");
    return 0;
}

static const char *identity(Arena *a, Error *e)
{
    char host[65] = "";
    unsigned char random[8];
    gethostname(host, sizeof(host) - 1);
    if (pki_random(random, sizeof(random), e) < 0)
        return NULL;
    return arena_printf(a, "%s_%02x%02x%02x%02x%02x%02x%02x%02x", opt.node ? opt.node : host, random[0],
                        random[1], random[2], random[3], random[4], random[5], random[6], random[7]);
}

static int start(int argc _unused_, char **argv _unused_)
{
    log_open(LOG_TARGET_STDERR, "machine-config-controller", opt.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(run_done)
    Run run = {.signals = -EBADF};
    Error e = ERROR_INIT;
    KubeConfig config;
    if (check_options(&e) < 0) {
        log_error("%s", e.text);
        return EXIT_USAGE;
    }
    if (read_config(a, &config) < 0)
        return EXIT_FILES;
    const char *me = identity(a, &e);
    int r =
        me ? kube_http_new(&config, &(KubeHttpOptions){.agent = "machine-config-controller"}, &run.kube, &e)
           : -e.code;
    if (r >= 0 && (r = run.signals = take_signals()) < 0)
        error_errno(&e, -errno, "signalfd");
    if (r < 0) {
        log_error("%s", e.text);
        return EXIT_FILES;
    }
    run.lease =
        lease_new(run.kube, &(LeaseOptions){.namespace = opt.namespace, .name = opt.lease, .identity = me});
    run.controller = controller_new(&(ControllerOptions){.kube = run.kube,
                                                         .node = opt.node,
                                                         .rendered_age_ms = INT64_C(86400000) * opt.keep_days,
                                                         .csr = csr_options(),
                                                         .log = say});
    log_info("asks %s as %s", config.server, me);
    return loop(&run) < 0 ? 1 : 0;
}

static const Verb verbs[] = {
    {"start", NULL, "lead the pools of a cluster, or wait until the one that does is gone", options, start,
     NULL, 0, 0, NULL},
    {0},
};

int main(int argc, char **argv)
{
    static const Program program = {.name = "machine-config-controller",
                                    .summary =
                                        "Renders the configs of machine config pools and rolls them out.",
                                    .version = BASALT_VERSION,
                                    .man = "machine-config-controller(8)",
                                    .verbs = verbs};
    return program_main(&program, argc, argv);
}
