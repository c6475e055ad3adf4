/* The client against TLS servers of our own: whom it believes, and what it says when it does not. */
#include "../scratch.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "base/buf.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/pki.h"

enum { YEAR = 365 * 86400, LONG_AGO = 1500000000 };

typedef struct Identity {
    KeyPair *key;
    Certificate *certificate;
    Buf pem, private;
} Identity;

static Identity issue(CertificateSpec spec, const Identity *by)
{
    Identity i = {0};
    if (!spec.not_after) {
        spec.not_before = LONG_AGO;
        spec.not_after = time(NULL) + 10L * YEAR;
    }
    assert_int_equal(key_pair_new(KEY_P256, &i.key, NULL), 0);
    assert_int_equal(certificate_issue(&spec, i.key, by ? by->certificate : NULL, by ? by->key : i.key,
                                       &i.certificate, NULL),
                     0);
    certificate_write(i.certificate, &i.pem);
    key_pair_write_private(i.key, &i.private);
    return i;
}

static void identity_done(Identity *i)
{
    key_pair_free(i->key);
    certificate_free(i->certificate);
    buf_done(&i->pem);
    buf_done(&i->private);
}

static const char *const LOOPBACK[] = {"127.0.0.1", NULL}, *const ELSEWHERE[] = {"api.example.com",
                                                                                 "*.apps.example.com", NULL};

typedef struct Server {
    pid_t pid;
    char url[64];
    unsigned *requests; /* shared with the process that counts them */
} Server;

static HttpAnswer answer(void *context, const HttpExchange *x, const char *method, const char *path)
{
    (void)x;
    (void)method;
    (void)path;
    ++*(unsigned *)context;
    return (HttpAnswer){.status = 200, .body = http_body_new("hi", 2)};
}

static Server server_start(const Identity *i)
{
    Server r = {.requests =
                    mmap(NULL, sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    HttpServerOptions o = {.address = "127.0.0.1", .tls = true, .handler = answer, .context = r.requests};
    HttpServer *s = NULL;
    assert_int_equal(http_server_new(&o, &s, NULL), 0);
    snprintf(r.url, sizeof(r.url), "https://127.0.0.1:%u/?token", http_server_port(s));
    r.pid = fork();
    if (r.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves no server */
        if (http_server_set_certificate(s, i->pem.data, i->private.data, NULL) < 0)
            _exit(1);
        for (;;) {
            struct pollfd p = {.fd = http_server_fd(s), .events = POLLIN};
            poll(&p, 1, http_server_timeout_ms(s));
            http_server_work(s);
        }
    }
    http_server_free(s);
    return r;
}

static unsigned server_stop(Server *s)
{
    unsigned n = *s->requests;
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
    munmap(s->requests, sizeof(*s->requests));
    return n;
}

/* The client's words, "" when the body came. Nothing that is distrusted ever sees a request. */
static const char *words(const Identity *i, HttpOptions o)
{
    static Error e;
    Server s = server_start(i);
    _cleanup_buf_ Buf body = BUF_INIT;
    HttpRequest q = {.url = s.url, .sink = buf_collect, .context = &body};
    e = ERROR_INIT;
    o.attempts = 1;
    int r = http_get(&o, &q, NULL, &e);
    print_message("%s\n", e.text);
    assert_int_equal(server_stop(&s), r == 0);
    if (r == 0)
        assert_string_equal(body.data, "hi");
    assert_null(strstr(e.text, "token"));
    return e.text;
}

typedef struct Fixture {
    Scratch scratch;
    Identity ours, other;
    char file[128], empty[128], none[128];
} Fixture;

static int set_up(void **state)
{
    static Fixture f;
    CertificateSpec ca = {.common_name = "ours", .use = CERTIFICATE_CA};
    f.scratch = scratch_open();
    f.ours = issue(ca, NULL);
    ca.common_name = "other";
    f.other = issue(ca, NULL);
    scratch_write(&f.scratch, "system.pem", f.ours.pem.data);
    assert_int_equal(mkdirat(f.scratch.fd, "empty", 0755), 0);
    snprintf(f.file, sizeof(f.file), "%s/system.pem", f.scratch.path);
    snprintf(f.empty, sizeof(f.empty), "%s/empty", f.scratch.path);
    snprintf(f.none, sizeof(f.none), "%s/none", f.scratch.path);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;
    scratch_close(&f->scratch);
    identity_done(&f->ours);
    identity_done(&f->other);
    return 0;
}

static Identity server_of(const Identity *ca)
{
    return issue((CertificateSpec){.common_name = "s", .use = CERTIFICATE_SERVER, .ip = LOOPBACK}, ca);
}

static void test_authorities(void **state)
{
    const Fixture *f = *state;
    Identity s = server_of(&f->ours), itself = server_of(NULL);
    assert_string_equal(words(&s, (HttpOptions){.authorities = f->ours.pem.data}), "");
    assert_non_null(strstr(words(&s, (HttpOptions){.authorities = f->other.pem.data}),
                           "signed by no authority that the system or the config names"));
    assert_non_null(strstr(words(&s, (HttpOptions){0}), "signed by no authority"));
    assert_non_null(
        strstr(words(&itself, (HttpOptions){.authorities = f->ours.pem.data}), "is signed by itself"));
    HttpOptions nonsense = {.authorities = "nonsense", .trust_file = f->none, .trust_directory = f->empty};
    assert_non_null(strstr(words(&s, nonsense), "the authorities of the config cannot be read"));
    identity_done(&s);
    identity_done(&itself);
}

static void test_names(void **state)
{
    const Fixture *f = *state;
    HttpOptions o = {.authorities = f->ours.pem.data};
    CertificateSpec spec = {.common_name = "plain", .organization = "o", .use = CERTIFICATE_SERVER};
    Identity unnamed = issue(spec, &f->ours);
    assert_non_null(strstr(words(&unnamed, o), "the server's certificate is for plain, not for 127.0.0.1"));
    identity_done(&unnamed);
    spec.dns = ELSEWHERE;
    Identity named = issue(spec, &f->ours);
    assert_non_null(strstr(words(&named, o),
                           "certificate is for api.example.com, *.apps.example.com, not for 127.0.0.1"));
    identity_done(&named);
}

static void test_dates(void **state)
{
    const Fixture *f = *state;
    HttpOptions o = {.authorities = f->ours.pem.data};
    CertificateSpec spec = {.common_name = "s", .use = CERTIFICATE_SERVER, .ip = LOOPBACK};
    spec.not_before = LONG_AGO;
    spec.not_after = 1600000000;
    Identity late = issue(spec, &f->ours);
    assert_non_null(strstr(words(&late, o), "has expired on Sep 13 12:26:40 2020 GMT; the clock says "));
    identity_done(&late);
    spec.not_before = 4000000000;
    spec.not_after = 4000000001;
    Identity early = issue(spec, &f->ours);
    const char *text = words(&early, o);
    assert_non_null(strstr(text, "is not valid yet, but from Oct  2 07:06:40 2096 GMT; the clock says "));
    assert_non_null(strstr(text, "is it right?"));
    identity_done(&early);
}

/* An authority that expired and that the server does not show: no date, and above all not a wrong one. */
static void test_date_of_another(void **state)
{
    (void)state;
    CertificateSpec ca = {
        .common_name = "old", .use = CERTIFICATE_CA, .not_before = LONG_AGO, .not_after = 1600000000};
    Identity old = issue(ca, NULL), s = server_of(&old);
    assert_non_null(strstr(words(&s, (HttpOptions){.authorities = old.pem.data}),
                           "certificate, or an authority above it, has expired; the clock"));
    identity_done(&s);
    identity_done(&old);
}

static void test_system(void **state)
{
    const Fixture *f = *state;
    Identity s = server_of(&f->ours);
    HttpOptions o = {.trust_file = f->file, .trust_directory = f->empty};
    assert_string_equal(words(&s, o), ""); /* libcurl reads the file */
    o.authorities = f->other.pem.data;
    assert_string_equal(words(&s, o), ""); /* it stays in use when others are named */
    scratch_write(&f->scratch, "empty/README", "no hashed name");
    assert_string_equal(words(&s, o), "");
    /* A directory with hashed names is the system's trust; the file, which says the same, is not read. */
    scratch_write(&f->scratch, "empty/00000000.0", f->other.pem.data);
    assert_non_null(strstr(words(&s, o), "signed by no authority"));
    char line[256];
    snprintf(line, sizeof(line), "cp %s %s/$(openssl x509 -hash -noout -in %s).0", f->file, f->empty,
             f->file);
    assert_int_equal(system(line), 0);
    assert_string_equal(words(&s, o), "");
    o.trust_file = f->none;
    assert_string_equal(words(&s, o), "");
    identity_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authorities),     cmocka_unit_test(test_names),  cmocka_unit_test(test_dates),
        cmocka_unit_test(test_date_of_another), cmocka_unit_test(test_system),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
