/* fail_calls REPORT N WHAT COMMAND...: runs a command and lets its Nth system call that changes a disk fail
 * with the errno WHAT, or kills it there when WHAT is KILL. N counts over all threads and children; 0: only
 * counts. The report has the count and the name of the call that was hit. Exits as the command did, 128 +
 * signal when killed.
 *
 * A seccomp filter asks this process about each call that could count; it looks at what a filter cannot see
 * (flags behind a pointer, what a descriptor is) and answers. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

typedef enum Look { LOOK_ALWAYS, LOOK_FLAGS, LOOK_HOW, LOOK_DESCRIPTOR, LOOK_REQUEST } Look;
static const struct {
    int number;
    const char *name;
    Look look;
    int argument;
} calls[] = {
#define CALL(n, ...)                                                                                         \
    {                                                                                                        \
        SYS_##n, #n, __VA_ARGS__                                                                             \
    }
    CALL(openat, LOOK_FLAGS, 2),        CALL(openat2, LOOK_HOW, 2),       CALL(write, LOOK_DESCRIPTOR, 0),
    CALL(pwrite64, LOOK_ALWAYS),        CALL(writev, LOOK_DESCRIPTOR, 0), CALL(copy_file_range, LOOK_ALWAYS),
    CALL(sendfile, LOOK_DESCRIPTOR, 0), CALL(fallocate, LOOK_ALWAYS),     CALL(ftruncate, LOOK_ALWAYS),
    CALL(mkdir, LOOK_ALWAYS),           CALL(mkdirat, LOOK_ALWAYS),       CALL(link, LOOK_ALWAYS),
    CALL(linkat, LOOK_ALWAYS),          CALL(symlink, LOOK_ALWAYS),       CALL(symlinkat, LOOK_ALWAYS),
    CALL(rename, LOOK_ALWAYS),          CALL(renameat, LOOK_ALWAYS),      CALL(renameat2, LOOK_ALWAYS),
    CALL(unlink, LOOK_ALWAYS),          CALL(unlinkat, LOOK_ALWAYS),      CALL(rmdir, LOOK_ALWAYS),
    CALL(fsync, LOOK_ALWAYS),           CALL(fdatasync, LOOK_ALWAYS),     CALL(syncfs, LOOK_ALWAYS),
    CALL(fchmod, LOOK_ALWAYS),          CALL(fchmodat, LOOK_ALWAYS),      CALL(fchown, LOOK_ALWAYS),
    CALL(fchownat, LOOK_ALWAYS),        CALL(fsetxattr, LOOK_ALWAYS),     CALL(setxattr, LOOK_ALWAYS),
    CALL(lsetxattr, LOOK_ALWAYS),       CALL(utimensat, LOOK_ALWAYS),     CALL(ioctl, LOOK_REQUEST, 1),
#undef CALL
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(125);
}

/* ---- the command's side ---- */

static int filter_install(void)
{
    struct sock_filter f[ELEMENTS(calls) * 2 + 2];
    unsigned n = 0;

    f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < ELEMENTS(calls); i++) {
        f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number, 0, 1);
        f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    }
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {.len = (unsigned short)n, .filter = f};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        die("no_new_privs");
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static void descriptor_send(int socket, int fd)
{
    char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec io = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    *c = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    if (sendmsg(socket, &m, 0) < 0)
        die("sendmsg");
}

static int descriptor_receive(int socket)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec io = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    int fd;

    if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
        die("no seccomp listener");
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
    return fd;
}

/* ---- ours ---- */

/* Does it change a disk? Index of `calls`, or -1. */
static int counts(const struct seccomp_notif *n)
{
    struct stat st;
    struct open_how how;
    char path[64];

    for (size_t i = 0; i < ELEMENTS(calls); i++) {
        if (calls[i].number != n->data.nr)
            continue;
        const unsigned long long a = n->data.args[calls[i].argument];
        const struct iovec here = {&how, sizeof(how)}, there = {(void *)(uintptr_t)a, sizeof(how)};
        bool yes = true;
        switch (calls[i].look) {
        case LOOK_ALWAYS:
            break;
        case LOOK_FLAGS:
            yes = (a & O_CREAT) || (a & O_TMPFILE) == O_TMPFILE || (a & O_TRUNC);
            break;
        case LOOK_HOW:
            yes = process_vm_readv((pid_t)n->pid, &here, 1, &there, 1, 0) == sizeof(how) &&
                  (how.flags & O_CREAT);
            break;
        case LOOK_DESCRIPTOR:
            snprintf(path, sizeof(path), "/proc/%u/fd/%d", n->pid, (int)a);
            yes = (int)a > 2 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
            break;
        case LOOK_REQUEST:
            yes = a == FIFREEZE || a == FITHAW || a == FICLONE || a == FS_IOC_SETFLAGS;
            break;
        }
        return yes ? (int)i : -1;
    }
    return -1;
}

static int errno_of(const char *name)
{
    static const struct {
        const char *name;
        int code;
    } rows[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EROFS", EROFS}, {"KILL", 0}};
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].code;
    fprintf(stderr, "fail_calls: %s is no error of these\n", name);
    exit(125);
}

typedef struct Plan {
    unsigned long at, count;
    int code; /* 0: kill */
    const char *hit;
    pid_t command;
} Plan;

static void answer(int listener, Plan *p)
{
    struct seccomp_notif n = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
        return; /* killed meanwhile */
    struct seccomp_notif_resp r = {.id = n.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    const int call = counts(&n);
    if (call >= 0 && ++p->count == p->at) {
        p->hit = calls[call].name;
        if (p->code)
            r = (struct seccomp_notif_resp){.id = n.id, .error = -p->code};
        else {
            char thread[64];
            snprintf(thread, sizeof(thread), "/proc/%d/task/%u", (int)p->command, n.pid);
            bool own = access(thread, F_OK) == 0;
            kill(p->command, SIGKILL);
            if (own)
                return; /* an answer might still let the call through */
        }
    }
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

/* Until nobody is left who could ask: children of the command may outlive it. A filter goes when its last
 * process is waited for. */
static int serve(int listener, Plan *p)
{
    bool ended = false;
    int status = 0;
    for (;;) {
        struct pollfd f = {.fd = listener, .events = POLLIN};
        if (poll(&f, 1, 10) < 0 && errno != EINTR)
            die("poll");
        if (f.revents & POLLIN)
            answer(listener, p);
        else if (ended && (f.revents & (POLLHUP | POLLERR | POLLNVAL)))
            return status;
        else if (!ended)
            ended = waitpid(p->command, &status, WNOHANG) == p->command;
    }
}

int main(int argc, char **argv)
{
    int ends[2];
    if (argc < 5)
        return 125;
    Plan p = {.at = strtoul(argv[2], NULL, 10), .code = errno_of(argv[3])};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        die("socketpair");
    p.command = fork();
    if (p.command == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int listener = filter_install();
        if (listener < 0)
            _exit(124);
        descriptor_send(ends[1], listener);
        close(listener);
        execv(argv[4], argv + 4);
        _exit(127);
    }
    close(ends[1]);
    int listener = descriptor_receive(ends[0]);
    const int status = serve(listener, &p);
    FILE *report = fopen(argv[1], "we");
    if (!report || fprintf(report, "%lu %s\n", p.count, p.hit ? p.hit : "-") < 0 || fclose(report) != 0)
        die(argv[1]);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
