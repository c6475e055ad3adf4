/* What a process that fetches may do; and processes of a worse kind in its place. That it fetches as the
 * client of one process does is tried by tests/oci/registry.py, once with each. */
#include "../scratch.h"

#include <arpa/inet.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <signal.h>

#include "net/http_apart.h"
#include "net/http_wire.h"

static WorkerHost *host;

static int setup(void **state)
{
    Error e = ERROR_INIT;
    (void)state;
    if (http_host_new(SANDBOX_NOBODY, SANDBOX_NOBODY, &host, &e) < 0)
        fail_msg("%s", e.text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    worker_host_free(host);
    return 0;
}

/* ---- what it may do ---- */

static int confined(WorkerEnd *w, int (*attempt)(void), Error *e)
{
    int r = http_worker_confine(w, e);
    if (r < 0)
        return r;
    errno = 0;
    return attempt() >= 0 ? error_set(e, EDOM, "it went on") : 0;
}

#define ATTEMPT(name, expression)                                                                            \
    static int try_##name(void)                                                                              \
    {                                                                                                        \
        return (int)(expression);                                                                            \
    }                                                                                                        \
    static int attempt_##name(WorkerEnd *w, Error *e)                                                        \
    {                                                                                                        \
        return confined(w, try_##name, e);                                                                   \
    }

static int unix_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, path);
    return connect(s, (const struct sockaddr *)&address, sizeof(address));
}

/* These fail. */
ATTEMPT(passwd, open("/etc/passwd", O_RDONLY))
ATTEMPT(shadow, open("/etc/shadow", O_RDONLY))
ATTEMPT(proc, open("/proc/self/status", O_RDONLY))
ATTEMPT(library, open("/usr/lib", O_RDONLY))
ATTEMPT(up, open("/../../bin/sh", O_RDONLY))
ATTEMPT(write, open("/etc/hosts", O_WRONLY))
ATTEMPT(make, open("/x", O_WRONLY | O_CREAT, 0644))
ATTEMPT(unix, unix_connect("/run/dbus/system_bus_socket"))
ATTEMPT(raw, socket(AF_INET, SOCK_RAW, IPPROTO_ICMP))
ATTEMPT(packet, socket(AF_PACKET, SOCK_RAW, 0))
/* And these end it. */
ATTEMPT(fork, fork())
ATTEMPT(exec, execl("/bin/true", "true", NULL))
ATTEMPT(trace, ptrace(PTRACE_ATTACH, getppid(), NULL, NULL))
ATTEMPT(kill, kill(getppid(), SIGTERM))
ATTEMPT(code, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
ATTEMPT(mount, syscall(SYS_mount, "x", "/", "tmpfs", 0, NULL))
ATTEMPT(unshare, unshare(CLONE_NEWUSER))
ATTEMPT(listen, listen(socket(AF_INET, SOCK_STREAM, 0), 1))
ATTEMPT(uring, syscall(SYS_io_uring_setup, 1, NULL))
ATTEMPT(remove, unlink("/etc/hosts"))

/* Before the filter: what the host has given up already. */
static int look_around(WorkerEnd *w, Error *e)
{
    (void)w;
    if (getuid() != SANDBOX_NOBODY || geteuid() != SANDBOX_NOBODY || getgroups(0, NULL) != 0 ||
        setuid(0) == 0)
        return error_set(e, EDOM, "user %u", getuid());
    if (mkdir("/x", 0755) == 0 || chmod("/etc/hosts", 0777) == 0 || chroot("/") == 0 ||
        access("/bin/sh", F_OK) == 0 || access("/proc/self", F_OK) == 0 || access("/run", F_OK) == 0)
        return error_set(e, EDOM, "a root with more in it");
    for (int fd = 4; fd < 1000; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            return error_set(e, EDOM, "descriptor %d", fd);
    return 0;
}

static void attempt(const char *name, int (*run)(WorkerEnd *, Error *), bool ended)
{
    const WorkerTask task = {.run = run, .in = 4096, .out = 4096};
    Worker w = WORKER_NONE;
    Error e = ERROR_INIT;
    int r;

    assert_int_equal(worker_start(host, &task, &w, &e), 0);
    while ((r = worker_listen(&w, &e)) == 0 && !w.told)
        usleep(1000);
    if (ended ? w.told : r < 0 || w.verdict.code < 0)
        fail_msg("%s: %s%s", name, e.text, w.told ? w.verdict.text : "");
    worker_stop(&w);
}

static void test_confined(void **state)
{
    (void)state;

    if (geteuid() == 0 && worker_host_lacks(host) == 0)
        attempt("looking around", look_around, false);
    if (worker_host_lacks(host))
        skip();
    attempt("passwd", attempt_passwd, false);
    attempt("shadow", attempt_shadow, false);
    attempt("proc", attempt_proc, false);
    attempt("library", attempt_library, false);
    attempt("up", attempt_up, false);
    attempt("write", attempt_write, false);
    attempt("make", attempt_make, false);
    attempt("unix", attempt_unix, false);
    attempt("raw", attempt_raw, false);
    attempt("packet", attempt_packet, false);
    attempt("fork", attempt_fork, true);
    attempt("exec", attempt_exec, true);
    attempt("trace", attempt_trace, true);
    attempt("kill", attempt_kill, true);
    attempt("code", attempt_code, true);
    attempt("mount", attempt_mount, true);
    attempt("unshare", attempt_unshare, true);
    attempt("listen", attempt_listen, true);
    attempt("uring", attempt_uring, true);
    attempt("remove", attempt_remove, true);
}

/* ---- hostile ones ---- */

static int take(void *context, const void *data, size_t n)
{
    uint64_t *left = context;
    (void)data;
    if (n > *left)
        return -EFBIG;
    *left -= n;
    return 0;
}

static bool cancelled(void *context)
{
    int *asked = context; /* < 0: never */
    return *asked >= 0 && ++*asked > 3;
}

typedef struct Ask {
    uint64_t max;
    bool stop;
} Ask;

static int ask(const WorkerTask *task, const Ask *how, HttpResponse *ret, Error *e)
{
    _cleanup_(http_apart_freep)
    HttpApart *a = http_apart_new(host);
    uint64_t left = 1 << 20;
    int asked = how->stop ? 0 : -1;
    const HttpOptions o = {.attempts = 1,
                           .connect_ms = 2000,
                           .response_headers_ms = 1000,
                           .stall_ms = 1000,
                           .cancelled = cancelled,
                           .context = &asked};
    const HttpRequest r = {.url = "http://name.invalid/", .max = how->max, .sink = take, .context = &left};

    if (task)
        http_apart_set(a, task);
    return http_apart_get(a, &o, &r, ret, e);
}

static void refused(int (*run)(WorkerEnd *, Error *), const Ask *how, int code, const char *said)
{
    const WorkerTask task = {.run = run, .in = 65536, .out = 65536};
    Error e = ERROR_INIT;

    int r = ask(run ? &task : NULL, how, NULL, &e);
    if (r != code || !strstr(e.text, said))
        fail_msg("%d: %s, and not: %s", r, e.text, said);
    assert_null(strpbrk(e.text, "\n\033"));
}

static void put(WorkerEnd *w, uint32_t kind, uint32_t length, const void *data, size_t n)
{
    const WireHead head = {kind, length};
    worker_output(w, &head, sizeof(head));
    worker_output(w, data, n);
    worker_flush(w);
}

static const char much[WIRE_PIECE_MAX];

static int quiet(WorkerEnd *w, Error *e)
{
    (void)w;
    (void)e;
    _exit(0);
}

static int at_once(WorkerEnd *w, Error *e)
{
    (void)w;
    (void)e;
    return 0;
}

static int rude(WorkerEnd *w, Error *e)
{
    (void)w;
    return error_set(e, 99999, "one\ntwo\033[31m");
}

static int endless(WorkerEnd *w, Error *e)
{
    (void)e;
    for (;;)
        put(w, WIRE_BODY, sizeof(much), much, sizeof(much));
    return 0;
}

static int headers(WorkerEnd *w, Error *e)
{
    (void)e;
    for (;;)
        put(w, WIRE_HEADER, 0, "", 0);
    return 0;
}

static int retries(WorkerEnd *w, Error *e)
{
    static const WireRetry retry;
    (void)e;
    for (;;)
        put(w, WIRE_RETRYING, sizeof(retry), &retry, sizeof(retry));
    return 0;
}

static int long_frame(WorkerEnd *w, Error *e)
{
    (void)e;
    put(w, WIRE_BODY, UINT32_MAX, much, sizeof(much));
    return pause();
}

static int no_kind(WorkerEnd *w, Error *e)
{
    (void)e;
    put(w, 17, 1, "x", 1);
    return pause();
}

static int short_end(WorkerEnd *w, Error *e)
{
    (void)e;
    put(w, WIRE_DONE, 3, "xyz", 3);
    return pause();
}

static int unasked_restart(WorkerEnd *w, Error *e)
{
    (void)e;
    put(w, WIRE_RESTART, 0, "", 0);
    return pause();
}

static int end_with(WorkerEnd *w, int32_t code, int64_t status, const char *text)
{
    WireDone done = {.code = code, .status = status};
    snprintf(done.text, sizeof(done.text), "%s", text);
    put(w, WIRE_DONE, sizeof(done), &done, sizeof(done));
    return pause();
}

static int bad_code(WorkerEnd *w, Error *e)
{
    (void)e;
    return end_with(w, 12345, 200, "");
}

static int bad_status(WorkerEnd *w, Error *e)
{
    (void)e;
    return end_with(w, 0, -1, "");
}

static int no_words(WorkerEnd *w, Error *e)
{
    (void)e;
    return end_with(w, -EIO, 0, "");
}

static int words(WorkerEnd *w, Error *e)
{
    (void)e;
    return end_with(w, -EIO, 0, "one\ntwo\033[31m");
}

static int positions(WorkerEnd *w, Error *e)
{
    (void)e;
    memset((void *)w->out.control, 0xff, 64);
    return pause();
}

static int deaf(WorkerEnd *w, Error *e)
{
    (void)w;
    (void)e;
    return pause();
}

static void test_hostile(void **state)
{
    static const char cannot[] = "the process that fetches says what cannot be";
    static const Ask once = {0}, bounded = {.max = 100000}, stopped = {.stop = true};
    (void)state;

    refused(quiet, &once, -EIO, "the process that fetches ended without a word");
    refused(at_once, &once, -EBADMSG, cannot);
    refused(rude, &once, -EBADMSG, "one?two?[31m");
    refused(endless, &once, -EFBIG, "taking the answer");
    refused(endless, &bounded, -EFBIG, "the answer has more than 100000 bytes");
    refused(headers, &once, -EFBIG, "too many headers");
    refused(retries, &stopped, -ECANCELED, "no longer wanted");
    refused(long_frame, &once, -EBADMSG, cannot);
    refused(no_kind, &once, -EBADMSG, cannot);
    refused(short_end, &once, -EBADMSG, cannot);
    refused(unasked_restart, &once, -EBADMSG, cannot);
    refused(bad_code, &once, -EBADMSG, cannot);
    refused(bad_status, &once, -EBADMSG, cannot);
    refused(no_words, &once, -EBADMSG, cannot);
    refused(words, &once, -EIO, "one?two?[31m");
    refused(positions, &once, -EBADMSG, cannot);
    refused(deaf, &stopped, -ECANCELED, "no longer wanted");
}

/* The resolver, with its thread and whatever it opens, gets through the filter. */
static void test_no_name(void **state)
{
    (void)state;
    refused(NULL, &(Ask){0}, -EIO, "GET http://name.invalid/: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_confined),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_no_name),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
