/* Links are made by ip(8), run inside the namespace that they belong to, so that the host never sees one, not
 * for a moment. When the holder dies its namespace goes, and with it the bridge and every veth's near end;
 * the far ends go with them. */
#include "machine/network.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/process.h"
#include "machine/gate.h"

static int run_ip(const char *const *argv, Error *e)
{
    int r = process_run(&(ProcessRun){.argv = argv, .timeout_sec = 10}, e);
    return r > 0 ? -EIO : r;
}

#define IP(e, ...) run_ip((const char *const[]){"ip", __VA_ARGS__, NULL}, (e))

static int make_bridge(Error *e)
{
    int r = IP(e, "link", "set", "lo", "up");
    if (r >= 0)
        r = IP(e, "link", "add", "br0", "type", "bridge", "forward_delay", "0");
    if (r >= 0)
        r = IP(e, "link", "set", "br0", "up");
    return r;
}

static _noreturn_ void hold(Gate *gate)
{
    prctl(PR_SET_NAME, "basalt-network");
    if (gate_wait(gate) < 0)
        _exit(1);
    Error e = ERROR_INIT;
    int r = unshare(CLONE_NEWNET) < 0 ? error_errno(&e, -errno, "a network namespace") : make_bridge(&e);
    gate_answer(gate, r, &e);
    if (r < 0)
        _exit(1);
    close_range(0, ~0U, 0);
    for (;;)
        pause();
}

int network_start(const char *state, ProcessId *ret, Error *e)
{
    Gate gate;
    int r = gate_open(&gate);
    if (r < 0)
        return error_errno(e, r, "socketpair");
    pid_t pid = fork();
    if (pid < 0)
        return error_errno(e, -errno, "fork");
    if (pid == 0) {
        setsid();
        gate_child(&gate);
        hold(&gate);
    }
    gate_parent(&gate);
    r = process_id_of(pid, ret);
    if (r >= 0)
        r = holder_save(state, ret, e);
    if (r >= 0)
        r = gate_release(&gate, e);
    gate_close(&gate);
    if (r < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return r;
}

static int attach_inside(pid_t machine, const char *name, const char *address, Error *e)
{
    char peer[16], pid[16], cidr[64], inside[64];
    snprintf(peer, sizeof(peer), "v-%.12s", name);
    snprintf(pid, sizeof(pid), "%d", machine);
    snprintf(cidr, sizeof(cidr), "%s/24", address);
    snprintf(inside, sizeof(inside), "/proc/%d/ns/net", machine);
    int r = IP(e, "link", "add", peer, "type", "veth", "peer", "name", "eth0", "netns", pid);
    if (r >= 0)
        r = IP(e, "link", "set", peer, "master", "br0", "up");
    if (r < 0)
        return r;
    _cleanup_close_ int ns = open(inside, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
        return error_errno(e, -errno, "entering the network of %s", name);
    r = IP(e, "link", "set", "lo", "up");
    if (r >= 0)
        r = IP(e, "addr", "add", cidr, "dev", "eth0");
    if (r >= 0)
        r = IP(e, "link", "set", "eth0", "up");
    return r;
}

int network_attach(const ProcessId *holder, pid_t machine, const char *name, const char *address, Error *e)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/net", holder->pid);
    _cleanup_close_ int bridge = open(path, O_RDONLY | O_CLOEXEC),
                        home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (bridge < 0 || home < 0 || setns(bridge, CLONE_NEWNET) < 0)
        return error_errno(e, -errno, "entering the machines' network");
    int r = attach_inside(machine, name, address, e);
    if (setns(home, CLONE_NEWNET) < 0)
        abort(); /* never go on in a namespace that is not ours */
    return r;
}
