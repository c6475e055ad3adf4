/* The client against a server that says what it is told to, one answer a connection. */
#include "../scratch.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "net/http_client.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: "

typedef struct Fake {
    int requests; /* what came in, each followed by a NUL */
    pid_t pid;
    char url[128];
} Fake;

static void serve(int listener, int log, const char *const *answers)
{
    for (; *answers; answers++) {
        char in[8192] = "";
        size_t n = 0;
        int c = accept(listener, NULL, NULL);
        while (n < sizeof(in) - 1 && !strstr(in, "\r\n\r\n")) {
            ssize_t got = read(c, in + n, sizeof(in) - 1 - n);
            if (got <= 0)
                break;
            n += (size_t)got;
        }
        if (write(log, in, n + 1) < 0)
            _exit(1);
        const char *text = *answers;
        if (!strcmp(text, "late")) {
            sleep(2); /* curl looks at the time once a second */
            text = OK "2\r\n\r\nhi";
        } else if (!strcmp(text, "stalled head") && write(c, "HTTP/1.1 200 OK\r\nX: ", 20) < 0)
            _exit(1);
        if (!strcmp(text, "silence") || !strcmp(text, "stalled head"))
            while (read(c, in, sizeof(in)) > 0) /* until the client gives up */
                ;
        else if (write(c, text, strlen(text)) < 0)
            _exit(1);
        close(c);
    }
    _exit(0);
}

static Fake fake_start(const char *const *answers)
{
    Fake f = {.pid = -1};
    int pipes[2], listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    assert_int_equal(bind(listener, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &n), 0);
    assert_int_equal(pipe(pipes), 0);
    f.pid = fork();
    if (f.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves no server */
        serve(listener, pipes[1], answers);
    }
    close(pipes[1]);
    close(listener);
    f.requests = pipes[0];
    snprintf(f.url, sizeof(f.url), "http://user:secret@127.0.0.1:%u/a?token=t", ntohs(a.sin_port));
    return f;
}

/* The whole log; ends when the server has given its last answer. */
static Buf fake_stop(Fake *f)
{
    Buf b = BUF_INIT;
    char piece[4096];
    for (ssize_t n; (n = read(f->requests, piece, sizeof(piece))) > 0;)
        for (ssize_t i = 0; i < n; i++)
            buf_add_char(&b, piece[i] ? piece[i] : '|');
    close(f->requests);
    waitpid(f->pid, NULL, 0);
    return b;
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *p = text; p && (p = strstr(p, what)); p++)
        n++;
    return n;
}

typedef struct Taken {
    Buf body, log;
    unsigned restarts;
} Taken;

static int take(void *context, const void *data, size_t n)
{
    buf_add(&((Taken *)context)->body, data, n);
    return 0;
}

static int restart(void *context)
{
    Taken *t = context;
    buf_done(&t->body);
    t->body = BUF_INIT;
    t->restarts++;
    return 0;
}

static void retrying(void *context, unsigned attempt, const char *url, const char *why)
{
    buf_addf(&((Taken *)context)->log, "%u %s %s\n", attempt, url, why);
}

static const HttpHeader own[] = {{"Authorization", "Bearer b"}, {"X-Own", "1"}, {NULL, NULL}};
static const HttpHeader usual[] = {{"Accept-Encoding", "identity"}, {"User-Agent", "Test/1"}, {NULL, NULL}};

static int get(const char *url, Taken *t, HttpResponse *response, Error *e)
{
    HttpOptions o = {
        .headers = usual, .attempts = 4, .response_headers_ms = 1000, .retrying = retrying, .context = t};
    HttpRequest q = {.url = url, .headers = own, .max = 1000, .sink = take, .restart = restart, .context = t};
    return http_get(&o, &q, response, e);
}

static void taken_done(Taken *t)
{
    buf_done(&t->body);
    buf_done(&t->log);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *answers[5], *body;
        int result;
        unsigned attempts, restarts;
    } rows[] = {
        {"at once", {OK "2\r\n\r\nhi"}, "hi", 0, 1, 0},
        {"503 then 200",
         {"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy", OK "2\r\n\r\nhi"},
         "hi",
         0,
         2,
         0},
        {"connection closed", {"", OK "2\r\n\r\nhi"}, "hi", 0, 2, 0},
        {"nothing found", {"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"}, "", -ENOENT, 0, 0},
        {"refused", {"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"}, "", -EPROTO, 0, 0},
        {"no content", {"HTTP/1.1 204 No\r\n\r\n"}, "", 0, 1, 0},
        {"broken before the first byte", {OK "1001\r\n\r\n", OK "0\r\n\r\n"}, "", 0, 2, 0},
        {"slow headers", {"silence", OK "2\r\n\r\nhi"}, "hi", 0, 2, 0},
        {"broken, no name", {OK "4\r\n\r\nab", OK "4\r\n\r\nabcd"}, "abcd", 0, 2, 1},
        {"broken, then empty", {OK "4\r\n\r\nab", OK "0\r\n\r\n"}, "", 0, 2, 1},
        {"broken, weak name",
         {OK "4\r\nETag: W/\"x\"\r\nAccept-Ranges: bytes\r\n\r\nab", OK "4\r\n\r\nabcd"},
         "abcd",
         0,
         2,
         1},
        {"resumed",
         {OK "4\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\n\r\nab",
          "HTTP/1.1 206 P\r\nContent-Range: bytes 2-3/4\r\nContent-Length: 2\r\n\r\ncd"},
         "abcd",
         0,
         2,
         0},
        {"changed between",
         {OK "4\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\n\r\nab", OK "4\r\nETag: \"y\"\r\n\r\nABCD"},
         "ABCD",
         0,
         2,
         1},
        {"resumed at another place",
         {OK "4\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\n\r\nab",
          "HTTP/1.1 206 P\r\nContent-Range: bytes 1-2/4\r\nContent-Length: 2\r\n\r\nbc"},
         "ab",
         -EPROTO,
         0,
         0},
        {"cannot be resumed",
         {OK "4\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\n\r\nab",
          "HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n", OK "4\r\n\r\nabcd"},
         "abcd",
         0,
         3,
         1},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        print_message("%s\n", rows[i].name);
        Fake f = fake_start(rows[i].answers);
        Taken t = {0};
        HttpResponse response = {0};
        Error e = ERROR_INIT;
        assert_int_equal(get(f.url, &t, &response, &e), rows[i].result);
        assert_string_equal(t.body.data ? t.body.data : "", rows[i].body);
        assert_int_equal(response.attempts, rows[i].attempts);
        assert_int_equal(t.restarts, rows[i].restarts);
        assert_null(strstr(e.text, "secret"));
        assert_null(strstr(e.text, "token"));
        assert_int_equal(count(t.log.data, "secret") + count(t.log.data, "token"), 0);
        _cleanup_buf_ Buf requests = fake_stop(&f);
        assert_int_equal(count(requests.data, "X-Own: 1\r\n"), count(requests.data, "GET /"));
        taken_done(&t);
    }
}

static void test_resume_request(void **state)
{
    (void)state;
    const char *const answers[] = {
        OK "4\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\n\r\nab",
        "HTTP/1.1 206 P\r\nContent-Range: bytes 2-3/4\r\nContent-Length: 2\r\n\r\ncd", NULL};
    Fake f = fake_start(answers);
    Taken t = {0};
    assert_int_equal(get(f.url, &t, NULL, NULL), 0);
    _cleanup_buf_ Buf requests = fake_stop(&f);
    const char *second = strchr(requests.data, '|');
    assert_null(memmem(requests.data, (size_t)(second - requests.data), "Range:", 6));
    assert_non_null(strstr(second, "Range: bytes=2-\r\n"));
    assert_non_null(strstr(second, "If-Range: \"x\"\r\n"));
    taken_done(&t);
}

/* What is the same for ever goes on without an ETag, skips what comes twice, and starts anywhere. */
static void test_immutable(void **state)
{
    (void)state;
    static const struct {
        const char *name, *answers[6], *body, *range; /* range: of the last request */
        uint64_t start;
        int result;
    } rows[] = {
        {"goes on",
         {OK "4\r\n\r\nab", "HTTP/1.1 206 P\r\nContent-Range: bytes 2-3/4\r\nContent-Length: 2\r\n\r\ncd"},
         "abcd",
         "bytes=2-",
         0,
         0},
        {"comes twice", {OK "4\r\n\r\nabc", OK "4\r\n\r\nabcd"}, "abcd", "bytes=3-", 0, 0},
        {"comes twice and breaks off",
         {OK "4\r\n\r\nabc", OK "4\r\n\r\na", OK "4\r\n\r\nabcd"},
         "abcd",
         "bytes=3-",
         0,
         0},
        {"starts inside",
         {"HTTP/1.1 206 P\r\nContent-Range: bytes 2-3/4\r\nContent-Length: 2\r\n\r\ncd"},
         "cd",
         "bytes=2-",
         2,
         0},
        {"starts inside of the whole", {OK "4\r\n\r\nabcd"}, "cd", "bytes=2-", 2, 0},
        {"another part",
         {"HTTP/1.1 206 P\r\nContent-Range: bytes 1-3/4\r\nContent-Length: 3\r\n\r\nbcd"},
         "",
         "bytes=2-",
         2,
         -EPROTO},
        {"no ranges", {"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n", OK "4\r\n\r\nabcd"}, "cd", NULL, 2, 0},
        {"more often than there are tries",
         {OK "4\r\n\r\na", OK "4\r\n\r\nab", OK "4\r\n\r\nabc", OK "4\r\n\r\nabcd"},
         "abcd",
         "bytes=3-",
         0,
         0},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        print_message("%s\n", rows[i].name);
        Fake f = fake_start(rows[i].answers);
        Taken t = {0};
        HttpRequest q = {
            .url = f.url, .immutable = true, .start = rows[i].start, .sink = take, .context = &t};
        HttpResponse response = {0};
        assert_int_equal(http_get(&(HttpOptions){.attempts = 2}, &q, &response, NULL), rows[i].result);
        assert_string_equal(t.body.data ? t.body.data : "", rows[i].body);
        if (!rows[i].result)
            assert_int_equal(response.length, 4);
        _cleanup_buf_ Buf requests = fake_stop(&f);
        const char *last = requests.data;
        for (const char *p = last; (p = strchr(p, '|')) && p[1];)
            last = ++p;
        const char *range = strstr(last, "Range: ");
        assert_int_equal(range != NULL, rows[i].range != NULL);
        if (range)
            assert_memory_equal(range + 7, rows[i].range, strlen(rows[i].range));
        assert_null(strstr(requests.data, "If-Range"));
        taken_done(&t);
    }
}

/* What a former request was told is gone. That the connection stays is seen by oci_registry. */
static void test_session(void **state)
{
    (void)state;
    const char *const answers[] = {OK "2\r\n\r\nhi", NULL};
    Fake f = fake_start(answers);
    Taken t = {0};
    HttpSession *s = NULL;
    HttpRequest q = {.url = f.url, .max = 2, .sink = take, .context = &t};
    assert_int_equal(http_session_new(&s, NULL), 0);
    HttpOptions o = {.session = s, .attempts = 1, .https_only = true};
    Error e = ERROR_INIT;
    assert_int_equal(http_get(&o, &q, NULL, &e), -EINVAL);
    assert_non_null(strstr(e.text, "of https"));
    o.https_only = false;
    assert_int_equal(http_get(&o, &q, NULL, NULL), 0);
    assert_string_equal(t.body.data, "hi");
    http_session_free(s);
    _cleanup_buf_ Buf requests = fake_stop(&f);
    assert_int_equal(count(requests.data, "GET /"), 1);
    taken_done(&t);
}

static void test_redirect_drops_headers(void **state)
{
    (void)state;
    const char *const answers[] = {
        "HTTP/1.1 302 F\r\nLocation: /b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", OK "2\r\n\r\nhi",
        NULL};
    Fake f = fake_start(answers);
    Taken t = {0};
    assert_int_equal(get(f.url, &t, NULL, NULL), 0);
    assert_string_equal(t.body.data, "hi");
    _cleanup_buf_ Buf requests = fake_stop(&f);
    const char *second = strchr(requests.data, '|');
    assert_non_null(strstr(second, "GET /b HTTP/1.1\r\n"));
    assert_null(strstr(second, "Bearer")); /* the user of the URL's host stays, as with Ignition */
    assert_null(strstr(second, "X-Own"));
    for (size_t i = 0; usual[i].name; i++)
        assert_null(strstr(second, usual[i].name));
    assert_non_null(strstr(requests.data, "Authorization: Bearer b"));
    taken_done(&t);
}

/* The user of a URL is meant for its host: "Basic dXNlcjpzZWNyZXQ=" goes nowhere else. */
static void test_redirect_drops_user(void **state)
{
    (void)state;
    static const struct {
        const char *location; /* %u is the port of another server */
        bool keeps;
    } rows[] = {{"/b?x", true},
                {"b", true},
                {"http://127.0.0.1:%u/b", false},
                {"//127.0.0.1:%u/b", false},
                {"HTTP://localhost:%u/b", false},
                {"http://127.0.0.1:%u?b", false}};
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        print_message("%s\n", rows[i].location);
        const char *const end[] = {OK "2\r\n\r\nhi", NULL};
        Fake other = {0};
        char location[128], head[256];
        unsigned port = 0;
        if (!rows[i].keeps) {
            other = fake_start(end);
            assert_int_equal(sscanf(strchr(other.url, '@'), "@127.0.0.1:%u", &port), 1);
        }
        snprintf(location, sizeof(location), rows[i].location, port);
        snprintf(head, sizeof(head),
                 "HTTP/1.1 302 F\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                 location);
        const char *const answers[] = {head, rows[i].keeps ? end[0] : NULL, NULL};
        Fake f = fake_start(answers);
        Taken t = {0};
        HttpRequest q = {.url = f.url, .sink = take, .context = &t};
        assert_int_equal(http_get(&(HttpOptions){.attempts = 1}, &q, NULL, NULL), 0);
        _cleanup_buf_ Buf requests = fake_stop(&f), others = BUF_INIT;
        if (!rows[i].keeps)
            others = fake_stop(&other);
        assert_int_equal(count(requests.data, "Authorization: Basic dXNlcjpzZWNyZXQ="),
                         rows[i].keeps ? 2 : 1);
        assert_int_equal(count(others.data, "Authorization"), 0);
        assert_int_equal(count(requests.data, "Referer") + count(others.data, "Referer"), 0);
        taken_done(&t);
    }
}

static void test_redirect_named(void **state)
{
    (void)state;
    const char *const answers[] = {"HTTP/1.1 302 F\r\nLocation: /b?token\r\nContent-Length: "
                                   "0\r\nConnection: close\r\n\r\n",
                                   "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", NULL};
    Fake f = fake_start(answers);
    Taken t = {0};
    Error e = ERROR_INIT;
    assert_int_equal(get(f.url, &t, NULL, &e), -ENOENT);
    assert_non_null(strstr(e.text, "/b: resource not found"));
    assert_null(strstr(e.text, "token"));
    _cleanup_buf_ Buf requests = fake_stop(&f);
    assert_int_equal(count(requests.data, "GET /"), 2);
    taken_done(&t);
}

/* A proxy of https learns where to, and nothing that is meant for the server. */
static void test_proxy_learns_little(void **state)
{
    (void)state;
    const char *const answers[] = {"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", NULL};
    Fake f = fake_start(answers);
    Taken t = {0};
    Error e = ERROR_INIT;
    HttpOptions o = {.headers = usual, .attempts = 1, .https_proxy = f.url};
    HttpRequest q = {
        .url = "https://name:hidden@config.invalid/a?token=t", .headers = own, .sink = take, .context = &t};
    assert_true(http_get(&o, &q, NULL, &e) < 0);
    assert_null(strstr(e.text, "token"));
    assert_null(strstr(e.text, "secret"));
    _cleanup_buf_ Buf requests = fake_stop(&f);
    assert_non_null(strstr(requests.data, "CONNECT config.invalid:443 HTTP/1.1\r\n"));
    assert_non_null(strstr(requests.data, "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
    assert_int_equal(count(requests.data, "Authorization:"), 1);
    assert_int_equal(count(requests.data, "X-Own") + count(requests.data, "token") +
                         count(requests.data, usual[1].value),
                     0);
    taken_done(&t);
}

static void keep_region(void *context, const char *line, size_t n)
{
    if (n > 9 && !strncmp(line, "X-Region:", 9))
        buf_add(&((Taken *)context)->log, line, n);
}

static int count_try(void *context, Error *e)
{
    (void)e;
    return ++((Taken *)context)->restarts > 3 ? -EIO : 0;
}

/* Other methods, statuses that are tried again or taken, and what may be done before each try. */
static void test_methods(void **state)
{
    (void)state;
    static const int retry[] = {404, 429, 0}, accept[] = {301, 403, 0};
    static const struct {
        const char *method, *answers[4], *request, *body;
        int result;
        unsigned tries;
    } rows[] = {
        {"PUT", {OK "2\r\n\r\nhi"}, "PUT /a?token=t HTTP/1.1\r\n", "hi", 0, 1},
        {"POST", {"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n", OK "0\r\n\r\n"}, "\r\n\r\nsent", "", 0, 2},
        {"HEAD", {"HTTP/1.1 403 No\r\nX-Region: here\r\n\r\n"}, "HEAD /a", "", 0, 1},
        {NULL, {"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", OK "2\r\n\r\nhi"}, "GET /a", "hi", 0, 2},
        {NULL,
         {"HTTP/1.1 301 No\r\nLocation: /b\r\nX-Region: here\r\nContent-Length: 1\r\n\r\nx"},
         "GET /a",
         "",
         0,
         1},
        {NULL, {"", "", ""}, "GET /a", "", -EIO, 4},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Fake f = fake_start(rows[i].answers);
        Taken t = {0};
        Error e = ERROR_INIT;
        HttpOptions o = {.headers = usual, .context = &t};
        HttpRequest q = {.url = f.url,
                         .method = rows[i].method,
                         .body = "sent",
                         .body_len = 4,
                         .sink = take,
                         .retry_statuses = retry,
                         .accept_statuses = accept,
                         .header = keep_region,
                         .prepare = count_try,
                         .context = &t};
        assert_int_equal(http_get(&o, &q, NULL, &e), rows[i].result);
        _cleanup_buf_ Buf requests = fake_stop(&f);
        assert_non_null(strstr(requests.data, rows[i].request));
        assert_null(strstr(requests.data, "Content-Type"));
        assert_string_equal(t.body.data ? t.body.data : "", rows[i].body);
        assert_int_equal(t.restarts, rows[i].tries);
        assert_int_equal(t.log.len > 0, strstr(rows[i].answers[0], "X-Region") != NULL);
        taken_done(&t);
    }
}

/* A head that never ends is as late as one that never begins; a negative limit waits for it. */
static void test_headers_limit(void **state)
{
    (void)state;
    const char *const never[] = {"stalled head", NULL}, *const late[] = {"late", NULL};
    Taken t = {0};
    Error e = ERROR_INIT;
    Fake f = fake_start(never);
    HttpRequest q = {.url = f.url, .sink = take, .context = &t};
    HttpOptions o = {.attempts = 1, .response_headers_ms = 500};
    assert_int_equal(http_get(&o, &q, NULL, &e), -ETIMEDOUT);
    _cleanup_buf_ Buf first = fake_stop(&f);
    assert_int_equal(count(first.data, "GET /"), 1);
    f = fake_start(late);
    q.url = f.url;
    o.response_headers_ms = -1;
    assert_int_equal(http_get(&o, &q, NULL, &e), 0);
    assert_string_equal(t.body.data, "hi");
    _cleanup_buf_ Buf second = fake_stop(&f);
    assert_int_equal(count(second.data, "GET /"), 1);
    taken_done(&t);
}

static void test_too_large(void **state)
{
    (void)state;
    char big[1200];
    memset(big, 'x', sizeof(big));
    memcpy(big, OK "1100\r\n\r\n", strlen(OK "1100\r\n\r\n"));
    big[sizeof(big) - 1] = '\0';
    const char *const answers[] = {big, NULL};
    Fake f = fake_start(answers);
    Taken t = {0};
    Error e = ERROR_INIT;
    assert_int_equal(get(f.url, &t, NULL, &e), -EFBIG);
    assert_true(t.body.len <= 1000);
    _cleanup_buf_ Buf requests = fake_stop(&f);
    assert_int_equal(count(requests.data, "GET /"), 1);
    taken_done(&t);
}

static void test_limits(void **state)
{
    (void)state;
    Taken t = {0};
    Error e = ERROR_INIT;
    HttpOptions o = {.total_ms = 500};
    HttpRequest q = {.url = "http://127.0.0.1:1/?token", .sink = take, .context = &t};
    assert_true(http_get(&o, &q, NULL, &e) < 0); /* nobody listens: tried until the time is over */
    assert_null(strstr(e.text, "token"));
    q.url = "file:///etc/passwd";
    assert_int_equal(http_get(&o, &q, NULL, &e), -EINVAL);
    assert_int_equal(t.body.len, 0);
}

static void test_redact(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"http://h/p?q=1#f", "http://h/p"},
        {"https://u:p@h:1/p", "https://h:1/p"},
        {"https://u:p@x@h/p", "https://h/p"},
        {"https:/u:p@h/p", "https:/h/p"},
        {"https:///u:p@h/p", "https:///h/p"},
        {"u:p@h/p", "h/p"},
        {"http://h/a@b", "http://h/a@b"},
        {"http://h?x@y", "http://h"},
        {"", ""},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char out[64];
        assert_string_equal(http_url_redact(rows[i][0], out, sizeof(out)), rows[i][1]);
    }
    char small[8];
    assert_string_equal(http_url_redact("http://u@host/", small, sizeof(small)), "http://");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_resume_request),
        cmocka_unit_test(test_immutable),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_redirect_drops_headers),
        cmocka_unit_test(test_redirect_drops_user),
        cmocka_unit_test(test_redirect_named),
        cmocka_unit_test(test_proxy_learns_little),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_headers_limit),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_redact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
