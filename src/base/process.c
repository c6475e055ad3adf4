/* fork, exec, and one poll loop that drains stdout and stderr until the child is gone or its time is up.
 * Input is handed over as a file in memory, so that nobody has to feed a pipe, and a child that does not read
 * cannot hold us up or end us by SIGPIPE. A pipe of its own tells whether exec worked. The child gets the
 * default signal set and nothing but its three standard descriptors. The end is the child's end, not that of
 * its pipes: a daemon that it left behind keeps those open for ever. With a time limit the child leads a
 * process group of its own, and all of the group is ended with it. */
#include "base/process.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"

enum { OUTPUT_MAX_DEFAULT = 1 << 20, ERRORS_MAX = 64 << 10, READ_STEP = 16 << 10, GRACE_MS = 2000 };

extern char **environ;

static pthread_rwlock_t starting = PTHREAD_RWLOCK_INITIALIZER; /* written: from fork to exec */

void process_hold(void)
{
    pthread_rwlock_rdlock(&starting);
}

void process_release(void)
{
    pthread_rwlock_unlock(&starting);
}

typedef struct Child {
    pid_t pid;
    int gone;     /* a pidfd: readable when it has ended */
    int out, err; /* our ends */
    bool leads;   /* a process group of its own */
} Child;

static char **merged_environment(const char *const *extra, bool only)
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
        bool replaced = only && strncmp(environ[i], "PATH=", 5);
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
    if (run->timeout_sec && !run->inherit_stdio)
        setpgid(0, 0);
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0 && dup2(fds[i], i) < 0)
            goto fail;
    if (run->chdir && chdir(run->chdir) < 0)
        goto fail;
    if (run->file_max && setrlimit(RLIMIT_FSIZE, &(struct rlimit){run->file_max, run->file_max}) < 0)
        goto fail;
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); /* what others opened without O_CLOEXEC */
    execvpe(run->argv[0], (char *const *)run->argv, env);
fail:;
    int code = errno;
    (void)!write(report, &code, sizeof(code));
    _exit(127);
}

static int open_input(const ProcessRun *run)
{
    if (!run->input) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
    }
    _cleanup_close_ int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = file_write_fd(fd, run->input, run->input_len);
    if (r < 0)
        return r;
    return lseek(fd, 0, SEEK_SET) < 0 ? -errno : TAKE_FD(fd);
}

/* Forks; tells by `report` when the child could not become the program. */
static int spawn(const ProcessRun *run, const int fds[static 3], Child *c)
{
    _cleanup_free_ char **env = merged_environment(run->env, run->env_only);
    int report[2], code = 0;
    if (pipe2(report, O_CLOEXEC) < 0)
        return -errno;
    pthread_rwlock_wrlock(&starting);
    c->pid = fork();
    if (c->pid == 0)
        become(run, env, fds, report[1]);
    int r = c->pid < 0 ? -errno : 0;
    close(report[1]);
    bool failed = c->pid > 0 && read(report[0], &code, sizeof(code)) == (ssize_t)sizeof(code);
    pthread_rwlock_unlock(&starting);
    if (failed) {
        waitpid(c->pid, NULL, 0);
        r = -code;
    }
    close(report[0]);
    return r;
}

static int watch(Child *c)
{
    c->gone = (int)syscall(SYS_pidfd_open, c->pid, 0);
    if (c->gone >= 0)
        return 0;
    int r = -errno;
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    return r;
}

static int start(const ProcessRun *run, Child *c)
{
    int out[2] = {-EBADF, -EBADF}, err[2] = {-EBADF, -EBADF}, r = 0;
    _cleanup_close_ int in = -EBADF;
    if (!run->inherit_stdio) {
        in = open_input(run);
        if (in < 0)
            return in;
        r = run->output && pipe2(out, O_CLOEXEC) < 0 ? -errno : 0;
        if (r == 0 && pipe2(err, O_CLOEXEC) < 0)
            r = -errno;
    }
    _cleanup_close_ int out0 = out[0], out1 = out[1], err0 = err[0], err1 = err[1];
    if (r == 0)
        r = spawn(run, (int[]){in, out1, err1}, c);
    if (r < 0)
        return r;
    c->leads = run->timeout_sec && !run->inherit_stdio;
    if ((r = watch(c)) < 0)
        return r;
    c->out = TAKE_FD(out0);
    c->err = TAKE_FD(err0);
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

/* Returns false when the time is up. */
static bool converse(const ProcessRun *run, Child *c, Buf *errors, bool *ret_over)
{
    const size_t max = run->output_max ? run->output_max : OUTPUT_MAX_DEFAULT;
    const int64_t end = run->timeout_sec ? monotonic_ms() + (int64_t)run->timeout_sec * 1000 : INT64_MAX;
    bool ignored = false;
    for (;;) {
        struct pollfd p[] = {{.fd = c->gone, .events = POLLIN},
                             {.fd = c->out, .events = POLLIN},
                             {.fd = c->err, .events = POLLIN}};
        const int64_t left = end == INT64_MAX ? -1 : end - monotonic_ms();
        if (end != INT64_MAX && left <= 0)
            return false;
        if (poll(p, ELEMENTS(p), left > INT_MAX ? INT_MAX : (int)left) <= 0)
            continue;
        if (p[1].revents)
            drain(&c->out, run->output, max, ret_over);
        if (p[2].revents)
            drain(&c->err, errors, ERRORS_MAX, &ignored);
        if (p[0].revents && !p[1].revents && !p[2].revents) /* gone, and all it said is read */
            return true;
    }
}

static int wait_status(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static bool is_gone(int gone, int ms)
{
    struct pollfd p = {.fd = gone, .events = POLLIN};
    for (int64_t until = monotonic_ms() + ms, now; (now = monotonic_ms()) < until;)
        if (poll(&p, 1, (int)(until - now)) > 0)
            return true;
    return false;
}

static void end(const Child *c)
{
    const pid_t whom = c->leads ? -c->pid : c->pid;
    kill(whom, SIGTERM);
    (void)is_gone(c->gone, GRACE_MS);
    kill(whom, SIGKILL); /* also for those of the group that are still there */
}

static int status_of(int wait)
{
    return WIFEXITED(wait) ? WEXITSTATUS(wait) : 128 + WTERMSIG(wait);
}

static int fail_with(const ProcessRun *run, int wait, const Buf *errors, Error *e)
{
    const int status = status_of(wait);
    size_t len = errors->len;
    while (len > 0 && (errors->data[len - 1] == '\n' || errors->data[len - 1] == ' '))
        len--;
    size_t start_at = len;
    while (start_at > 0 && errors->data[start_at - 1] != '\n')
        start_at--;
    if (len > start_at)
        error_set(e, EIO, "%s: %.*s", run->argv[0], (int)(len - start_at), errors->data + start_at);
    else if (WIFSIGNALED(wait))
        error_set(e, EIO, "%s was ended by signal %d", run->argv[0], WTERMSIG(wait));
    else
        error_set(e, EIO, "%s failed with exit status %d", run->argv[0], status);
    return status;
}

int process_run(const ProcessRun *run, Error *e)
{
    Child c = {.gone = -EBADF, .out = -EBADF, .err = -EBADF};
    _cleanup_buf_ Buf kept = BUF_INIT;
    Buf *errors = run->errors ? run->errors : &kept;
    bool over = false;
    int r = start(run, &c);
    if (r < 0)
        return error_errno(e, r, "starting %s", run->argv[0]);
    const bool in_time = converse(run, &c, errors, &over);
    if (!in_time)
        end(&c);
    const int status = wait_status(c.pid);
    closep(&c.gone);
    closep(&c.out);
    closep(&c.err);
    if (!in_time)
        return error_set(e, ETIMEDOUT, "%s did not end within %u s", run->argv[0], run->timeout_sec);
    if (status)
        return fail_with(run, status, errors, e);
    return over ? error_set(e, EFBIG, "%s wrote more than is taken", run->argv[0]) : 0;
}

int process_start(const ProcessRun *run, int input, int errors, ProcessChild *ret, Error *e)
{
    Child c = {.gone = -EBADF};
    _cleanup_close_ int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int r = out < 0 ? -errno : spawn(run, (int[]){input, out, errors}, &c);
    if (r >= 0)
        r = watch(&c);
    if (r < 0)
        return error_errno(e, r, "starting %s", run->argv[0]);
    *ret = (ProcessChild){.pid = c.pid, .gone = c.gone};
    return 0;
}

int process_stop(ProcessChild *c, int grace_ms)
{
    if (!is_gone(c->gone, grace_ms))
        end(&(Child){.pid = c->pid, .gone = c->gone});
    close(c->gone);
    return status_of(wait_status(c->pid));
}
