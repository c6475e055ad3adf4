/* machine-config-server: two processes. This one reads files and asks the API, as whoever started it, and
 * never listens; its child listens, as nobody, and never reads. What changed on disk, or SIGHUP, makes a new
 * snapshot; one that cannot be read is told and the former stays in use. */
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/command.h"
#include "base/log.h"
#include "kube/kube_http.h"
#include "server/cluster.h"
#include "server/listener.h"
#include "server/snapshot.h"

enum { LOOK_EVERY_MS = 1000, EXIT_FILES = 3 };

static struct {
    const char *base, *api_kubeconfig, *kubeconfig, *certificate, *key, *tokens, *address, *user;
    unsigned port, plain_port;
    bool verbose;
} opt = {.base = "/etc/mcs/bootstrap",
         .kubeconfig = "/etc/mcs/kubeconfig",
         .certificate = "/etc/ssl/mcs/tls.crt",
         .key = "/etc/ssl/mcs/tls.key",
         .tokens = "/etc/mcs/tokens.json",
         .user = "nobody",
         .port = 22623};

static const Option options[] = {
    {"server-basedir", 0, OPTION_STRING, &opt.base, "DIR",
     "machine-pools/ and machine-configs/ (/etc/mcs/bootstrap)", NULL},
    {"bootstrap-kubeconfig", 0, OPTION_STRING, &opt.kubeconfig, "FILE",
     "the kubeconfig that machines get (/etc/mcs/kubeconfig)", NULL},
    {"cert", 0, OPTION_STRING, &opt.certificate, "FILE", "certificate chain in PEM (/etc/ssl/mcs/tls.crt)",
     NULL},
    {"key", 0, OPTION_STRING, &opt.key, "FILE", "its private key (/etc/ssl/mcs/tls.key)", NULL},
    {"tokens", 0, OPTION_STRING, &opt.tokens, "FILE", "who may fetch (/etc/mcs/tokens.json)", NULL},
    {"listen", 0, OPTION_STRING, &opt.address, "ADDRESS", "where to listen (0.0.0.0)", NULL},
    {"secure-port", 0, OPTION_UINT, &opt.port, "PORT", "the TLS port (22623)", NULL},
    {"insecure-port", 0, OPTION_UINT, &opt.plain_port, "PORT", "also serve without TLS; off unless named",
     NULL},
    {"user", 0, OPTION_STRING, &opt.user, "NAME", "who the listening process becomes (nobody)", NULL},
    {"verbose", 'v', OPTION_FLAG, &opt.verbose, NULL, "more messages", NULL},
    {0},
};

static const Option cluster_options[] = {
    {"kubeconfig", 0, OPTION_STRING, &opt.api_kubeconfig, "FILE",
     "where the API is that has the pools, and as whom it is asked (/etc/mcs/api-kubeconfig)", NULL},
    {0},
};

/* What this process reads from. */
typedef struct From {
    SnapshotPaths paths;
    uint64_t mark;
    Arena *arena;
    Kube *kube;
    Cluster *cluster; /* NULL: files alone */
} From;

static void from_done(From *f)
{
    cluster_free(f->cluster);
    kube_free(f->kube);
    arena_free(f->arena);
}

static int hand_over(From *from, int to, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(buf_done_secret)
    Buf json = BUF_INIT;
    Node *snapshot, *pools = NULL;
    from->mark = snapshot_mark(&from->paths);
    int r = from->cluster ? cluster_pools(from->cluster, a, &pools, e) : 0;
    if (r >= 0)
        r = snapshot_read(a, &from->paths, pools, &snapshot, e);
    if (r < 0)
        return r;
    json_write(snapshot, JSON_COMPACT, &json);
    return listener_send(to, json.data, json.len, e);
}

static bool asked_to_end(const struct signalfd_siginfo *s)
{
    return s->ssi_signo == SIGTERM || s->ssi_signo == SIGINT;
}

static int wait_ms(const From *from)
{
    int ms = LOOK_EVERY_MS, more[] = {-1, -1};
    if (from->cluster) {
        more[0] = cluster_timeout_ms(from->cluster);
        more[1] = kube_timeout_ms(from->kube);
    }
    for (size_t i = 0; i < ELEMENTS(more); i++)
        if (more[i] >= 0 && more[i] < ms)
            ms = more[i];
    return ms;
}

/* Has the API something new? Its failures are waited out, and told once. */
static bool cluster_changed(const From *from)
{
    static bool failing;
    Error e = ERROR_INIT;
    int r = from->cluster ? cluster_step(from->cluster, &e) : 0;
    if (r < 0 && !failing)
        log_warning("%s", e.text);
    failing = r < 0;
    return r > 0;
}

/* Until the child has ended (0) or somebody wants this to end (the signal). SIGCHLD alone does not say that
 * it has: it also comes when the child was stopped. */
static int watch(From *from, pid_t child, int to, int signals)
{
    for (bool begun = !from->cluster;;) {
        struct pollfd p[] = {{.fd = signals, .events = POLLIN},
                             {.fd = from->cluster ? kube_fd(from->kube) : -1, .events = POLLIN}};
        struct signalfd_siginfo s = {0};
        (void)poll(p, ELEMENTS(p), wait_ms(from));
        if (p[0].revents && read(signals, &s, sizeof(s)) == (ssize_t)sizeof(s) && asked_to_end(&s))
            return (int)s.ssi_signo;
        if (waitpid(child, NULL, WNOHANG) == child)
            return 0;
        bool changed = cluster_changed(from);
        if (!changed && (!begun || (snapshot_mark(&from->paths) == from->mark && s.ssi_signo != SIGHUP)))
            continue;
        Error e = ERROR_INIT;
        int r = hand_over(from, to, &e);
        if (r < 0 && r != -EAGAIN)
            log_error("what changed is not used: %s", e.text);
        begun |= r >= 0;
    }
}

static int find_user(ListenerOptions *o, Error *e)
{
    o->drop = geteuid() == 0;
    if (!o->drop)
        return 0;
    const struct passwd *pw = getpwnam(opt.user);
    if (!pw)
        return error_set(e, ENOENT, "there is no user '%s'", opt.user);
    if (pw->pw_uid == 0)
        return error_set(e, EINVAL, "the listening process may not be root");
    o->uid = pw->pw_uid;
    o->gid = pw->pw_gid;
    return 0;
}

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static int connect_cluster(From *from, Error *e)
{
    if (!opt.api_kubeconfig)
        return 0;
    from->arena = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(from->arena);
    KubeConfig *config = ARENA_NEW(from->arena, KubeConfig);
    int r = kubeconfig_load(from->arena, opt.api_kubeconfig, NULL, config, &report);
    if (r < 0)
        return error_set(e, EINVAL, "%s: %s", opt.api_kubeconfig, report_first_error(&report));
    r = kube_http_new(config, &(KubeHttpOptions){.agent = "machine-config-server"}, &from->kube, e);
    if (r >= 0)
        from->cluster = cluster_new(from->kube);
    return r;
}

static int serve(From *from, pid_t child, int to, int signals, Error *e)
{
    int r = connect_cluster(from, e);
    if (r >= 0 && !from->cluster)
        r = hand_over(from, to, e);
    if (r == -EPIPE) /* it has told why */
        r = error_set(e, ECHILD, "the listening process has ended");
    if (r >= 0 && !watch(from, child, to, signals))
        return error_set(e, ECHILD, "the listening process has ended");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return r;
}

/* The child comes first: it waits for its first snapshot, and listens when it has one. What this process
 * opens and reads from here on is not the child's. */
static int start(const ListenerOptions *o, From *from, Error *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return error_errno(e, -errno, "socketpair");
    _cleanup_close_ int ours = pair[0], theirs = pair[1];
    _cleanup_close_ int signals = block_signals(); /* in the child they stay blocked: it is ended from here */
    if (signals < 0)
        return error_errno(e, -errno, "signalfd");
    pid_t child = fork();
    if (child < 0)
        return error_errno(e, -errno, "fork");
    if (child == 0) {
        closep(&ours);
        closep(&signals);
        listener_run(o, theirs);
    }
    closep(&theirs);
    theirs = -EBADF;
    return serve(from, child, ours, signals, e);
}

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (opt.port > 65535 || !opt.port || opt.plain_port > 65535) {
        fprintf(stderr, "machine-config-server: a port is a number from 1 to 65535\n");
        return EXIT_USAGE;
    }
    /* The manifests of the server's unit are the same on all machines; where it listens may not be. */
    const char *listen = getenv("MACHINE_CONFIG_SERVER_LISTEN");
    if (!opt.address)
        opt.address = listen ? listen : "0.0.0.0";
    /* Not the journal's socket: there is none in the empty root. The service's stderr is the journal. */
    log_open(LOG_TARGET_STDERR, "machine-config-server", opt.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    _cleanup_(from_done)
    From from = {.paths = {.base = opt.base,
                           .certificate = opt.certificate,
                           .key = opt.key,
                           .kubeconfig = opt.kubeconfig,
                           .tokens = opt.tokens}};
    ListenerOptions o = {
        .address = opt.address, .port = (uint16_t)opt.port, .plain_port = (uint16_t)opt.plain_port};
    Error e = ERROR_INIT;
    int r = find_user(&o, &e);
    if (r >= 0)
        r = start(&o, &from, &e);
    if (r < 0)
        log_error("%s", e.text);
    return r >= 0 ? 0 : r == -ECHILD ? 1 : EXIT_FILES;
}

static int run_cluster(int argc, char **argv)
{
    if (!opt.api_kubeconfig)
        opt.api_kubeconfig = "/etc/mcs/api-kubeconfig";
    return run(argc, argv);
}

static const Verb verbs[] = {
    {"bootstrap", NULL, "serve configs from a directory of manifests", NULL, run, NULL, 0, 0, NULL},
    {"start", NULL, "serve the configs of a cluster's pools", cluster_options, run_cluster, NULL, 0, 0, NULL},
    {0},
};

int main(int argc, char **argv)
{
    static const Program program = {.name = "machine-config-server",
                                    .summary = "Hands a booting machine its Ignition config.",
                                    .version = BASALT_VERSION,
                                    .options = options,
                                    .man = "machine-config-server(8)",
                                    .verbs = verbs};
    return program_main(&program, argc, argv);
}
