/* A request goes in one piece; then frames, until the last one. Each is copied out of the shared memory
 * before it is looked at. Whoever breaks off in the middle (a sink that fails, somebody who cancels, a
 * process that says what cannot be) ends the process; the next request starts another. */
#include "net/http_apart.h"

#include <string.h>

#include "net/http_wire.h"

enum {
    RING_IN = 64 << 10,
    RING_OUT = 512 << 10,
    CONNECT_MS = 30000,  /* as http_client.c has it */
    PATIENCE_MS = 60000, /* beyond what the process itself waits for anything */
    HEADERS_MAX = 4 << 20,
    HEADER_COST = 64 /* of all answers to a request; each beside its length */
};

struct HttpApart {
    WorkerHost *host;
    WorkerTask task;
    Worker worker;
    bool runs;
    char piece[WIRE_PIECE_MAX];
};

typedef struct Answer { /* that is coming in */
    HttpApart *apart;
    const HttpOptions *options;
    const HttpRequest *request;
    uint64_t received, headers;
    WorkerWait wait;
    bool done;
    WireDone end;
} Answer;

HttpApart *http_apart_new(WorkerHost *host)
{
    HttpApart *a = calloc(1, sizeof(*a));
    if (!a)
        abort();
    a->host = host;
    a->task = (WorkerTask){.run = http_worker_run, .in = RING_IN, .out = RING_OUT};
    return a;
}

static void stop(HttpApart *a)
{
    if (a->runs)
        worker_stop(&a->worker);
    a->runs = false;
}

void http_apart_free(HttpApart *a)
{
    if (!a)
        return;
    stop(a);
    free(a);
}

void http_apart_set(HttpApart *a, const WorkerTask *task)
{
    stop(a);
    a->task = *task;
}

static int impossible(Error *e)
{
    return error_set(e, EBADMSG, "the process that fetches says what cannot be");
}

/* The process has its own limits, and each of them ends in a frame. 0: not all. */
static int64_t patience(const HttpOptions *o)
{
    if (o->response_headers_ms < 0 || o->stall_ms == 0)
        return 0;
    return (o->connect_ms ? o->connect_ms : CONNECT_MS) + o->response_headers_ms + o->stall_ms + PATIENCE_MS;
}

/* ---- frames ---- */

static int sink_failed(const Answer *a, int r, Error *e)
{
    char shown[512];
    const char *method = a->request->method ? a->request->method : "GET";
    return error_errno(e, r, "%s %s: taking the answer", method,
                       http_url_redact(a->request->url, shown, sizeof(shown)));
}

static int take_body(Answer *a, size_t n, Error *e)
{
    const uint64_t max = a->request->max;

    a->received += n;
    if (max && a->received > max)
        return error_set(e, EFBIG, "the answer has more than %llu bytes", (unsigned long long)max);
    int r = a->request->sink(a->request->context, a->apart->piece, n);
    return r < 0 ? sink_failed(a, r, e) : 0;
}

static int take_header(Answer *a, size_t n, Error *e)
{
    a->headers += n + HEADER_COST;
    if (a->headers > HEADERS_MAX)
        return error_set(e, EFBIG, "the answers have too many headers");
    if (a->request->header)
        a->request->header(a->request->context, a->apart->piece, n);
    return 0;
}

/* What is shown to people. */
static void plain(char *text, size_t size)
{
    text[size - 1] = '\0';
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
}

static int take_retry(const Answer *a, size_t n, Error *e)
{
    WireRetry retry;

    if (n != sizeof(retry))
        return impossible(e);
    memcpy(&retry, a->apart->piece, sizeof(retry));
    plain(retry.url, sizeof(retry.url));
    plain(retry.why, sizeof(retry.why));
    if (a->options->retrying)
        a->options->retrying(a->options->context, retry.attempt, retry.url, retry.why);
    return 0;
}

static int take_restart(Answer *a, size_t n, Error *e)
{
    if (n > 0 || !a->request->restart)
        return impossible(e);
    a->received = 0;
    int r = a->request->restart(a->request->context);
    return r < 0 ? sink_failed(a, r, e) : 0;
}

static int take_done(Answer *a, size_t n, Error *e)
{
    WireDone *d = &a->end;

    if (n != sizeof(*d))
        return impossible(e);
    memcpy(d, a->apart->piece, sizeof(*d));
    plain(d->text, sizeof(d->text));
    if (d->code > 0 || d->code < -4095 || d->status < 0 || d->status > 999 || (d->code < 0 && !d->text[0]))
        return impossible(e);
    a->done = true;
    return 0;
}

static int take_frame(Answer *a, Error *e)
{
    WireHead head;
    int r = worker_receive(&a->apart->worker, &head, sizeof(head), &a->wait, e);

    if (r >= 0 && head.length > sizeof(a->apart->piece))
        r = impossible(e);
    if (r >= 0)
        r = worker_receive(&a->apart->worker, a->apart->piece, head.length, &a->wait, e);
    if (r >= 0)
        r = worker_still_wanted(&a->wait, e);
    if (r < 0)
        return r;
    switch (head.kind) {
    case WIRE_HEADER:
        return take_header(a, head.length, e);
    case WIRE_BODY:
        return take_body(a, head.length, e);
    case WIRE_RESTART:
        return take_restart(a, head.length, e);
    case WIRE_RETRYING:
        return take_retry(a, head.length, e);
    case WIRE_DONE:
        return take_done(a, head.length, e);
    default:
        return impossible(e);
    }
}

/* ---- a request ---- */

static int send_request(Answer *a, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;

    buf_add(&text, &(uint32_t){0}, sizeof(uint32_t));
    wire_request_write(a->options, a->request, &text);
    if (text.len > WIRE_REQUEST_MAX)
        return error_set(e, E2BIG, "the request is too large");
    const uint32_t length = (uint32_t)(text.len - sizeof(length));
    memcpy(text.data, &length, sizeof(length));
    return worker_send(&a->apart->worker, text.data, text.len, &a->wait, e);
}

static int converse(Answer *a, Error *e)
{
    int r = send_request(a, e);

    while (r >= 0 && !a->done)
        r = take_frame(a, e);
    return r;
}

int http_apart_get(HttpApart *apart, const HttpOptions *options, const HttpRequest *request,
                   HttpResponse *ret, Error *e)
{
    Answer a = {
        .apart = apart,
        .options = options,
        .request = request,
        .received = request->start,
        .wait = {.limit_ms = patience(options), .stopped = options->cancelled, .context = options->context}};
    int r = 0;

    if (request->prepare)
        return error_set(e, EOPNOTSUPP, "a request that is made anew at each try");
    if (!apart->runs) {
        apart->worker = WORKER_NONE;
        r = worker_start(apart->host, &apart->task, &apart->worker, e);
        apart->runs = r >= 0;
    }
    if (r >= 0)
        r = converse(&a, e);
    if (r < 0) {
        stop(apart);
        return r;
    }
    if (a.end.code < 0)
        return error_set(e, -a.end.code, "%s", a.end.text);
    if (ret)
        *ret = (HttpResponse){.status = (long)a.end.status,
                              .redirected = a.end.redirected != 0,
                              .length = a.received,
                              .attempts = a.end.attempts};
    return 0;
}
