/* machine-config-server: two processes. This one reads the files, as whoever started it, and never listens;
 * its child listens, as nobody, and never reads. What changed on disk, or SIGHUP, makes a new snapshot; one
 * that cannot be read is told and the former stays in use. */
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/command.h"
#include "base/log.h"
#include "server/listener.h"
#include "server/snapshot.h"

enum { LOOK_EVERY_MS = 1000, EXIT_FILES = 3 };

static struct {
    const char *base, *kubeconfig, *certificate, *key, *tokens, *address, *user;
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

static int hand_over(const SnapshotPaths *paths, int to, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(buf_done_secret)
    Buf json = BUF_INIT;
    Node *snapshot;
    int r = snapshot_read(a, paths, &snapshot, e);
    if (r < 0)
        return r;
    json_write(snapshot, JSON_COMPACT, &json);
    return listener_send(to, json.data, json.len, e);
}

/* Until the child has ended (0) or somebody wants this to end (the signal). SIGCHLD alone does not say that
 * it has: it also comes when the child was stopped. */
static int watch(const SnapshotPaths *paths, pid_t child, int to, int signals, uint64_t mark)
{
    for (;;) {
        struct pollfd p = {.fd = signals, .events = POLLIN};
        struct signalfd_siginfo s = {0};
        bool got = poll(&p, 1, LOOK_EVERY_MS) > 0 && read(signals, &s, sizeof(s)) == (ssize_t)sizeof(s);
        if (got && (s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT))
            return (int)s.ssi_signo;
        if (waitpid(child, NULL, WNOHANG) == child)
            return 0;
        uint64_t now = snapshot_mark(paths);
        if (now == mark && s.ssi_signo != SIGHUP)
            continue;
        mark = now;
        Error e = ERROR_INIT;
        if (hand_over(paths, to, &e) < 0)
            log_error("what changed is not used: %s", e.text);
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

static int start(const ListenerOptions *o, const SnapshotPaths *paths, Error *e)
{
    int pair[2];
    uint64_t mark = snapshot_mark(paths);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return error_errno(e, -errno, "socketpair");
    _cleanup_close_ int ours = pair[0], theirs = pair[1];
    int r = hand_over(paths, ours, e); /* waits in the socket; nothing listens before the files are good */
    if (r < 0)
        return r;
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
    if (!watch(paths, child, ours, signals, mark))
        return error_set(e, ECHILD, "the listening process has ended");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
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
    SnapshotPaths paths = {.base = opt.base,
                           .certificate = opt.certificate,
                           .key = opt.key,
                           .kubeconfig = opt.kubeconfig,
                           .tokens = opt.tokens};
    ListenerOptions o = {
        .address = opt.address, .port = (uint16_t)opt.port, .plain_port = (uint16_t)opt.plain_port};
    Error e = ERROR_INIT;
    int r = find_user(&o, &e);
    if (r >= 0)
        r = start(&o, &paths, &e);
    if (r < 0)
        log_error("%s", e.text);
    return r >= 0 ? 0 : r == -ECHILD ? 1 : EXIT_FILES;
}

static const Verb verbs[] = {
    {"bootstrap", NULL, "serve configs from a directory of manifests", options, run, NULL, 0, 0},
    {0},
};

int main(int argc, char **argv)
{
    static const Program program = {.name = "machine-config-server",
                                    .summary = "Hands a booting machine its Ignition config.",
                                    .version = BASALT_VERSION,
                                    .man = "machine-config-server(8)",
                                    .verbs = verbs};
    return program_main(&program, argc, argv);
}
