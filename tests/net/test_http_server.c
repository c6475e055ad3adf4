/* The server in a child process, spoken to over the loopback interface; TLS by curl's program. */
#include "../scratch.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "net/http_server.h"
#include "net/pki.h"

/* The address sanitizer keeps freed memory for a while, so pages say nothing under it. */
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

static volatile sig_atomic_t reload;

static void on_hup(int signal)
{
    (void)signal;
    reload = 1;
}

static char big[32 << 20]; /* past what sockets hold */

static HttpAnswer answer(void *context, const HttpExchange *x, const char *method, const char *path)
{
    HttpBody *body = context;
    if (strcmp(method, "GET") && strcmp(method, "HEAD"))
        return (HttpAnswer){.status = 405, .allow = "GET, HEAD"};
    if (!strcmp(path, "/seen")) {
        const char *q = http_exchange_query(x, "q"), *h = http_exchange_header(x, "x-own");
        char text[256];
        snprintf(text, sizeof(text), "%s %s %s", http_exchange_peer(x), q ? q : "-", h ? h : "-");
        return (HttpAnswer){.status = 200, .body = http_body_new(text, strlen(text))};
    }
    if (!strcmp(path, "/big"))
        return (HttpAnswer){.status = 200, .body = http_body_new(big, sizeof(big))};
    if (strcmp(path, "/body"))
        return (HttpAnswer){.status = 404};
    return (HttpAnswer){.status = 200, .content_type = "text/plain", .body = http_body_ref(body)};
}

typedef struct Running {
    pid_t pid;
    uint16_t port;
} Running;

static void use_certificate(HttpServer *s, const char *name)
{
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL;
    Certificate *c = NULL;
    _cleanup_buf_ Buf pem = BUF_INIT, private = BUF_INIT;
    CertificateSpec spec = {.common_name = name,
                            .use = CERTIFICATE_SERVER,
                            .not_before = time(NULL) - 60,
                            .not_after = time(NULL) + 3600};
    Error e = ERROR_INIT;
    if (key_pair_new(KEY_P256, &key, &e) < 0 || certificate_issue(&spec, key, NULL, key, &c, &e) < 0)
        _exit(3);
    certificate_write(c, &pem);
    key_pair_write_private(key, &private);
    certificate_free(c);
    /* What cannot be used is refused and changes nothing. */
    if (http_server_set_certificate(s, "nothing", "nothing", &e) >= 0)
        _exit(4);
    if (http_server_set_certificate(s, pem.data, private.data, &e) < 0)
        _exit(5);
}

static void serve(HttpServer *s, bool tls)
{
    struct sigaction hup = {.sa_handler = on_hup};
    sigaction(SIGHUP, &hup, NULL);
    for (;;) {
        struct pollfd p = {.fd = http_server_fd(s), .events = POLLIN};
        poll(&p, 1, http_server_timeout_ms(s));
        if (reload && tls)
            use_certificate(s, "second");
        reload = 0;
        http_server_work(s);
    }
}

/* What the caller leaves out of the options is what every test has. */
static Running server_start(HttpServerOptions o)
{
    o.address = "127.0.0.1";
    o.handler = answer;
    o.context = http_body_new("hello", 5);
    HttpServer *s = NULL;
    assert_int_equal(http_server_new(&o, &s, NULL), 0);
    Running r = {.port = http_server_port(s), .pid = fork()};
    if (r.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves no server */
        if (o.tls)
            use_certificate(s, "first");
        serve(s, o.tls);
    }
    http_server_free(s);
    http_body_unref(o.context);
    return r;
}

static void server_stop(Running *r)
{
    int status;
    assert_int_equal(waitpid(r->pid, &status, WNOHANG), 0); /* it still lives */
    kill(r->pid, SIGTERM);
    waitpid(r->pid, &status, 0);
}

static int dial(const Running *r)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(r->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

/* What the server says until `enough` is in it, or it closes. */
static void say(int fd, const char *text, const char *enough, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        return;
    for (ssize_t got; n < size - 1 && (got = recv(fd, out + n, size - 1 - n, 0)) > 0;) {
        n += (size_t)got;
        out[n] = '\0';
        if (enough && strstr(out, enough))
            return;
    }
}

static unsigned descriptors(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    _cleanup_closedir_ DIR *d = opendir(path);
    unsigned n = 0;
    while (d && readdir(d))
        n++;
    return n;
}

static long resident_pages(pid_t pid)
{
    char path[64];
    long size = 0, resident = 0;
    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    _cleanup_fclose_ FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
    return resident;
}

static void subject(const Running *r, const char *expect)
{
    char line[256], out[1024] = "";
    snprintf(line, sizeof(line),
             "openssl s_client -connect 127.0.0.1:%u </dev/null 2>/dev/null | openssl x509 -noout -subject",
             r->port);
    for (unsigned i = 0; i < 50 && !strstr(out, expect); i++) {
        FILE *p = popen(line, "re");
        assert_non_null(p);
        out[fread(out, 1, sizeof(out) - 1, p)] = '\0';
        pclose(p);
        if (!strstr(out, expect))
            usleep(100000);
    }
    assert_non_null(strstr(out, expect));
}

static void test_answers(void **state)
{
    (void)state;
    Running r = server_start((HttpServerOptions){0});
    char out[4096];
    int fd = dial(&r);
    say(fd, "HEAD /body HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n", out, sizeof(out));
    assert_non_null(strstr(out, "200 OK\r\n"));
    assert_non_null(strstr(out, "Content-Length: 5\r\n"));
    assert_null(strstr(out, "hello"));
    say(fd, "GET /none HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n", out, sizeof(out)); /* the same connection */
    assert_non_null(strstr(out, "404 "));
    assert_non_null(strstr(out, "Content-Length: 0\r\n"));
    say(fd, "GET /seen?q=a%20b HTTP/1.1\r\nHost: h\r\nX-OWN: v\r\n\r\n", "a b v", out, sizeof(out));
    assert_non_null(strstr(out, "127.0.0.1 a b v"));
    say(fd, "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", NULL, out, sizeof(out));
    assert_non_null(strstr(out, "405 "));
    assert_non_null(strstr(out, "Allow: GET, HEAD\r\n"));
    close(fd);
    server_stop(&r);
}

static void test_oversized_headers(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        const char *status;
    } rows[] = {{HTTP_SERVER_HEADERS - 100, " 200 "},
                {HTTP_SERVER_HEADERS, " 431 "},
                {HTTP_SERVER_HEADERS + (3 << 10), " 431 "},
                {40000, " 431 "},
                {400000, " 431 "}};
    Running r = server_start((HttpServerOptions){0});
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_buf_ Buf request = BUF_INIT;
        char out[4096];
        buf_add_str(&request, "GET /body HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Big: ");
        for (size_t n = 0; n < rows[i].n; n++)
            buf_add_char(&request, 'x');
        buf_add_str(&request, "\r\n\r\n");
        int fd = dial(&r);
        say(fd, request.data, "\r\n\r\n", out, sizeof(out));
        assert_non_null(strstr(out, rows[i].status));
        close(fd);
    }
    server_stop(&r);
}

/* Does the server end the connection within three seconds, though bytes come or go all the time? */
static bool ended(int fd, const char *drip, bool take)
{
    struct timeval moment = {.tv_usec = 50000};
    char in[4096];
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof(moment));
    for (unsigned i = 0; i < 60; i++) {
        if (drip && send(fd, drip, 1, MSG_NOSIGNAL) < 0)
            return true;
        if (!take) {
            usleep(50000);
            continue;
        }
        ssize_t n = recv(fd, in, sizeof(in), 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
            return true;
    }
    return false;
}

static void test_dripping_headers(void **state)
{
    (void)state;
    char out[4096];
    Running r = server_start((HttpServerOptions){.request_ms = 1000});
    int fd = dial(&r), secure;
    assert_true(send(fd, "GET /body HTTP/1.1\r\nX: ", 23, MSG_NOSIGNAL) == 23);
    assert_true(ended(fd, "x", true));
    close(fd);
    fd = dial(&r); /* one that asks again and again stays */
    for (unsigned i = 0; i < 8; i++) {
        say(fd, "GET /body HTTP/1.1\r\nHost: h\r\n\r\n", "hello", out, sizeof(out));
        assert_non_null(strstr(out, "hello"));
        usleep(300000);
    }
    assert_true(ended(fd, "x", true)); /* and is then no better than others */
    close(fd);
    server_stop(&r);

    r = server_start((HttpServerOptions){.request_ms = 1000, .tls = true});
    subject(&r, "first");
    secure = dial(&r); /* the head of a handshake that never ends: a record of 16 KiB */
    assert_true(send(secure, "\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb\x03\x03", 11, MSG_NOSIGNAL) == 11);
    assert_true(ended(secure, "x", true));
    close(secure);
    server_stop(&r);
}

static void test_dripping_answer(void **state)
{
    (void)state;
    static const char request[] = "GET /big HTTP/1.1\r\nHost: h\r\n\r\n";
    Running r = server_start((HttpServerOptions){.answer_ms = 1000});
    int fd = dial(&r), small = 4096;
    size_t got = 0;
    char in[65536];
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_true(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == sizeof(request) - 1);
    assert_false(ended(fd, NULL, false));
    for (ssize_t n; (n = recv(fd, in, sizeof(in), 0)) > 0;)
        got += (size_t)n;
    assert_true(got > 0 && got < sizeof(big));
    close(fd);
    server_stop(&r);
}

static void test_slow_clients(void **state)
{
    (void)state;
    enum { SLOW = 1000 };
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        skip();
    Running r = server_start((HttpServerOptions){0});
    static int slow[SLOW];
    char out[4096];
    for (unsigned i = 0; i < SLOW; i++) {
        slow[i] = dial(&r);
        assert_true(send(slow[i], "GET /bo", 7, MSG_NOSIGNAL) == 7);
    }
    int fd = dial(&r);
    say(fd, "GET /body HTTP/1.1\r\nHost: h\r\n\r\n", "hello", out, sizeof(out));
    assert_non_null(strstr(out, "hello"));
    close(fd);
    say(slow[SLOW - 1], "dy HTTP/1.1\r\nHost: h\r\n\r\n", "hello", out, sizeof(out));
    assert_non_null(strstr(out, "hello")); /* being slow is no crime */
    for (unsigned i = 0; i < SLOW; i++)
        close(slow[i]);
    server_stop(&r);
}

static void test_per_address(void **state)
{
    (void)state;
    Running r = server_start((HttpServerOptions){.per_address = 2});
    char out[4096];
    int a = dial(&r), b = dial(&r);
    say(a, "GET /body HTTP/1.1\r\nHost: h\r\n\r\n", "hello", out, sizeof(out));
    say(b, "GET /body HTTP/1.1\r\nHost: h\r\n\r\n", "hello", out, sizeof(out));
    assert_non_null(strstr(out, "hello"));
    int c = dial(&r);
    say(c, "GET /body HTTP/1.1\r\nHost: h\r\n\r\n", "hello", out, sizeof(out));
    assert_string_equal(out, "");
    close(a);
    close(b);
    close(c);
    server_stop(&r);
}

/* The address sanitizer keeps what was freed, which would pass for growth. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=0:thread_local_quarantine_size_kb=0";
}

static void test_flat(void **state)
{
    (void)state;
    Running r = server_start((HttpServerOptions){0});
    char out[4096];
    unsigned fds = 0;
    long pages = 0;
    for (unsigned round = 0; round < 20; round++) {
        int fd = dial(&r);
        for (unsigned i = 0; i < 1000; i++) {
            say(fd, "GET /body HTTP/1.1\r\nHost: h\r\n\r\n", "hello", out, sizeof(out));
            assert_non_null(strstr(out, "hello"));
        }
        if (round == 1) {
            fds = descriptors(r.pid);
            pages = resident_pages(r.pid);
        }
        if (round < 19)
            close(fd);
        else {
            assert_true(descriptors(r.pid) <= fds + 1);
            assert_true(SANITIZED || resident_pages(r.pid) <= pages + 64);
            close(fd);
        }
    }
    server_stop(&r);
}

static void test_certificate_replaced(void **state)
{
    (void)state;
    Running r = server_start((HttpServerOptions){.tls = true});
    subject(&r, "first");
    char line[256], out[8192];
    /* One TLS connection over the change: asked before it and after it. */
    snprintf(line, sizeof(line),
             "{ printf 'GET /body HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n'; sleep 3; printf 'GET /body "
             "HTTP/1.1\\r\\nHost: h\\r\\nConnection: close\\r\\n\\r\\n'; sleep 1; } | "
             "openssl s_client -quiet -connect 127.0.0.1:%u 2>/dev/null",
             r.port);
    FILE *p = popen(line, "re");
    assert_non_null(p);
    usleep(1000000);
    int noise = dial(&r); /* no TLS at all disturbs nobody */
    say(noise, "GET / HTTP/1.1\r\n\r\n", NULL, out, sizeof(out));
    close(noise);
    kill(r.pid, SIGHUP);
    subject(&r, "second");
    size_t n = fread(out, 1, sizeof(out) - 1, p);
    out[n] = '\0';
    pclose(p);
    const char *first = strstr(out, "hello");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "hello"));
    usleep(300000);
    server_stop(&r);
}

static void test_tls_versions(void **state)
{
    (void)state;
    /* Told to, this client speaks what it no longer likes: the refusal is the server's. */
    static const char *const rows[][2] = {{"-tls1_1 -cipher DEFAULT@SECLEVEL=0", "New, (NONE)"},
                                          {"-tls1 -cipher DEFAULT@SECLEVEL=0", "New, (NONE)"},
                                          {"-tls1_2", "New, TLSv1.2"},
                                          {"-tls1_3", "New, TLSv1.3"}};
    Running r = server_start((HttpServerOptions){.tls = true});
    subject(&r, "first");
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char line[256], out[16384];
        snprintf(line, sizeof(line), "openssl s_client -connect 127.0.0.1:%u %s </dev/null 2>&1", r.port,
                 rows[i][0]);
        FILE *p = popen(line, "re");
        assert_non_null(p);
        out[fread(out, 1, sizeof(out) - 1, p)] = '\0';
        pclose(p);
        assert_non_null(strstr(out, rows[i][1]));
        assert_null(strstr(out, "no protocols available"));
    }
    server_stop(&r);
}

/* A connection that is refused ends at once, one that is taken stays. */
static bool taken(int fd)
{
    struct timeval moment = {.tv_usec = 500000};
    char in;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof(moment));
    return recv(fd, &in, 1, 0) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static void test_per_address_over_change(void **state)
{
    (void)state;
    Running r = server_start((HttpServerOptions){.tls = true, .per_address = 2});
    subject(&r, "first");
    int a = dial(&r), b = dial(&r);
    assert_true(taken(a) && taken(b));
    unsigned before = descriptors(r.pid);
    kill(r.pid, SIGHUP);
    for (unsigned i = 0; i < 50 && descriptors(r.pid) == before; i++)
        usleep(100000);
    assert_true(descriptors(r.pid) > before);
    int c = dial(&r);
    assert_false(taken(c));
    close(a);
    usleep(200000);
    int d = dial(&r);
    assert_true(taken(d));
    close(b);
    close(c);
    close(d);
    server_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_oversized_headers),
        cmocka_unit_test(test_dripping_headers),
        cmocka_unit_test(test_dripping_answer),
        cmocka_unit_test(test_tls_versions),
        cmocka_unit_test(test_per_address),
        cmocka_unit_test(test_per_address_over_change),
        cmocka_unit_test(test_flat),
        cmocka_unit_test(test_certificate_replaced),
        cmocka_unit_test(test_slow_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
