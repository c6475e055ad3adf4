/* One request is a series of tries, one try a series of redirects, one redirect a transfer by curl. What
 * outlives a try stands in Transfer: how much of the body the sink has, and the ETag that it belongs to. */
#include "net/http_client.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/http_apart.h"
#include "net/http_curl.h"
#include "net/http_head.h"
#include "net/http_proxy.h"
#include "net/http_trust.h"

enum {
    REDIRECTS_MAX = 10,
    PAUSE_FIRST_MS = 200,
    PAUSE_LAST_MS = 5000,
    CONNECT_MS = 30000,
    HEADERS_MS = 10000,
    KEEPALIVE_SEC = 30,
    PROBE_MS = 5000
};

typedef struct Transfer {
    const Curl *curl;
    const HttpOptions *options;
    const HttpRequest *request;
    CURL *easy;
    Buf trusted;                  /* PEM; empty: libcurl's own choice */
    char *url;                    /* the request's, or where a redirect led */
    char why[CURL_ERROR_SIZE];    /* curl's words */
    char etag[256];               /* of the body that the sink has a part of */
    HttpHead head;                /* of the answer that is coming in */
    bool ranges, resuming, began; /* began: this try's body has come */
    bool redirected, refuses_ranges;
    uint64_t received, skip; /* skip: of this try's body, the part that the sink has */
    int sink_result;
    int64_t deadline, started; /* milliseconds of the monotonic clock; deadline 0: none */
    bool headers_late;
} Transfer;

const char *http_url_redact(const char *url, char *out, size_t size)
{
    const char *host = url + strcspn(url, ":/?#@");
    host = *host == ':' && host[1] == '/' ? host + 1 : url;
    host += strspn(host, "/"); /* curl takes one slash, or three, for two */
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    const char *from = at ? at + 1 : host;
    snprintf(out, size, "%.*s%.*s", (int)(host - url), url, (int)strcspn(from, "?#"), from);
    return out;
}

static bool listed(const int *statuses, long status)
{
    for (; statuses && *statuses; statuses++)
        if (*statuses == status)
            return true;
    return false;
}

static const char *method_of(const HttpRequest *r)
{
    return r->method ? r->method : "GET";
}

static bool is_head(const HttpRequest *r)
{
    return !strcmp(method_of(r), "HEAD");
}

/* ---- callbacks ---- */

static size_t take_header(char *line, size_t one, size_t n, void *context)
{
    Transfer *t = context;
    http_head_line(&t->head, line, n);
    if (t->request->header)
        t->request->header(t->request->context, line, n);
    return one * n;
}

/* The first piece of a body: does it go on where the former broke off, or does it start anew? */
static int begin_body(Transfer *t)
{
    long status = 0;
    t->began = true;
    t->curl->getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->resuming && status == 206)
        return t->head.part_start == t->received ? 0 : -EPROTO;
    t->resuming = false;
    memcpy(t->etag, t->head.etag, sizeof(t->etag));
    t->ranges = t->head.ranges;
    if (!t->received)
        return 0;
    if (t->request->immutable) {
        t->skip = t->received;
        return 0;
    }
    t->received = 0;
    if (!t->request->restart)
        return -EIO;
    return t->request->restart(t->request->context);
}

static size_t take_body(char *data, size_t one, size_t n, void *context)
{
    Transfer *t = context;
    long status = 0;
    t->curl->getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && status != 206)
        return one * n; /* the text of an error page is nobody's business */
    if (!t->began && (t->sink_result = begin_body(t)) < 0)
        return 0;
    size_t twice = n < t->skip ? n : (size_t)t->skip;
    t->skip -= twice;
    if (twice == n)
        return one * n;
    data += twice;
    n -= twice;
    t->received += n;
    if (t->request->max && t->received > t->request->max)
        t->sink_result = -EFBIG;
    else
        t->sink_result = t->request->sink(t->request->context, data, n);
    return t->sink_result < 0 ? 0 : one * (twice + n);
}

static bool is_cancelled(const Transfer *t)
{
    return t->options->cancelled && t->options->cancelled(t->options->context);
}

static int check_time(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    Transfer *t = context;
    curl_off_t sent_us = 0; /* from the start to the moment when the request goes out */
    int64_t wait = t->options->response_headers_ms ? t->options->response_headers_ms : HEADERS_MS;
    if (is_cancelled(t))
        return 1;
    if (t->head.whole || wait < 0)
        return 0;
    t->curl->getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
    t->headers_late = sent_us > 0 && monotonic_ms() - t->started - sent_us / 1000 > wait;
    return t->headers_late;
}

/* ---- one transfer ---- */

static bool overridden(const HttpHeader *own, const char *name)
{
    for (; own && own->name; own++)
        if (!strcasecmp(own->name, name))
            return true;
    return false;
}

static struct curl_slist *add_header(const Curl *c, struct curl_slist *list, const HttpHeader *h)
{
    _cleanup_buf_ Buf line = BUF_INIT;
    buf_addf(&line, h->value && *h->value ? "%s: %s" : h->value ? "%s;" : "%s:", h->name, h->value);
    return c->list_add(list, line.data);
}

static struct curl_slist *make_headers(Transfer *t)
{
    struct curl_slist *list = NULL;
    bool redirected = t->redirected;
    const HttpHeader *own = redirected ? NULL : t->request->headers,
                     *usual = redirected ? NULL : t->options->headers;
    for (; usual && usual->name; usual++)
        if (!overridden(own, usual->name))
            list = add_header(t->curl, list, usual);
    for (; own && own->name; own++)
        list = add_header(t->curl, list, own);
    if (redirected)
        list = add_header(t->curl, list, &(HttpHeader){.name = "Accept"});
    if (!overridden(own, "Content-Type")) /* curl would call every body a form */
        list = add_header(t->curl, list, &(HttpHeader){.name = "Content-Type"});
    if (t->resuming) {
        char from[64];
        snprintf(from, sizeof(from), "bytes=%llu-", (unsigned long long)t->received);
        list = add_header(t->curl, list, &(HttpHeader){.name = "Range", .value = from});
        if (t->etag[0] == '"')
            list = add_header(t->curl, list, &(HttpHeader){.name = "If-Range", .value = t->etag});
    }
    return list;
}

static void set_trust(Transfer *t)
{
    const Curl *c = t->curl;
    c->setopt(t->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    c->setopt(t->easy, CURLOPT_SSL_VERIFYPEER, t->options->distrust_nobody ? 0L : 1L);
    c->setopt(t->easy, CURLOPT_SSL_VERIFYHOST, t->options->distrust_nobody ? 0L : 2L);
    if (t->options->trust_file)
        c->setopt(t->easy, CURLOPT_CAINFO, t->options->trust_file);
    if (t->options->trust_directory)
        c->setopt(t->easy, CURLOPT_CAPATH, t->options->trust_directory);
    struct curl_blob blob = {.data = t->trusted.data, .len = t->trusted.len, .flags = CURL_BLOB_NOCOPY};
    if (blob.len)
        c->setopt(t->easy, CURLOPT_CAINFO_BLOB, &blob);
}

static void set_certificate(Transfer *t)
{
    const HttpOptions *o = t->options;
    bool shown = o->certificate && o->key && !t->redirected;
    struct curl_blob certificate = {.data = (char *)o->certificate,
                                    .len = shown ? strlen(o->certificate) : 0},
                     key = {.data = (char *)o->key, .len = shown ? strlen(o->key) : 0};
    t->curl->setopt(t->easy, CURLOPT_SSLCERT_BLOB, shown ? &certificate : NULL);
    t->curl->setopt(t->easy, CURLOPT_SSLKEY_BLOB, shown ? &key : NULL);
}

static void set_proxy(Transfer *t)
{
    const Curl *c = t->curl;
    const char *proxy = !strncasecmp(t->url, "https:", 6) ? t->options->https_proxy : t->options->http_proxy;
    if (http_proxy_bypassed(t->options->no_proxy, t->url))
        proxy = NULL;
    c->setopt(t->easy, CURLOPT_PROXY, proxy ? proxy : "");
    c->setopt(t->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* they are not the answer's */
    c->setopt(t->easy, CURLOPT_NOPROXY, "");                  /* the environment has no say */
}

/* What curl takes: 0 has no limit. */
static long clamp_ms(int64_t ms)
{
    return ms < 1 ? 1 : ms > INT_MAX ? INT_MAX : (long)ms;
}

/* The request goes on as a GET where a redirect leads: what was sent is not sent to somebody else. */
static void set_method(Transfer *t)
{
    const Curl *c = t->curl;
    const char *method = t->redirected && !is_head(t->request) ? "GET" : method_of(t->request);
    bool sends = !strcmp(method, "PUT") || !strcmp(method, "POST");
    c->setopt(t->easy, CURLOPT_NOBODY, (long)is_head(t->request));
    if (is_head(t->request))
        return;
    c->setopt(t->easy, CURLOPT_HTTPGET, 1L);
    if (sends) {
        c->setopt(t->easy, CURLOPT_POSTFIELDS, t->request->body ? t->request->body : "");
        c->setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->request->body_len);
    }
    c->setopt(t->easy, CURLOPT_CUSTOMREQUEST, sends ? method : NULL);
}

static void set_options(Transfer *t, struct curl_slist *headers)
{
    const Curl *c = t->curl;
    c->setopt(t->easy, CURLOPT_URL, t->url);
    c->setopt(t->easy, CURLOPT_PROTOCOLS_STR, t->options->https_only ? "https" : "http,https");
    set_method(t);
    c->setopt(t->easy, CURLOPT_HTTPHEADER, headers);
    c->setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    c->setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    c->setopt(t->easy, CURLOPT_ERRORBUFFER, t->why);
    c->setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS,
              clamp_ms(t->options->connect_ms ? t->options->connect_ms : CONNECT_MS));
    c->setopt(t->easy, CURLOPT_TIMEOUT_MS, t->deadline ? clamp_ms(t->deadline - monotonic_ms()) : 0L);
    c->setopt(t->easy, CURLOPT_LOW_SPEED_LIMIT, t->options->stall_ms ? 1L : 0L);
    c->setopt(t->easy, CURLOPT_LOW_SPEED_TIME, (long)((t->options->stall_ms + 999) / 1000));
    c->setopt(t->easy, CURLOPT_TCP_KEEPALIVE, 1L); /* a server that is gone sends nothing, for ever */
    c->setopt(t->easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_SEC);
    c->setopt(t->easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_SEC);
    c->setopt(t->easy, CURLOPT_BUFFERSIZE, 256L << 10);
    c->setopt(t->easy, CURLOPT_HEADERFUNCTION, take_header);
    c->setopt(t->easy, CURLOPT_HEADERDATA, t);
    c->setopt(t->easy, CURLOPT_WRITEFUNCTION, take_body);
    c->setopt(t->easy, CURLOPT_WRITEDATA, t);
    c->setopt(t->easy, CURLOPT_XFERINFOFUNCTION, check_time);
    c->setopt(t->easy, CURLOPT_XFERINFODATA, t);
    c->setopt(t->easy, CURLOPT_NOPROGRESS, 0L);
    set_trust(t);
    set_certificate(t);
    set_proxy(t);
    if (t->options->local_port) {
        c->setopt(t->easy, CURLOPT_LOCALPORT, (long)t->options->local_port);
        c->setopt(t->easy, CURLOPT_LOCALPORTRANGE, (long)t->options->local_ports);
    }
}

static CURLcode transfer(Transfer *t)
{
    struct curl_slist *headers = make_headers(t);
    t->why[0] = '\0';
    t->began = t->headers_late = false;
    t->head = (HttpHead){0};
    t->skip = 0;
    t->started = monotonic_ms();
    set_options(t, headers);
    CURLcode code = t->curl->perform(t->easy);
    t->curl->list_free(headers);
    return code;
}

/* ---- one try ---- */

typedef enum Outcome { OUTCOME_DONE, OUTCOME_AGAIN, OUTCOME_FAILED } Outcome;

/* Shakes hands once more, with a handle that can do nothing else: no request goes out over a connection whose
 * certificate is only looked at. */
static void explain_distrust(const Transfer *t, Error *e)
{
    const Curl *c = t->curl;
    Transfer probe = *t;
    struct curl_certinfo *seen = NULL;
    long verdict = 0;
    c->getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    probe.easy = c->init();
    if (probe.easy) {
        set_options(&probe, NULL);
        c->setopt(probe.easy, CURLOPT_CONNECT_ONLY, 1L);
        c->setopt(probe.easy, CURLOPT_SSL_VERIFYPEER, 0L);
        c->setopt(probe.easy, CURLOPT_SSL_VERIFYHOST, 0L);
        c->setopt(probe.easy, CURLOPT_CERTINFO, 1L);
        c->setopt(probe.easy, CURLOPT_CONNECTTIMEOUT_MS, (long)PROBE_MS);
        if (c->perform(probe.easy) == CURLE_OK)
            c->getinfo(probe.easy, CURLINFO_CERTINFO, &seen);
    }
    http_trust_explain(verdict, seen, t->url, e);
    if (probe.easy)
        c->cleanup(probe.easy);
}

static Outcome judge(Transfer *t, CURLcode code, long status, Error *e)
{
    /* An answer without a body replaces the part that came before as well. */
    if (code == CURLE_OK && !t->began && (status == 200 || status == 204) && !is_head(t->request))
        t->sink_result = begin_body(t);
    if (t->sink_result < 0) {
        if (t->sink_result == -EFBIG && t->request->max && t->received > t->request->max)
            error_set(e, EFBIG, "the answer has more than %llu bytes", (unsigned long long)t->request->max);
        else
            error_errno(e, t->sink_result, "taking the answer");
        return OUTCOME_FAILED;
    }
    if (is_cancelled(t)) {
        error_set(e, ECANCELED, "it is no longer wanted");
        return OUTCOME_FAILED;
    }
    if (t->headers_late) {
        error_set(e, ETIMEDOUT, "the server did not answer in time");
        return OUTCOME_AGAIN;
    }
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT) {
        error_set(e, EINVAL, "not a URL of %shttps", t->options->https_only ? "" : "http or ");
        return OUTCOME_FAILED;
    }
    if (code == CURLE_SSL_CACERT_BADFILE) {
        error_set(e, EINVAL, "the authorities of the %s cannot be read",
                  t->options->authorities ? "config" : "system");
        return OUTCOME_FAILED;
    }
    if (code != CURLE_OK) {
        if (code == CURLE_PEER_FAILED_VERIFICATION)
            explain_distrust(t, e);
        else
            error_set(e, EIO, "%s", t->why[0] ? t->why : t->curl->strerror(code));
        return OUTCOME_AGAIN;
    }
    if (status == 200 || status == 204 || (status == 206 && t->resuming) ||
        listed(t->request->accept_statuses, status))
        return OUTCOME_DONE;
    if (status == 404)
        error_set(e, ENOENT, "resource not found");
    else if (status == 416 && t->resuming) {
        t->ranges = false; /* the rest cannot be had: from the start */
        t->refuses_ranges = true;
        error_set(e, EPROTO, "the server does not resume");
        return OUTCOME_AGAIN;
    } else
        error_set(e, EPROTO, "failed to fetch resource: the server answered %ld", status);
    return status >= 500 || listed(t->request->retry_statuses, status) ? OUTCOME_AGAIN : OUTCOME_FAILED;
}

static void set_url(Transfer *t, const char *url)
{
    char *copy = strdup(url);
    if (!copy)
        abort();
    free(t->url);
    t->url = copy;
}

/* Where a redirect leads is put together by curl: an address of its own does not get the URL's user. */
static Outcome try_once(Transfer *t, long *ret_status, Error *e)
{
    char shown[512];
    set_url(t, t->request->url);
    for (unsigned i = 0; i <= REDIRECTS_MAX; i++) {
        char *next = NULL;
        t->redirected = i > 0;
        CURLcode code = transfer(t);
        t->curl->getinfo(t->easy, CURLINFO_RESPONSE_CODE, ret_status);
        t->curl->getinfo(t->easy, CURLINFO_REDIRECT_URL, &next);
        if (code != CURLE_OK || *ret_status < 300 || *ret_status > 399 || !next ||
            listed(t->request->accept_statuses, *ret_status)) {
            Outcome outcome = judge(t, code, *ret_status, e);
            if (i > 0 && outcome != OUTCOME_DONE)
                error_wrap(e, 0, "redirected to %s", http_url_redact(t->url, shown, sizeof(shown)));
            return outcome;
        }
        set_url(t, next);
    }
    error_set(e, ELOOP, "more than %d redirects", REDIRECTS_MAX);
    return OUTCOME_FAILED;
}

/* Can the next try go on where this one broke off? */
static bool prepare_again(Transfer *t, Error *e)
{
    t->resuming = t->received > 0 &&
                  ((t->request->immutable && !t->refuses_ranges) || (t->ranges && t->etag[0] == '"'));
    if (t->received && !t->resuming && !t->request->restart && !t->request->immutable) {
        error_wrap(e, -EIO, "the answer broke off");
        return false;
    }
    return true;
}

static bool may_try_again(const Transfer *t, unsigned attempt, int64_t pause)
{
    return (!t->options->attempts || attempt < t->options->attempts) &&
           (!t->deadline || monotonic_ms() + pause < t->deadline);
}

/* In pieces, when somebody may lose interest. */
static void sleep_ms(const Transfer *t, int64_t ms)
{
    const int64_t piece = t->options->cancelled ? PAUSE_FIRST_MS : ms;
    for (; ms > 0 && !is_cancelled(t); ms -= piece)
        nanosleep(&(struct timespec){.tv_sec = piece / 1000, .tv_nsec = piece % 1000 * 1000000}, NULL);
}

static int run(Transfer *t, HttpResponse *ret, Error *e)
{
    char shown[512];
    http_url_redact(t->request->url, shown, sizeof(shown));
    int64_t pause = PAUSE_FIRST_MS;
    uint64_t had = t->received;
    for (unsigned attempt = 1, all = 1;; attempt++, all++) {
        long status = 0;
        Error why = ERROR_INIT;
        int r = t->request->prepare ? t->request->prepare(t->request->context, &why) : 0;
        if (r < 0 && !why.code)
            error_errno(&why, r, "preparing the request");
        Outcome outcome = r < 0 ? OUTCOME_FAILED : try_once(t, &status, &why);
        if (outcome == OUTCOME_DONE) {
            if (ret)
                *ret = (HttpResponse){
                    .status = status, .redirected = t->redirected, .length = t->received, .attempts = all};
            return 0;
        }
        if (t->request->immutable && t->received > had) {
            attempt = 0;
            pause = PAUSE_FIRST_MS;
        }
        had = t->received;
        if (outcome == OUTCOME_FAILED || !prepare_again(t, &why) || !may_try_again(t, attempt, pause))
            return error_set(e, why.code, "%s %s: %s", method_of(t->request), shown, why.text);
        if (t->options->retrying)
            t->options->retrying(t->options->context, all + 1, shown, why.text);
        sleep_ms(t, pause);
        pause = pause * 2 < PAUSE_LAST_MS ? pause * 2 : PAUSE_LAST_MS;
    }
}

static void choose_trust(Transfer *t)
{
    const HttpOptions *o = t->options;
    const char *file = o->trust_file, *directory = o->trust_directory;
    if (!o->authorities)
        return;
    if (!file)
        t->curl->getinfo(t->easy, CURLINFO_CAINFO, &file);
    if (!directory)
        t->curl->getinfo(t->easy, CURLINFO_CAPATH, &directory);
    http_trust_bundle(o->authorities, file, directory, &t->trusted);
}

struct HttpSession {
    HttpApart *apart; /* NULL: the rest */
    Curl curl;
    CURL *easy;
};

int http_session_new(HttpSession **ret, Error *e)
{
    _cleanup_(http_session_freep)
    HttpSession *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    int r = http_curl_load(&s->curl, e);
    if (r < 0)
        return r;
    s->easy = s->curl.init();
    if (!s->easy)
        return error_set(e, EIO, "libcurl does not start");
    *ret = TAKE_PTR(s);
    return 0;
}

HttpSession *http_session_new_apart(WorkerHost *host)
{
    HttpSession *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->apart = http_apart_new(host);
    return s;
}

void http_session_free(HttpSession *s)
{
    if (!s)
        return;
    http_apart_free(s->apart);
    if (s->easy)
        s->curl.cleanup(s->easy);
    free(s);
}

int http_get(const HttpOptions *options, const HttpRequest *request, HttpResponse *ret, Error *e)
{
    _cleanup_(http_session_freep)
    HttpSession *own = NULL;
    HttpSession *s = options->session;
    int r = s ? 0 : http_session_new(&own, e);
    if (r < 0)
        return r;
    s = s ? s : own;
    if (s->apart)
        return http_apart_get(s->apart, options, request, ret, e);
    s->curl.reset(s->easy); /* connections stay */
    Transfer t = {.curl = &s->curl,
                  .options = options,
                  .request = request,
                  .easy = s->easy,
                  .received = request->start,
                  .resuming = request->start > 0,
                  .deadline = options->total_ms ? monotonic_ms() + options->total_ms : 0};
    choose_trust(&t);
    r = run(&t, ret, e);
    buf_done(&t.trusted);
    free(t.url);
    return r;
}
