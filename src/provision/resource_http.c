/* What a GET of the provisioner looks like: the headers that a config server tells spec versions by, the
 * config's own headers over them, the bytes into the content of the resource. Each try is a line in the log,
 * since at a first boot that line is all that says why the machine waits; URLs are shown without their query.
 */
#include "provision/resource_http.h"

#include <string.h>

#include "base/arena.h"
#include "base/log.h"

/* The release in the agent's name is that of the Ignition whose behaviour this program has: servers ask. */
static const HttpHeader usual_headers[] = {
    {"User-Agent", "Ignition/2.26.0"},
    {"Accept-Encoding", "identity"},
    {"Accept", "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1"},
    {NULL, NULL},
};

/* Where a body goes, and who is asked what on the way. */
typedef struct Get {
    const ResourceHttp *http;
    const ResourceCall *call;
    const char *method;
    bool service;
    Content *content;
    Buf *buf;
    size_t buf_start;
    Error failure; /* of the content, which the client does not know the words for */
} Get;

static int feed(void *context, const void *data, size_t n)
{
    Get *g = context;
    if (g->content)
        return content_feed(g->content, data, n, &g->failure);
    buf_add(g->buf, data, n);
    return 0;
}

static int restart(void *context)
{
    Get *g = context;
    if (g->content)
        return content_restart(g->content, &g->failure);
    g->buf->len = g->buf_start;
    return 0;
}

static void header(void *context, const char *line, size_t n)
{
    Get *g = context;
    g->call->header(g->call->context, line, n);
}

static int prepare(void *context, Error *e)
{
    Get *g = context;
    return g->call->prepare(g->call->context, e);
}

static bool cancelled(void *context)
{
    Get *g = context;
    return atomic_load(g->http->cancelled);
}

static void attempt_log(const Get *g, const char *url, unsigned attempt)
{
    char shown[1024];
    log_info("%s %s: attempt #%u", g->method, http_url_redact(url, shown, sizeof(shown)), attempt);
}

static void retrying(void *context, unsigned attempt, const char *url, const char *why)
{
    const Get *g = context;
    log_info("%s error: %s", g->method, why);
    attempt_log(g, url, attempt);
}

/* A service is asked where the tests put it, by the name that it has. */
static void service_move(Arena *a, HttpRequest *request)
{
    const char *to = getenv("BASALT_METADATA");
    const char *host = strstr(request->url, "://");
    size_t n = 0, len;
    bool named = false;

    if (!to || !*to || !host)
        return;
    host += strlen("://");
    len = strcspn(host, "/?#");
    for (; request->headers && request->headers[n].name; n++)
        named = named || strcmp(request->headers[n].name, "Host") == 0;
    HttpHeader *headers = ARENA_ARRAY(a, HttpHeader, n + 2);
    for (size_t i = 0; i < n; i++)
        headers[i] = request->headers[i];
    if (!named)
        headers[n] = (HttpHeader){.name = "Host", .value = arena_printf(a, "%.*s", (int)len, host)};
    request->headers = headers;
    request->url = arena_printf(a, "%s%s", to, host + len);
}

static int get(Get *g, Error *e)
{
    _cleanup_arena_ Arena *arena = arena_new();
    const ResourceHttp *h = g->http;
    const ResourceCall *call = g->call;
    HttpRequest request = call->request;
    HttpOptions options = {
        .headers = usual_headers,
        .authorities = h->authorities,
        .http_proxy = call->direct ? NULL : h->http_proxy,
        .https_proxy = call->direct ? NULL : h->https_proxy,
        .no_proxy = h->no_proxy,
        .response_headers_ms = h->response_headers_ms,
        .total_ms = h->total_ms,
        .attempts = call->attempts,
        .local_port = call->local_port,
        .local_ports = call->local_ports,
        .retrying = retrying,
        .cancelled = h->cancelled ? cancelled : NULL,
        .context = g,
    };
    if (call->deadline_ms) {
        int64_t left = call->deadline_ms - monotonic_ms();
        options.total_ms = left > 0 ? left : 1;
    }
    if (g->service)
        service_move(arena, &request);
    request.sink = feed;
    request.restart = restart;
    request.prepare = call->prepare ? prepare : NULL;
    request.header = call->header ? header : NULL;
    request.context = g;
    g->method = request.method ? request.method : "GET";
    attempt_log(g, request.url, 1);
    int k = http_get(&options, &request, NULL, e);
    if (k < 0 && g->failure.code)
        return error_set(e, g->failure.code, "%s", g->failure.text);
    return k < 0 ? k : 0;
}

static int headers_new(const IgnList *list, HttpHeader **ret, Error *e)
{
    _cleanup_free_ HttpHeader *headers = calloc(list->n + 1, sizeof(*headers));
    size_t n = 0;

    if (!headers)
        abort();
    IGN_EACH (const IgnHeader, h, *list) {
        /* Without a value it takes one of a parent away in a merge; what is left of it asks for nothing. */
        if (!h->name || !h->value)
            return error_set(e, EINVAL, "the HTTP header %s has no value",
                             h->name ? h->name : "without a name");
        headers[n++] = (HttpHeader){.name = h->name, .value = h->value};
    }
    *ret = TAKE_PTR(headers);
    return 0;
}

int resource_http_get(const ResourceHttp *h, const IgnResource *r, Content *c, Error *e)
{
    _cleanup_free_ HttpHeader *headers = NULL;
    int k = headers_new(&r->http_headers, &headers, e);

    if (k < 0)
        return k;
    const ResourceCall call = {.request = {.url = r->source, .headers = headers}};
    return get(&(Get){.http = h, .call = &call, .content = c}, e);
}

int resource_http_feed(const ResourceHttp *h, const ResourceCall *call, Content *c, Error *e)
{
    return get(&(Get){.http = h, .call = call, .service = true, .content = c}, e);
}

int resource_http_call(const ResourceHttp *h, const ResourceCall *call, Buf *ret, Error *e)
{
    return get(&(Get){.http = h, .call = call, .service = true, .buf = ret, .buf_start = ret->len}, e);
}
