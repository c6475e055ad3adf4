/* basalt-apiserver: one process. It reads its files and opens the store with the rights of who has started
 * it, gives these up, and only then answers: nobody, in an empty root, with a listening socket and the
 * store's files open. `backup` and `restore` are other processes, which need no server. */
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "apiserver/front.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sandbox.h"

enum {
    CONNECTIONS = 20000,
    HEADERS = 4608,
    FILES_MAX = CONNECTIONS + 256,
    PEM_MAX = 1 << 20,
    EXIT_FILES = 3
};

static struct {
    const char *data, *listen, *certificate, *key, *client_ca, *tokens, *user;
    bool verbose;
} opt = {.data = "/var/lib/basalt/api", .listen = "0.0.0.0:6443", .user = "nobody"};

static const Option options[] = {
    {"data", 0, OPTION_STRING, &opt.data, "DIR", "where the objects are (/var/lib/basalt/api)", NULL},
    {"listen", 0, OPTION_STRING, &opt.listen, "ADDRESS:PORT", "where to listen (0.0.0.0:6443)", NULL},
    {"tls-cert", 0, OPTION_STRING, &opt.certificate, "FILE", "certificate chain in PEM", NULL},
    {"tls-key", 0, OPTION_STRING, &opt.key, "FILE", "its private key", NULL},
    {"client-ca", 0, OPTION_STRING, &opt.client_ca, "FILE",
     "who signs clients' certificates; without it none counts", NULL},
    {"token-file", 0, OPTION_STRING, &opt.tokens, "FILE", "lines of TOKEN,USER,UID,\"GROUP,…\"", NULL},
    {"user", 0, OPTION_STRING, &opt.user, "NAME", "who the server becomes (nobody)", NULL},
    {"verbose", 'v', OPTION_FLAG, &opt.verbose, NULL, "more messages", NULL},
    {0},
};

static const Option data_options[] = {
    {"data", 0, OPTION_STRING, &opt.data, "DIR", "where the objects are (/var/lib/basalt/api)", NULL},
    {0},
};

static int read_text(const char *path, Buf *ret, Error *e)
{
    return path ? file_read_at(AT_FDCWD, path, PEM_MAX, ret, e) : 0;
}

typedef struct Files {
    Buf certificate, key, ca, tokens;
} Files;

static void files_done(Files *f)
{
    buf_done(&f->certificate);
    buf_done_secret(&f->key);
    buf_done(&f->ca);
    buf_done_secret(&f->tokens);
}

static int read_files(Files *f, Error *e)
{
    int r = read_text(opt.certificate, &f->certificate, e);
    if (r >= 0)
        r = read_text(opt.key, &f->key, e);
    if (r >= 0)
        r = read_text(opt.client_ca, &f->ca, e);
    return r < 0 ? r : read_text(opt.tokens, &f->tokens, e);
}

/* "ADDRESS:PORT", "[::]:6443" */
static int read_listen(char address[64], uint16_t *port, Error *e)
{
    const char *colon = strrchr(opt.listen, ':'), *start = opt.listen;
    char *end;
    unsigned long n = colon ? strtoul(colon + 1, &end, 10) : 0;
    size_t len = colon ? (size_t)(colon - start) : 0;
    if (len > 1 && start[0] == '[' && start[len - 1] == ']') {
        start++;
        len -= 2;
    }
    if (!colon || !colon[1] || *end || n > 65535 || !len || len >= 64)
        return error_set(e, EINVAL, "'%s' is no ADDRESS:PORT", opt.listen);
    memcpy(address, start, len);
    address[len] = '\0';
    *port = (uint16_t)n;
    return 0;
}

static int give_up_rights(Error *e)
{
    Sandbox rights = {0};
    if (geteuid() == 0) {
        const struct passwd *pw = getpwnam(opt.user);
        if (!pw)
            return error_set(e, ENOENT, "there is no user '%s'", opt.user);
        if (pw->pw_uid == 0)
            return error_set(e, EINVAL, "the server may not be root");
        rights = (Sandbox){.become = true, .uid = pw->pw_uid, .gid = pw->pw_gid, .empty_root = true};
    }
    int r = sandbox_enter(&rights, NULL, e);
    prctl(PR_SET_PDEATHSIG, 0); /* no child that has to end with its parent */
    return r;
}

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void allow_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void serve(Front *f, HttpServer *server, int signals)
{
    int64_t next = 0;
    for (;;) {
        int64_t now = monotonic_ms();
        if (now >= next) {
            next = now + api_tick(f->api);
            front_settle(f, server);
        }
        int wait = http_server_timeout_ms(server);
        if (wait < 0 || wait > next - now)
            wait = (int)(next > now ? next - now : 0);
        struct pollfd p[] = {{.fd = http_server_fd(server), .events = POLLIN},
                             {.fd = signals, .events = POLLIN}};
        if (poll(p, ELEMENTS(p), wait) < 0 && errno != EINTR)
            return;
        if (p[1].revents)
            return;
        http_server_work(server);
        front_settle(f, server);
    }
}

static int open_all(const Files *files, Front *f, Arena *a, HttpServer **server, Error *e)
{
    char address[64];
    HttpServerOptions h = {.address = address,
                           .tls = true,
                           .connections = CONNECTIONS,
                           .headers = HEADERS,
                           .body_max = API_BODY_MAX,
                           .client_ca = files->ca.data,
                           .handler = front_answer,
                           .context = f};
    if (!files->certificate.data || !files->key.data)
        return error_set(e, EINVAL, "--tls-cert and --tls-key are needed");
    int r = read_listen(address, &h.port, e);
    if (r >= 0 && files->tokens.data)
        r = front_tokens_read(a, files->tokens.data, &f->tokens, e);
    if (r >= 0)
        r = api_new(&(ApiOptions){.directory = opt.data, .ca = files->ca.data}, &f->api, e);
    if (r >= 0)
        r = http_server_new(&h, server, e);
    if (r >= 0)
        r = http_server_set_certificate(*server, files->certificate.data, files->key.data, e);
    return r;
}

static int run(int argc, char **argv)
{
    __attribute__((cleanup(files_done))) Files files = {0};
    _cleanup_arena_ Arena *a = arena_new();
    Front front = {0};
    HttpServer *server = NULL;
    Error e = ERROR_INIT;
    (void)argc;
    (void)argv;
    log_open(LOG_TARGET_STDERR, "basalt-apiserver", opt.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    _cleanup_close_ int signals = block_signals();
    allow_files();
    int r = read_files(&files, &e);
    if (r >= 0)
        r = open_all(&files, &front, a, &server, &e);
    if (r >= 0)
        r = give_up_rights(&e);
    if (r >= 0) {
        log_info("listening on %s, port %u", opt.listen, http_server_port(server));
        serve(&front, server, signals);
    } else
        log_error("%s", e.text);
    http_server_free(server);
    api_free(front.api);
    return r < 0 ? EXIT_FILES : 0;
}

static int tell(int r, const Error *e)
{
    if (r < 0)
        fprintf(stderr, "basalt-apiserver: %s\n", e->text);
    return r < 0 ? EXIT_FILES : 0;
}

static int backup(int argc, char **argv)
{
    Error e = ERROR_INIT;
    (void)argc;
    return tell(store_backup(opt.data, argv[1], &e), &e);
}

static int restore(int argc, char **argv)
{
    Error e = ERROR_INIT;
    (void)argc;
    return tell(store_restore(argv[1], opt.data, &e), &e);
}

static const Verb verbs[] = {
    {"serve", NULL, "serve the API", options, run, NULL, 0, 0},
    {"backup", "FILE", "copy the objects into a file, also while they are served", data_options, backup, NULL,
     1, 1},
    {"restore", "FILE", "make a directory of objects from such a file", data_options, restore, NULL, 1, 1},
    {0},
};

int main(int argc, char **argv)
{
    static const Program program = {.name = "basalt-apiserver",
                                    .summary = "A Kubernetes API for a fleet of machines.",
                                    .version = BASALT_VERSION,
                                    .man = "basalt-apiserver(8)",
                                    .verbs = verbs};
    return program_main(&program, argc, argv);
}
