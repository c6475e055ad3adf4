/* Request by request, each answered by frames. The calls that it may make are those of libcurl with its
 * resolver's thread and of OpenSSL: sockets, reading files of its small root. What is not told to go on ends
 * with its starter's bell. */
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "net/http_apart.h"
#include "net/http_wire.h"

#define MEMORY_MAX (UINT64_C(1) << 30)

#define CALL(name)                                                                                           \
    {                                                                                                        \
        SYS_##name                                                                                           \
    }
#if defined(__x86_64__) /* what newer architectures no longer have */
#define CALLS_OF_OLD                                                                                         \
    CALL(open), CALL(access), CALL(readlink), CALL(poll), CALL(pipe), CALL(stat), CALL(lstat), CALL(time),
#else
#define CALLS_OF_OLD
#endif

static const SandboxCall calls[] = {
    CALL(read),
    CALL(write),
    CALL(readv),
    CALL(writev),
    CALL(close),
    CALL(ppoll),
    CALL(recvfrom),
    CALL(recvmsg),
    CALL(recvmmsg),
    CALL(sendto),
    CALL(sendmsg),
    CALL(sendmmsg),
    CALL(connect),
    CALL(bind),
    CALL(getsockname),
    CALL(getpeername),
    CALL(getsockopt),
    CALL(setsockopt),
    CALL(shutdown),
    CALL(pipe2),
    CALL(eventfd2),
    CALL(fstat),
    CALL(newfstatat),
    CALL(statx),
    CALL(lseek),
    CALL(pread64),
    CALL(getdents64),
    CALL(faccessat),
    CALL(faccessat2),
    CALL(readlinkat),
    CALL(uname),
    CALL(getpid),
    CALL(gettid),
    CALL(getrandom),
    CALL(set_robust_list),
    CALL(rseq),
    CALL(rt_sigprocmask),
    CALL(rt_sigaction),
    CALL(sigaltstack),
    CALL(nanosleep),
    CALL(clock_nanosleep),
    CALL(gettimeofday),
    CALL(sched_yield),
    CALL(sched_getaffinity),
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
    CALL(dup),
    CALL(dup3),
    CALL(pselect6),
    CALLS_OF_OLD{SYS_socket, .only = {{0, UINT32_MAX, AF_INET}}},
    {SYS_socket, .only = {{0, UINT32_MAX, AF_INET6}}},
    {SYS_socket, .only = {{0, UINT32_MAX, AF_NETLINK}}},
    {SYS_socket, .refuse = EAFNOSUPPORT},
    {SYS_socketpair, .only = {{1, 15, SOCK_STREAM}}}, /* one that could be connected to others is none */
    {SYS_fcntl, .only = {{1, UINT32_MAX, F_GETFL}}},
    {SYS_fcntl, .only = {{1, UINT32_MAX, F_SETFL}}},
    {SYS_fcntl, .only = {{1, UINT32_MAX, F_GETFD}}},
    {SYS_fcntl, .only = {{1, UINT32_MAX, F_SETFD}}},
    {SYS_ioctl, .only = {{1, UINT32_MAX, FIONBIO}}},
    {SYS_ioctl, .only = {{1, UINT32_MAX, FIONREAD}}},
    {SYS_ioctl, .refuse = ENOTTY},
    {SYS_openat, .only = {{2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY}}},
    {SYS_openat, .refuse = EROFS},
    {SYS_mmap, .only = {{2, PROT_EXEC, 0}}},
    {SYS_clone, .only = {{0, CLONE_THREAD, CLONE_THREAD}}},
    {SYS_clone3, .refuse = ENOSYS}, /* whose flags cannot be seen; the C library then takes the other */
};

int http_worker_confine(WorkerEnd *w, Error *e)
{
    return worker_confine(w, MEMORY_MAX, calls, ELEMENTS(calls), e);
}

/* ---- frames ---- */

static void put(WorkerEnd *w, WireKind kind, const void *data, size_t n)
{
    const WireHead head = {kind, (uint32_t)n};
    worker_output(w, &head, sizeof(head));
    worker_output(w, data, n);
}

static int take(void *context, const void *data, size_t n)
{
    for (const char *p = data; n > 0;) {
        const size_t piece = n < WIRE_PIECE_MAX ? n : WIRE_PIECE_MAX;
        put(context, WIRE_BODY, p, piece);
        p += piece;
        n -= piece;
    }
    return 0;
}

static int restart(void *context)
{
    put(context, WIRE_RESTART, "", 0);
    return 0;
}

static void header(void *context, const char *line, size_t n)
{
    if (n <= WIRE_PIECE_MAX)
        put(context, WIRE_HEADER, line, n);
}

static void retrying(void *context, unsigned attempt, const char *url, const char *why)
{
    WireRetry retry = {.attempt = attempt};
    snprintf(retry.url, sizeof(retry.url), "%s", url);
    snprintf(retry.why, sizeof(retry.why), "%s", why);
    put(context, WIRE_RETRYING, &retry, sizeof(retry));
    worker_flush(context); /* it may be long until there is more */
}

/* ---- requests ---- */

/* A length and so many bytes. False: no more requests. */
static bool next_request(WorkerEnd *w, Buf *ret)
{
    uint32_t length;

    if (!worker_read(w, &length, sizeof(length)))
        return false;
    ret->len = 0;
    if (!worker_read(w, buf_reserve(ret, length), length))
        return false;
    ret->len = length;
    return true;
}

static int answer(WorkerEnd *w, HttpSession *session, const Buf *text, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    HttpOptions o;
    HttpRequest r;
    HttpResponse response = {0};
    Error why = ERROR_INIT;
    WireDone done = {0};
    bool restarts;

    if (wire_request_read(a, text->data, text->len, &o, &r, &restarts) < 0)
        return error_set(e, EBADMSG, "no request");
    o.session = session;
    o.retrying = retrying;
    o.context = r.context = w;
    r.sink = take;
    r.header = header;
    r.restart = restarts ? restart : NULL;
    done.code = http_get(&o, &r, &response, &why);
    done.attempts = response.attempts;
    done.status = response.status;
    done.redirected = response.redirected;
    snprintf(done.text, sizeof(done.text), "%s", why.text);
    put(w, WIRE_DONE, &done, sizeof(done));
    return 0;
}

int http_worker_run(WorkerEnd *w, Error *e)
{
    _cleanup_(http_session_freep)
    HttpSession *session = NULL;
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    int r = http_session_new(&session, e);

    if (r >= 0)
        r = http_worker_confine(w, e);
    while (r >= 0 && next_request(w, &text))
        r = answer(w, session, &text, e);
    return r;
}

/* ---- the host ---- */

/* libcurl and what it loads, OpenSSL's configuration, and whoever the system asks for names. */
static void load_libraries(void)
{
    _cleanup_(http_session_freep)
    HttpSession *session = NULL;
    struct addrinfo *found = NULL;

    (void)http_session_new(&session, NULL);
    if (getaddrinfo("localhost", "80", NULL, &found) == 0)
        freeaddrinfo(found);
}

int http_host_new(uid_t uid, gid_t gid, WorkerHost **ret, Error *e)
{
    static const char *const files[] = {"/etc/resolv.conf",
                                        "/etc/hosts",
                                        "/etc/nsswitch.conf",
                                        "/etc/host.conf",
                                        "/etc/gai.conf",
                                        "/etc/services",
                                        "/etc/protocols",
                                        "/etc/localtime",
                                        "/etc/ssl/certs",
                                        "/etc/ssl/cert.pem",
                                        "/etc/ssl/openssl.cnf",
                                        "/etc/pki/ca-trust",
                                        "/etc/pki/tls/certs",
                                        "/etc/pki/tls/cert.pem",
                                        "/etc/pki/tls/openssl.cnf",
                                        "/usr/share/ca-certificates",
                                        "/usr/local/share/ca-certificates",
                                        "/usr/share/pki",
                                        NULL};
    const WorkerHostOptions o = {
        .what = "the process that fetches",
        .load = load_libraries,
        .rights = {.become = true, .uid = uid, .gid = gid, .files = files, .filter = true}};
    return worker_host_new(&o, ret, e);
}
