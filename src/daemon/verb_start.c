/* `start`: as part of a fleet, until SIGTERM; a step that is under way is finished first. With --once-from
 * without any: a config is applied, verified, and that is it. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/log.h"
#include "daemon/config_file.h"
#include "daemon/node_loop.h"
#include "daemon/node_verify.h"
#include "daemon/program.h"
#include "kube/kube_http.h"
#include "machineconfig/machine_config_plan.h"

enum { KUBECONFIG_LOOK_MS = 500 };

static struct {
    const char *kubeconfig, *node, *once_from;
    bool skip_reboot;
} opt = {.kubeconfig = "/var/lib/kubelet/kubeconfig"};

const Option start_options[] = {
    {"kubeconfig", 0, OPTION_STRING, &opt.kubeconfig, "FILE",
     "how the API is reached, as this node (/var/lib/kubelet/kubeconfig)", NULL},
    {"node-name", 0, OPTION_STRING, &opt.node, "NAME",
     "the Node that this machine is ($NODE_NAME, host name)", NULL},
    {"once-from", 0, OPTION_STRING, &opt.once_from, "FILE",
     "apply this MachineConfig, without a cluster, and end", NULL},
    {"skip-reboot", 0, OPTION_FLAG, &opt.skip_reboot, NULL, "end instead of a reboot", NULL},
    {0},
};

/* ---- once ---- */

static int settle_first(MachineHere *h, Error *e)
{
    SettleResult result;
    const char *why;
    int r = node_apply_settle(&h->m, h->arena, &result, &why, e);
    if (r >= 0 && why)
        log_warning("%s", why);
    return r >= 0 && result == SETTLE_REBOOT ? error_set(e, EBUSY, "the machine is to be started anew first")
                                             : r;
}

/* What was not verified to be so is told; a machine that is to reboot is verified after it. */
static int verify_after(MachineHere *h, const MachineConfig *mc, Report *findings, Error *e)
{
    NodeRepair repair;
    int r = node_verify(&h->m, h->arena, mc, NULL, findings, &repair, e);
    return r < 0 ? r : findings->n ? error_set(e, EIO, "%s", findings->entries[0].message) : 0;
}

static int apply_once(MachineHere *h, Report *report, Error *e)
{
    static const DisruptionAction reboot = {DISRUPTION_REBOOT, NULL};
    Arena *a = h->arena;
    _cleanup_report_ Report findings = REPORT_INIT(a);
    _cleanup_buf_ Buf text = BUF_INIT;
    MachineConfig *from = NULL, *to;
    MachineConfigDiff *d;
    DisruptionPolicy *policy;
    Disruption x;
    int r = settle_first(h, e);
    if (r >= 0)
        r = config_file_current(a, h->m.root, &from, e);
    if (r >= 0)
        r = config_file_read(a, opt.once_from, &to, report, e);
    if (r < 0)
        return r;
    (void)machine_config_diff(a, from, to, &d, report);
    (void)node_apply_check(d, report);
    if (report->errors)
        return error_set(e, EINVAL, "%s cannot be applied to a machine that runs", to->name);
    (void)disruption_policy_read(a, NULL, &policy, report);
    disruption_decide(a, policy, d, &x);
    machine_config_plan_print(d, &x, PLAN_NAMES, &text);
    fwrite(text.data, 1, text.len, stdout);
    r = node_apply(&h->m, a, d, &x, e);
    if (r == 0)
        return verify_after(h, to, &findings, e);
    if (r > 0 && !opt.skip_reboot)
        r = h->m.services->act(h->m.services->context, &reboot, e);
    return r < 0 ? r : 0;
}

/* ---- in a fleet ---- */

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int loop(NodeLoop *l, const Kube *kube, int signals, Error *e)
{
    for (;;) {
        int r = node_loop_step(l, e);
        if (r < 0)
            return r;
        struct pollfd p[] = {{.fd = signals, .events = POLLIN},
                             {.fd = kube_fd(kube), .events = POLLIN},
                             {.fd = node_loop_drift_fd(l), .events = POLLIN}};
        if (poll(p, ELEMENTS(p), r > 0 ? 0 : node_loop_timeout_ms(l)) < 0 && errno != EINTR)
            return error_errno(e, -errno, "poll");
        if (p[0].revents)
            return 0;
    }
}

/* Whoever makes the node's own kubeconfig, a kubelet or `join`, may take its time. 1: asked to end. */
static int wait_for_kubeconfig(int signals)
{
    if (access(opt.kubeconfig, F_OK) == 0)
        return 0;
    log_info("waits for %s", opt.kubeconfig);
    while (access(opt.kubeconfig, F_OK) < 0)
        if (poll(&(struct pollfd){.fd = signals, .events = POLLIN}, 1, KUBECONFIG_LOOK_MS) > 0)
            return 1;
    return 0;
}

static int run(MachineHere *h, Report *report, Error *e)
{
    KubeConfig config;
    _cleanup_(kube_freep)
    Kube *kube = NULL;
    _cleanup_close_ int signals = block_signals();
    if (signals < 0)
        return error_errno(e, -errno, "signalfd");
    if (wait_for_kubeconfig(signals))
        return 0;
    int r = kubeconfig_load(h->arena, opt.kubeconfig, NULL, &config, report);
    if (r < 0)
        return error_set(e, -r, "%s cannot be used", opt.kubeconfig);
    r = kube_http_new(&config, &(KubeHttpOptions){.agent = "machine-config-daemon"}, &kube, e);
    if (r < 0)
        return r;
    _cleanup_(node_loop_freep)
    NodeLoop *l = node_loop_new(
        &(NodeLoopOptions){.kube = kube, .node = opt.node, .machine = &h->m, .skip_reboot = opt.skip_reboot});
    r = loop(l, kube, signals, e);
    return r == -ECANCELED && opt.skip_reboot ? 0 : r;
}

int verb_start(int argc _unused_, char **argv _unused_)
{
    _cleanup_machine_ MachineHere h = MACHINE_HERE_INIT;
    Error e = ERROR_INIT;
    if (!opt.node)
        opt.node = getenv("NODE_NAME");
    char host[65] = "";
    if ((!opt.node || !*opt.node) && gethostname(host, sizeof(host) - 1) == 0)
        opt.node = host;
    mallopt(M_ARENA_MAX, 1);
    options.journal = !opt.once_from && getenv("JOURNAL_STREAM");
    if (machine_open(&h, true, &e) < 0)
        return program_failed(&e);
    _cleanup_report_ Report report = REPORT_INIT(h.arena);
    int r = opt.once_from ? apply_once(&h, &report, &e) : run(&h, &report, &e);
    program_report(&report);
    return r >= 0 ? EXIT_DONE : report.errors ? (program_failed(&e), EXIT_DIFFERENT) : program_failed(&e);
}
