/* A call is a series of transfers on one handle, until an answer comes or time is up. It waits for its
 * answer; watches (kube_http_watch.c) have handles of their own and get what came meanwhile when they are
 * asked next. */
#include "kube/kube_http.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "kube/kube_answer.h"
#include "kube/kube_kind.h"
#include "kube/kube_path.h"
#include "kube/kube_transfer.h"

enum { TRIES_MAX = 5, PAUSE_FIRST_MS = 100, NAME_MAX_TEXT = 320 };

typedef struct Call {
    KubeTransfer transfer; /* first */
    Buf body;              /* of the answer */
} Call;

static size_t take_body(char *data, size_t one, size_t n, void *context)
{
    Call *c = context;
    if (c->body.len + n > KUBE_ANSWER_MAX) {
        c->transfer.failed = -EFBIG;
        return 0;
    }
    buf_add(&c->body, data, n);
    return one * n;
}

static bool is_read(const KubeRequest *q)
{
    return q->verb == KUBE_GET || q->verb == KUBE_LIST;
}

/* Options of a deletion count in one place: in the body, where there is one. */
static const Node *body_of(const KubeRequest *q, Arena *a)
{
    if (q->verb != KUBE_DELETE || !q->body)
        return is_read(q) ? NULL : q->body;
    Node *options = node_copy(a, q->body);
    node_set_string(a, options, "apiVersion", "v1");
    node_set_string(a, options, "kind", "DeleteOptions");
    node_set_string(a, options, "propagationPolicy", q->propagation);
    if (q->dry_run)
        node_append(node_set(a, options, "dryRun", node_new(a, NODE_ARRAY)), node_new_string(a, "All"));
    return options;
}

static void set_method(const Call *c, const KubeRequest *q, const Buf *sent)
{
    const Curl *curl = &c->transfer.kube->curl;
    CURL *easy = c->transfer.easy;
    if (sent->len || q->verb == KUBE_CREATE) {
        curl->setopt(easy, CURLOPT_POSTFIELDS, sent->data ? sent->data : "");
        curl->setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)sent->len);
    } else
        curl->setopt(easy, CURLOPT_HTTPGET, 1L);
    curl->setopt(easy, CURLOPT_CUSTOMREQUEST, kube_method(q->verb));
}

/* May it be sent once more? */
static bool passes(const Call *c, CURLcode code)
{
    if (c->transfer.failed < 0 || (c->transfer.once && c->transfer.sent))
        return false;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR: /* reset within the handshake, too */
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return true;
    default:
        return false;
    }
}

static void pause_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

static int send_call(Call *c, const KubeRequest *q, const Buf *path, const Buf *sent, Error *e)
{
    HttpKube *h = c->transfer.kube;
    unsigned limit = q->timeout_ms ? q->timeout_ms : h->options.timeout_ms;
    int64_t until = monotonic_ms() + (limit ? limit : KUBE_TIMEOUT_MS), pause = PAUSE_FIRST_MS;
    for (unsigned tries = 1;; tries++, pause *= 3) {
        int64_t left = until - monotonic_ms();
        c->body.len = 0;
        int r = kube_transfer_begin(&c->transfer, path->data, sent->len ? kube_content_type(q) : NULL, e);
        if (r < 0)
            return r;
        set_method(c, q, sent);
        h->curl.setopt(h->easy, CURLOPT_TIMEOUT_MS, (long)(left < 1 ? 1 : left));
        h->curl.setopt(h->easy, CURLOPT_WRITEFUNCTION, take_body);
        h->curl.setopt(h->easy, CURLOPT_WRITEDATA, c);
        CURLcode code = h->curl.perform(h->easy);
        kube_transfer_end(&c->transfer);
        if (code == CURLE_OK)
            return 0;
        if (!passes(c, code) || tries == TRIES_MAX || monotonic_ms() + pause >= until)
            return kube_transfer_error(&c->transfer, code, e);
        pause_ms(pause);
    }
}

/* In lists of built-in kinds the objects do not say what they are. */
static void name_items(Arena *a, const KubeKind *kind, const Node *list)
{
    char version[128];
    const Node *items = node_get(list, "items");
    kube_api_version(kind, version);
    for (Node *n = items && items->kind == NODE_ARRAY ? items->first : NULL; n; n = n->next)
        if (n->kind == NODE_OBJECT && !node_get(n, "kind")) {
            node_set_string(a, n, "apiVersion", version);
            node_set_string(a, n, "kind", kind->kind);
        }
}

static int read_answer(const Call *c, const KubeRequest *q, Arena *a, KubeAnswer *ret, Error *e)
{
    const Curl *curl = &c->transfer.kube->curl;
    KubeBytes body = {c->body.data, c->body.len};
    long code = 0;
    curl_off_t after = 0;
    curl->getinfo(c->transfer.easy, CURLINFO_RESPONSE_CODE, &code);
    if (code >= 200 && code < 300) {
        int r = kube_object_read(a, body, &ret->object, e);
        if (r >= 0 && q->verb == KUBE_LIST)
            name_items(a, q->kind, ret->object);
        return r;
    }
    kube_status_read(a, (int)code, body, &ret->status);
    curl->getinfo(c->transfer.easy, CURLINFO_RETRY_AFTER, &after);
    if (after > 0)
        ret->status.retry_after_sec = after > 3600 ? 3600 : (unsigned)after;
    return kube_status_error(&ret->status, e);
}

static int http_call(Kube *k, const KubeRequest *q, Arena *a, KubeAnswer *ret, Error *e)
{
    HttpKube *h = (HttpKube *)k;
    Call c = {.transfer = {.kube = h, .easy = h->easy, .once = !is_read(q)}};
    _cleanup_buf_ Buf path = BUF_INIT;
    _cleanup_(buf_done_secret)
    Buf sent = BUF_INIT;
    char text[NAME_MAX_TEXT];
    int r = kube_path(q, h->options.agent, &path, e);
    const Node *body = r < 0 ? NULL : body_of(q, a);
    if (body)
        json_write(body, JSON_COMPACT, &sent);
    if (r >= 0)
        r = send_call(&c, q, &path, &sent, e);
    if (r >= 0)
        r = read_answer(&c, q, a, ret, e);
    buf_done_secret(&c.body);
    log_debug("request: %s: %d", kube_request_text(q, text, sizeof(text)), r);
    return r < 0 ? error_wrap(e, r, "%s", text) : 0;
}

static void http_free(Kube *k)
{
    HttpKube *h = (HttpKube *)k;
    if (h->easy)
        h->curl.cleanup(h->easy);
    kube_http_watching_end(h);
    kube_identity_done(&h->identity);
    free(h);
}

static const KubeBackend backend = {
    .call = http_call,
    .watch = kube_http_watch,
    .next = kube_http_next,
    .unwatch = kube_http_unwatch,
    .fd = kube_http_fd,
    .timeout_ms = kube_http_timeout_ms,
    .free = http_free,
};

int kube_http_new(const KubeConfig *config, const KubeHttpOptions *options, Kube **ret, Error *e)
{
    HttpKube *h = calloc(1, sizeof(*h));
    if (!h)
        abort();
    *h = (HttpKube){
        .base.backend = &backend, .config = config, .options = *options, .epoll = -EBADF, .due = -1};
    kube_identity_init(&h->identity, config);
    int r = http_curl_load(&h->curl, e);
    if (r >= 0)
        r = http_curl_load_multi(&h->multi, e);
    if (r >= 0 && !(h->easy = h->curl.init()))
        r = error_set(e, ENOMEM, "libcurl does not start");
    if (r >= 0)
        r = kube_http_watching_begin(h, e);
    if (r < 0) {
        http_free(&h->base);
        return error_wrap(e, r, "a client of '%s'", config->server);
    }
    *ret = &h->base;
    return 0;
}
