/* `join`: what a kubelet does for its node's place in the cluster, and no more: a certificate, kept fresh, a
 * kubeconfig with it where a kubelet leaves its own, the Node, its status. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/config_file.h"
#include "daemon/node_join.h"
#include "daemon/node_loop.h"
#include "daemon/program.h"
#include "format/data_url.h"
#include "format/yaml.h"

static struct {
    const char *kubeconfig, *node, *directory;
} opt = {.kubeconfig = "/etc/kubernetes/kubeconfig", .directory = "/var/lib/kubelet"};

const Option join_options[] = {
    {"kubeconfig", 0, OPTION_STRING, &opt.kubeconfig, "FILE",
     "what the machine was given to introduce itself (/etc/kubernetes/kubeconfig)", NULL},
    {"node-name", 0, OPTION_STRING, &opt.node, "NAME",
     "the Node that this machine is ($NODE_NAME, host name)", NULL},
    {"directory", 0, OPTION_STRING, &opt.directory, "DIR", "for kubeconfig and pki/ (/var/lib/kubelet)",
     NULL},
    {0},
};

/* ---- whose node it is ---- */

/* The pool is in the name of the rendered config: "rendered-POOL-DIGITS". */
static const char *pool_of(Arena *a, const char *config)
{
    static const char prefix[] = "rendered-";
    const char *last = config ? strrchr(config, '-') : NULL;
    if (!last || strncmp(config, prefix, sizeof(prefix) - 1) != 0 || last < config + sizeof(prefix))
        return NULL;
    return arena_printf(a, "%.*s", (int)(last - config - (sizeof(prefix) - 1)), config + sizeof(prefix) - 1);
}

static const char *find_pool(Arena *a, int root)
{
    static const char *const files[] = {FIRST_ANNOTATIONS, FIRST_ANNOTATIONS ".bak"};
    for (size_t i = 0; i < ELEMENTS(files); i++) {
        Node *n;
        if (config_file_json(a, root, files[i], &n, NULL) >= 0) {
            const char *pool =
                pool_of(a, node_string(node_get(n, "machineconfiguration.openshift.io/currentConfig")));
            if (pool)
                return pool;
        }
    }
    return NULL;
}

/* ---- the kubeconfig that others use ---- */

static void set_authority(Arena *a, const KubeConfig *c, Node *cluster)
{
    _cleanup_buf_ Buf coded = BUF_INIT;
    node_set_string(a, cluster, "certificate-authority", c->authority.file);
    if (!c->authority.text)
        return;
    base64_encode(c->authority.text, strlen(c->authority.text), &coded);
    node_set_string(a, cluster, "certificate-authority-data", coded.data);
}

static Node *named(Arena *a, Node *config, const char *list, const char *what)
{
    Node *items = node_set(a, config, list, node_new(a, NODE_ARRAY));
    Node *n = node_append(items, node_new(a, NODE_OBJECT));
    node_set_string(a, n, "name", "node");
    return node_set(a, n, what, node_new(a, NODE_OBJECT));
}

static int write_kubeconfig(Arena *a, const KubeConfig *c, const char *pair, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    const char *path = arena_printf(a, "%s/kubeconfig", opt.directory);
    Node *config = node_new(a, NODE_OBJECT);
    node_set_string(a, config, "apiVersion", "v1");
    node_set_string(a, config, "kind", "Config");
    Node *cluster = named(a, config, "clusters", "cluster"), *user = named(a, config, "users", "user"),
         *context = named(a, config, "contexts", "context");
    node_set_string(a, cluster, "server", c->server);
    node_set_string(a, cluster, "tls-server-name", c->tls_server_name);
    set_authority(a, c, cluster);
    node_set_string(a, user, "client-certificate", pair);
    node_set_string(a, user, "client-key", pair);
    node_set_string(a, context, "cluster", "node");
    node_set_string(a, context, "user", "node");
    node_set_string(a, config, "current-context", "node");
    yaml_write(config, false, &text);
    int r = file_write_at(AT_FDCWD, path, text.data, text.len, FILE_WRITE(.mode = 0600));
    return r < 0 ? error_errno(e, r, "writing %s", path) : 0;
}

/* ---- the loop ---- */

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int loop(NodeJoin *j, const KubeConfig *config, const char *pair, Arena *a, Error *e)
{
    _cleanup_close_ int signals = block_signals();
    bool joined = false, failing = false;
    if (signals < 0)
        return error_errno(e, -errno, "signalfd");
    for (;;) {
        Error step = ERROR_INIT;
        int r = node_join_step(j, &step);
        if (r < 0 && !failing)
            log_warning("%s", step.text);
        failing = r < 0;
        if (r > 0 && !joined) {
            joined = true;
            log_info("node %s has joined %s", opt.node, config->server);
            r = write_kubeconfig(a, config, pair, e);
            if (r < 0)
                return r;
        }
        if (poll(&(struct pollfd){.fd = signals, .events = POLLIN}, 1, node_join_timeout_ms(j)) > 0)
            return 0;
    }
}

static int join(MachineHere *h, Report *report, Error *e)
{
    Arena *a = h->arena;
    KubeConfig config;
    _cleanup_(node_join_freep)
    NodeJoin *j = NULL;
    const char *pki = arena_printf(a, "%s/pki", opt.directory);
    int r = kubeconfig_load(a, opt.kubeconfig, NULL, &config, report);
    if (r < 0)
        return error_set(e, -r, "%s cannot be used", opt.kubeconfig);
    r = dir_make_all_at(AT_FDCWD, pki, 0700);
    if (r < 0)
        return error_errno(e, r, "making %s", pki);
    r = node_join_new(
        &(NodeJoinOptions){
            .bootstrap = &config, .node = opt.node, .directory = pki, .pool = find_pool(a, h->m.root)},
        &j, e);
    return r < 0 ? r : loop(j, &config, arena_printf(a, "%s/kubelet-client-current.pem", pki), a, e);
}

int verb_join(int argc _unused_, char **argv _unused_)
{
    _cleanup_machine_ MachineHere h = MACHINE_HERE_INIT;
    char host[65] = "";
    Error e = ERROR_INIT;
    if (!opt.node)
        opt.node = getenv("NODE_NAME");
    if ((!opt.node || !*opt.node) && gethostname(host, sizeof(host) - 1) == 0)
        opt.node = host;
    options.journal = getenv("JOURNAL_STREAM") != NULL;
    if (machine_open(&h, false, &e) < 0)
        return program_failed(&e);
    _cleanup_report_ Report report = REPORT_INIT(h.arena);
    int r = join(&h, &report, &e);
    program_report(&report);
    return r >= 0 ? EXIT_DONE : program_failed(&e);
}
