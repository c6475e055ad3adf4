/* Host and program share a socket: a task with five descriptors goes one way, a pidfd comes back. The host
 * has nothing of the program's but its memory as it was when it was forked; a worker has of the host's one
 * socket and two rings. */
#include "base/worker_host.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd_pass.h"

enum {
    HOST_SOCKET = 3,
    WORKER_FDS = 5,  /* bell, then control and data of both rings */
    BELLS_MAX = 100, /* that are listened to at once */
    WAIT_MS = 200
};

struct WorkerHost {
    const char *what;
    pthread_mutex_t mutex;
    pid_t process;
    int socket;
    unsigned lacks;
};

typedef struct Hello {
    unsigned lacks;
    WorkerVerdict verdict;
} Hello;

/* ---- in a worker ---- */

static _noreturn_ void worker_run(const WorkerTask *task, unsigned lacks, int fds[WORKER_FDS])
{
    WorkerEnd w = {.task = task, .lacks = lacks, .bell = WORKER_BELL};
    Error e = ERROR_INIT;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || dup2(fds[0], WORKER_BELL) < 0)
        _exit(1);
    int r = ring_attach(fds + 1, task->in, false, w.bell, &w.in, &e);
    if (r >= 0)
        r = ring_attach(fds + 3, task->out, true, w.bell, &w.out, &e);
    (void)close_range(WORKER_BELL + 1, ~0U, 0);
    if (r >= 0)
        r = task->run(&w, &e);
    worker_tell(&w, r, &e);
    _exit(0);
}

/* ---- in the host ---- */

/* Neither a terminal nor anything of the program's; who asks the program to stop does not mean us. */
static int let_go(int socket)
{
    static const int asked[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (size_t i = 0; i < ELEMENTS(asked); i++)
        signal(asked[i], SIG_IGN);
    if (null < 0 || (socket != HOST_SOCKET && dup2(socket, HOST_SOCKET) < 0))
        return -errno;
    for (int i = 0; i < 3; i++)
        if (dup2(null, i) < 0)
            return -errno;
    return close_range(HOST_SOCKET + 1, ~0U, 0) < 0 ? -errno : 0;
}

static int task_start(const WorkerTask *task, unsigned lacks, int fds[WORKER_FDS])
{
    pid_t pid = fork();
    if (pid == 0)
        worker_run(task, lacks, fds);
    if (pid < 0)
        return -errno;
    int process = (int)syscall(SYS_pidfd_open, pid, 0); /* it is not waited for before */
    return process < 0 ? -errno : process;
}

static void host_serve(unsigned lacks)
{
    WorkerTask task;
    int fds[WORKER_FDS];

    while (fd_receive(HOST_SOCKET, &task, sizeof(task), fds, WORKER_FDS) == (ssize_t)sizeof(task)) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        int r = fds[0] < 0 ? -EMFILE : task_start(&task, lacks, fds);
        _cleanup_close_ int process = r;
        for (size_t i = 0; i < WORKER_FDS; i++)
            closep(&fds[i]);
        const int32_t code = r < 0 ? r : 0;
        if (r < 0 ? send(HOST_SOCKET, &code, sizeof(code), MSG_NOSIGNAL) < 0
                  : fd_send(HOST_SOCKET, &code, sizeof(code), &process, 1) < 0)
            return;
    }
}

static _noreturn_ void host_run(const WorkerHostOptions *o, int socket)
{
    Hello hello = {0};
    Error e = ERROR_INIT;

    if (o->load)
        o->load();
    int r = let_go(socket);
    r = r < 0 ? error_errno(&e, r, "letting go of descriptors") : sandbox_enter(&o->rights, &hello.lacks, &e);
    hello.verdict.code = r < 0 ? r : 0;
    snprintf(hello.verdict.text, sizeof(hello.verdict.text), "%s", e.text);
    if (send(HOST_SOCKET, &hello, sizeof(hello), MSG_NOSIGNAL) == (ssize_t)sizeof(hello) && r >= 0)
        host_serve(hello.lacks);
    while (waitpid(-1, NULL, 0) > 0) /* all are ended by now; their time is counted */
        ;
    _exit(0);
}

/* ---- in the program ---- */

int worker_host_new(const WorkerHostOptions *o, WorkerHost **ret, Error *e)
{
    Hello hello;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_errno(e, -errno, "%s", o->what);
    _cleanup_(worker_host_freep)
    WorkerHost *h = calloc(1, sizeof(*h));
    if (!h)
        abort();
    pthread_mutex_init(&h->mutex, NULL);
    h->what = o->what;
    h->socket = ends[0];
    h->process = fork();
    if (h->process == 0)
        host_run(o, ends[1]);
    const int code = errno;
    close(ends[1]);
    if (h->process < 0)
        return error_errno(e, -code, "%s", o->what);
    ssize_t n;
    while ((n = recv(h->socket, &hello, sizeof(hello), 0)) < 0 && errno == EINTR)
        ;
    if (n != (ssize_t)sizeof(hello))
        return error_set(e, EIO, "%s ended at once", o->what);
    if (hello.verdict.code < 0)
        return error_set(e, -hello.verdict.code, "%s: %s", o->what, hello.verdict.text);
    h->lacks = hello.lacks;
    *ret = TAKE_PTR(h);
    return 0;
}

void worker_host_free(WorkerHost *h)
{
    if (!h)
        return;
    close(h->socket); /* which it waits for */
    while (h->process > 0 && waitpid(h->process, NULL, 0) < 0 && errno == EINTR)
        ;
    pthread_mutex_destroy(&h->mutex);
    free(h);
}

unsigned worker_host_lacks(const WorkerHost *h)
{
    return h->lacks;
}

static int ask_host(WorkerHost *h, const WorkerTask *task, const int fds[WORKER_FDS], int *ret)
{
    int32_t code = -EIO;

    pthread_mutex_lock(&h->mutex);
    int r = fd_send(h->socket, task, sizeof(*task), fds, WORKER_FDS);
    if (r >= 0 && fd_receive(h->socket, &code, sizeof(code), ret, 1) != (ssize_t)sizeof(code))
        code = -EIO;
    pthread_mutex_unlock(&h->mutex);
    return r < 0 ? r : code < 0 ? code : *ret < 0 ? -EMFILE : 0;
}

int worker_start(WorkerHost *h, const WorkerTask *task, Worker *ret, Error *e)
{
    int fds[WORKER_FDS] = {-EBADF, -EBADF, -EBADF, -EBADF, -EBADF}, bells[2];
    Worker worker = WORKER_NONE;

    worker.what = h->what;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, bells) < 0)
        return error_errno(e, -errno, "%s", h->what);
    worker.bell = bells[0];
    fds[0] = bells[1];
    int r = ring_new(task->in, true, worker.bell, &worker.in, fds + 1, e);
    if (r >= 0)
        r = ring_new(task->out, false, worker.bell, &worker.out, fds + 3, e);
    if (r >= 0 && (r = ask_host(h, task, fds, &worker.process)) < 0)
        (void)error_errno(e, r, "%s", h->what);
    for (size_t i = 0; i < WORKER_FDS; i++)
        closep(&fds[i]);
    if (r < 0)
        worker_stop(&worker);
    else
        *ret = worker;
    return r;
}

/* A worker's words are a stranger's. */
static void verdict_take(Worker *w, WorkerVerdict *v)
{
    v->text[sizeof(v->text) - 1] = '\0';
    for (char *c = v->text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    if (v->code > 0 || v->code < -4095)
        v->code = -EBADMSG;
    if (v->code < 0 && !v->text[0])
        snprintf(v->text, sizeof(v->text), "it failed");
    w->verdict = *v;
    w->told = true;
}

int worker_listen(Worker *w, Error *e)
{
    WorkerVerdict v;
    ssize_t n;

    for (unsigned i = 0; !w->told && (n = recv(w->bell, &v, sizeof(v), MSG_DONTWAIT)) != 0; i++) {
        /* ECONNRESET: it has ended with a bell that it did not hear. What it sent before is behind that. */
        if (n < 0 && (errno == EINTR || errno == ECONNRESET))
            continue;
        if (i == BELLS_MAX || (n < 0 && errno == EAGAIN))
            return 0;
        if (n == (ssize_t)sizeof(v))
            verdict_take(w, &v);
        else if (n != 1)
            break;
    }
    return w->told ? 0 : error_set(e, EIO, "%s ended without a word", w->what);
}

void worker_stop(Worker *w)
{
    struct pollfd p = {.fd = w->process, .events = POLLIN};

    ring_done(&w->in);
    ring_done(&w->out);
    if (w->process >= 0) {
        (void)syscall(SYS_pidfd_send_signal, w->process, SIGKILL, NULL, 0);
        while (poll(&p, 1, -1) < 0 && errno == EINTR)
            ;
    }
    closep(&w->process);
    closep(&w->bell);
    w->process = w->bell = -EBADF;
}

/* ---- all of it ---- */

static int impossible(const Worker *w, Error *e)
{
    return error_set(e, EBADMSG, "%s says what cannot be", w->what);
}

int worker_still_wanted(WorkerWait *wait, Error *e)
{
    const int64_t now = monotonic_ms();

    if (!wait->stopped || now - wait->asked < WAIT_MS)
        return 0;
    wait->asked = now;
    return wait->stopped(wait->context) ? error_set(e, ECANCELED, "it is no longer wanted") : 0;
}

/* A verdict is not waited for here: whoever fails says so. */
static int wait_for(Worker *w, Ring *what, WorkerWait *wait, Error *e)
{
    struct pollfd bell = {.fd = w->bell, .events = POLLIN};
    int r = worker_still_wanted(wait, e);

    if (r < 0 || ring_wait_begin(what))
        return r;
    ring_flush(&w->in);
    ring_flush(&w->out);
    const int64_t now = monotonic_ms();
    wait->since = wait->since ? wait->since : now;
    if (wait->limit_ms && now - wait->since > wait->limit_ms)
        return error_set(e, ETIMEDOUT, "%s does nothing any more", w->what);
    (void)poll(&bell, 1, WAIT_MS);
    r = worker_listen(w, e);
    if (r >= 0 && w->told)
        r = w->verdict.code < 0 ? error_set(e, -w->verdict.code, "%s", w->verdict.text) : impossible(w, e);
    return r;
}

/* How much of `n` can be moved now. */
static ssize_t some(Worker *w, Ring *r, size_t n, uint8_t **ret, WorkerWait *wait, Error *e)
{
    for (;;) {
        ssize_t there = ring_piece(r, ret);
        if (there < 0)
            return impossible(w, e);
        if (there > 0) {
            wait->since = 0;
            return (size_t)there < n ? there : (ssize_t)n;
        }
        int k = wait_for(w, r, wait, e);
        if (k < 0)
            return k;
    }
}

int worker_send(Worker *w, const void *data, size_t n, WorkerWait *wait, Error *e)
{
    for (const char *from = data; n > 0;) {
        uint8_t *to;
        ssize_t piece = some(w, &w->in, n, &to, wait, e);
        if (piece < 0)
            return (int)piece;
        memcpy(to, from, (size_t)piece);
        ring_move(&w->in, (size_t)piece);
        from += piece;
        n -= (size_t)piece;
    }
    return 0;
}

int worker_receive(Worker *w, void *to, size_t n, WorkerWait *wait, Error *e)
{
    for (char *at = to; n > 0;) {
        uint8_t *from;
        ssize_t piece = some(w, &w->out, n, &from, wait, e);
        if (piece < 0)
            return (int)piece;
        memcpy(at, from, (size_t)piece);
        ring_move(&w->out, (size_t)piece);
        at += piece;
        n -= (size_t)piece;
    }
    return 0;
}
