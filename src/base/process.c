/* fork, exec, and one poll loop that feeds stdin and drains stdout and stderr until the child is gone or its
 * time is up. A pipe of its own tells whether exec worked. The child gets the default signal set and nothing
 * but its three standard descriptors (everything here is O_CLOEXEC). */
#include "base/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum { OUTPUT_MAX_DEFAULT = 1 << 20, ERRORS_MAX = 64 << 10, READ_STEP = 16 << 10, GRACE_MS = 2000 };

extern char **environ;

typedef struct Child {
    pid_t pid;
    int in, out, err; /* our ends */
} Child;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static char **merged_environment(const char *const *extra)
{
    size_t n = 0, m = 0;
    while (environ[n])
        n++;
    while (extra && extra[m])
        m++;
    char **env = calloc(n + m + 1, sizeof(*env));
    if (!env)
        abort();
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        bool replaced = false;
        size_t name = strcspn(environ[i], "=") + 1;
        for (size_t j = 0; j < m; j++)
            replaced = replaced || !strncmp(environ[i], extra[j], name);
        if (!replaced)
            env[k++] = environ[i];
    }
    for (size_t j = 0; j < m; j++)
        env[k++] = (char *)extra[j];
    return env;
}

static _noreturn_ void become(const ProcessRun *run, char **env, const int fds[static 3], int report)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0 && dup2(fds[i], i) < 0)
            goto fail;
    if (run->chdir && chdir(run->chdir) < 0)
        goto fail;
    execvpe(run->argv[0], (char *const *)run->argv, env);
fail:;
    int code = errno;
    (void)!write(report, &code, sizeof(code));
    _exit(127);
}

static int open_pipes(const ProcessRun *run, int in[static 2], int out[static 2], int err[static 2])
{
    if (run->inherit_stdio)
        return 0;
    if (run->input ? pipe2(in, O_CLOEXEC) < 0 : (in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
        return -errno;
    if (run->output && pipe2(out, O_CLOEXEC) < 0)
        return -errno;
    return pipe2(err, O_CLOEXEC) < 0 ? -errno : 0;
}

static int start(const ProcessRun *run, Child *c)
{
    int in[2] = {-EBADF, -EBADF}, out[2] = {-EBADF, -EBADF}, err[2] = {-EBADF, -EBADF}, report[2], code = 0;
    int r = open_pipes(run, in, out, err);
    _cleanup_close_ int in0 = in[0], in1 = in[1], out0 = out[0], out1 = out[1], err0 = err[0], err1 = err[1];
    if (r < 0)
        return r;
    if (pipe2(report, O_CLOEXEC) < 0)
        return -errno;
    _cleanup_free_ char **env = merged_environment(run->env);
    pid_t pid = fork();
    if (pid == 0)
        become(run, env, (int[]){in0, out1, err1}, report[1]);
    r = pid < 0 ? -errno : 0;
    close(report[1]);
    if (pid > 0 && read(report[0], &code, sizeof(code)) == (ssize_t)sizeof(code)) {
        waitpid(pid, NULL, 0);
        r = -code;
    }
    close(report[0]);
    if (r < 0)
        return r;
    *c = (Child){.pid = pid, .in = TAKE_FD(in1), .out = TAKE_FD(out0), .err = TAKE_FD(err0)};
    return 0;
}

/* 1 while there is more. What is over the limit is read and dropped, so that the child never blocks. */
static int drain(int *fd, Buf *to, size_t max, bool *ret_over)
{
    char piece[READ_STEP];
    ssize_t n = read(*fd, piece, sizeof(piece));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 1;
    if (n <= 0) {
        closep(fd);
        *fd = -EBADF;
        return 0;
    }
    size_t room = max > to->len ? max - to->len : 0;
    *ret_over = *ret_over || (size_t)n > room;
    buf_add(to, piece, (size_t)n < room ? (size_t)n : room);
    return 1;
}

static void feed(const ProcessRun *run, Child *c, size_t *sent)
{
    ssize_t n = write(c->in, (const char *)run->input + *sent, run->input_len - *sent);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    *sent += n > 0 ? (size_t)n : 0;
    if (n < 0 || *sent == run->input_len) {
        close(c->in);
        c->in = -EBADF;
    }
}

/* Returns false when the time is up. */
static bool converse(const ProcessRun *run, Child *c, Buf *errors, bool *ret_over)
{
    size_t sent = 0, max = run->output_max ? run->output_max : OUTPUT_MAX_DEFAULT;
    int64_t end = run->timeout_sec ? now_ms() + (int64_t)run->timeout_sec * 1000 : INT64_MAX;
    bool ignored = false;
    while (c->out >= 0 || c->err >= 0 || c->in >= 0) {
        struct pollfd p[] = {{.fd = c->in, .events = POLLOUT},
                             {.fd = c->out, .events = POLLIN},
                             {.fd = c->err, .events = POLLIN}};
        int64_t left = end == INT64_MAX ? -1 : end - now_ms();
        if (end != INT64_MAX && left <= 0)
            return false;
        if (poll(p, ELEMENTS(p), (int)left) <= 0)
            continue;
        if (p[0].revents)
            feed(run, c, &sent);
        if (p[1].revents)
            drain(&c->out, run->output, max, ret_over);
        if (p[2].revents)
            drain(&c->err, errors, ERRORS_MAX, &ignored);
    }
    while (end != INT64_MAX) { /* its pipes are closed, it may still run */
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid)
            break;
        if (now_ms() >= end)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return true;
}

static int wait_status(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void end(pid_t pid)
{
    kill(pid, SIGTERM);
    for (int waited = 0; waited < GRACE_MS; waited += 10) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    kill(pid, SIGKILL);
}

static int fail_with(const ProcessRun *run, int status, const Buf *errors, Error *e)
{
    size_t len = errors->len;
    while (len > 0 && (errors->data[len - 1] == '\n' || errors->data[len - 1] == ' '))
        len--;
    size_t start_at = len;
    while (start_at > 0 && errors->data[start_at - 1] != '\n')
        start_at--;
    if (len > start_at)
        error_set(e, EIO, "%s: %.*s", run->argv[0], (int)(len - start_at), errors->data + start_at);
    else if (status > 128)
        error_set(e, EIO, "%s was ended by signal %d", run->argv[0], status - 128);
    else
        error_set(e, EIO, "%s failed with exit status %d", run->argv[0], status);
    return status;
}

int process_run(const ProcessRun *run, Error *e)
{
    Child c = {0};
    _cleanup_buf_ Buf kept = BUF_INIT;
    Buf *errors = run->errors ? run->errors : &kept;
    bool over = false;
    int r = start(run, &c);
    if (r < 0)
        return error_errno(e, r, "starting %s", run->argv[0]);
    struct sigaction ignore = {.sa_handler = SIG_IGN}, former;
    sigaction(SIGPIPE, &ignore, &former);
    bool in_time = converse(run, &c, errors, &over);
    sigaction(SIGPIPE, &former, NULL);
    if (!in_time)
        end(c.pid);
    int status = wait_status(c.pid);
    closep(&c.in);
    closep(&c.out);
    closep(&c.err);
    if (!in_time)
        return error_set(e, ETIMEDOUT, "%s did not end within %u s", run->argv[0], run->timeout_sec);
    if (status)
        return fail_with(run, status, errors, e);
    return over ? error_set(e, EFBIG, "%s wrote more than is taken", run->argv[0]) : 0;
}
