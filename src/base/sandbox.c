/* Namespaces while there is the right to make them, then the root, then the user, then the capabilities; last
 * what the kernel takes back whenever those change: the signal at the parent's end. Who is not root makes a
 * user namespace first, which gives the rest. A filter is a program of the classic BPF machine: architecture,
 * then one block for each call. */
#include "base/sandbox.h"

#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0 /* no filters are made for it */
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* ---- rights ---- */

/* A directory that stays empty for ever: a helper that shares this process's root takes it to its own
 * directory below /proc, and ends, and that directory with it. */
static int enter_empty_root(Error *e)
{
    int status = 0;
    long pid = syscall(SYS_clone, CLONE_FS | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        _exit(chroot("/proc/self/fdinfo") < 0 || chdir("/") < 0 ? errno : 0);
    if (pid < 0)
        return error_errno(e, -errno, "entering an empty root");
    while (waitpid((pid_t)pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_errno(e, -errno, "entering an empty root");
    if (status)
        return error_errno(e, WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO, "entering an empty root");
    return 0;
}

static int become(const Sandbox *s, Error *e)
{
    for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
        if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
            return error_errno(e, -errno, "giving up capabilities");
    if (setgroups(0, NULL) < 0 || setresgid(s->gid, s->gid, s->gid) < 0 ||
        setresuid(s->uid, s->uid, s->uid) < 0)
        return error_errno(e, -errno, "giving up the rights of root");
    return 0;
}

static int drop_capabilities(Error *e)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
        syscall(SYS_capset, &header, none) < 0)
        return error_errno(e, -errno, "giving up capabilities");
    return 0;
}

static int leave_network(Error *e)
{
    return unshare(CLONE_NEWNET | CLONE_NEWIPC) < 0 ? error_errno(e, -errno, "leaving the network") : 0;
}

static int filter_try(Error *e)
{
    const uint32_t action = SECCOMP_RET_KILL_PROCESS;
    if (!ARCHITECTURE || syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
        return error_set(e, ENOSYS, "filters of system calls are not to be had here");
    return 0;
}

/* What failed is noted, or stands. */
static int lacks(int r, SandboxLack what, unsigned *ret_lacks)
{
    if (r >= 0 || !ret_lacks)
        return r;
    *ret_lacks |= what;
    return 0;
}

int sandbox_enter(const Sandbox *s, unsigned *ret_lacks, Error *e)
{
    const bool root = geteuid() == 0;
    int r = 0;

    if (ret_lacks)
        *ret_lacks = 0;
    if (!root && ret_lacks) /* what it does not give is noticed below */
        (void)!unshare(CLONE_NEWUSER);
    if (s->no_network)
        r = lacks(leave_network(e), SANDBOX_LACKS_NETWORK, ret_lacks);
    if (r >= 0 && s->empty_root)
        r = lacks(enter_empty_root(e), SANDBOX_LACKS_ROOT, ret_lacks);
    if (r >= 0 && s->files)
        r = lacks(sandbox_enter_root(s->files, e), SANDBOX_LACKS_ROOT, ret_lacks);
    if (r >= 0 && s->become && (root || !ret_lacks)) /* another user is somebody with less than root only */
        r = lacks(become(s, e), SANDBOX_LACKS_USER, ret_lacks);
    if (r >= 0 && s->filter)
        r = lacks(filter_try(e), SANDBOX_LACKS_FILTER, ret_lacks);
    if (r >= 0)
        r = drop_capabilities(e);
    if (r < 0)
        return r;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return error_errno(e, -errno, "giving up rights");
    return 0;
}

int sandbox_limit(uint64_t memory, bool threads, Error *e)
{
    const struct rlimit none = {0}, space = {memory, memory};
    if (setrlimit(RLIMIT_FSIZE, &none) < 0 || (!threads && setrlimit(RLIMIT_NPROC, &none) < 0) ||
        setrlimit(RLIMIT_CORE, &none) < 0 || (memory && !SANITIZED && setrlimit(RLIMIT_AS, &space) < 0))
        return error_errno(e, -errno, "limiting what the process may use");
    return 0;
}

int sandbox_keep(uint64_t capabilities, Error *e)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct own[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, own) < 0)
        return error_errno(e, -errno, "looking at capabilities");
    const bool may_drop = own[CAP_TO_INDEX(CAP_SETPCAP)].effective & CAP_TO_MASK(CAP_SETPCAP);
    for (int c = 0; may_drop && c < 64 && prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
        if (!(capabilities >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
            return error_errno(e, -errno, "giving up capabilities");
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        own[i].permitted &= (uint32_t)(capabilities >> 32 * i);
        own[i].effective &= own[i].permitted;
        own[i].inheritable = 0;
    }
    if (syscall(SYS_capset, &header, own) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_errno(e, -errno, "giving up capabilities");
    return 0;
}

/* ---- system calls ---- */

enum { CALL_STEPS = 1 + 2 * 3 + 1, PROGRAM_MAX = 4 + SANDBOX_CALLS_MAX * CALL_STEPS + 1 };

static struct sock_filter load(size_t offset)
{
    return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

static struct sock_filter answer(uint32_t what)
{
    return (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what);
}

static size_t lower_half(unsigned argument)
{
    const bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    return offsetof(struct seccomp_data, args) + 8 * argument + (big ? 4 : 0);
}

/* The number is loaded before the block and after it. */
static size_t call_block(const SandboxCall *c, struct sock_filter *out)
{
    size_t n = 1;
    for (size_t i = 0; i < ELEMENTS(c->only); i++) {
        if (!c->only[i].mask)
            continue;
        out[n++] = load(lower_half(c->only[i].argument));
        out[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, c->only[i].mask);
        out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, c->only[i].value, 0, 0);
    }
    for (size_t i = 3; i < n; i += 3) /* to the last step, behind the answer */
        out[i].jf = (uint8_t)(n - i);
    out[n++] = answer(c->refuse ? SECCOMP_RET_ERRNO | (uint32_t)c->refuse : SECCOMP_RET_ALLOW);
    out[n++] = load(offsetof(struct seccomp_data, nr));
    out[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, c->number, 0, (uint8_t)(n - 1));
    return n;
}

int sandbox_filter(const SandboxCall *calls, size_t n, Error *e)
{
    struct sock_filter program[PROGRAM_MAX + SANDBOX_CALLS_MAX];
    size_t k = 0;

    if (!ARCHITECTURE || n > SANDBOX_CALLS_MAX)
        return error_set(e, ENOSYS, "no filter of system calls for this architecture");
    program[k++] = load(offsetof(struct seccomp_data, arch));
    program[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    program[k++] = answer(SECCOMP_RET_KILL_PROCESS);
    program[k++] = load(offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < n; i++)
        k += call_block(&calls[i], program + k);
    program[k++] = answer(SECCOMP_RET_KILL_PROCESS);
    const struct sock_fprog p = {.len = (unsigned short)k, .filter = program};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p) < 0)
        return error_errno(e, -errno, "a filter of system calls");
    return 0;
}

void sandbox_lacks_text(unsigned lacks, char out[SANDBOX_LACKS_TEXT_MAX])
{
    static const char *const names[] = {"another user", "an empty root", "a network without anybody",
                                        "a filter of system calls"};
    size_t n = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < ELEMENTS(names); i++)
        if (lacks & 1U << i)
            n += (size_t)snprintf(out + n, SANDBOX_LACKS_TEXT_MAX - n, "%s%s", n ? ", " : "", names[i]);
}
