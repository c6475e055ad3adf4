/* What a GET of the provisioner looks like: the headers that a config server tells spec versions by, the
 * config's own headers over them, the bytes into the content of the resource. Each try is a line in the log,
 * since at a first boot that line is all that says why the machine waits; URLs are shown without their query.
 */
#include "provision/resource_http.h"

#include "base/log.h"
#include "net/http_client.h"

/* The release in the agent's name is that of the Ignition whose behaviour this program has: servers ask. */
static const HttpHeader usual_headers[] = {
    {"User-Agent", "Ignition/2.26.0"},
    {"Accept-Encoding", "identity"},
    {"Accept", "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1"},
    {NULL, NULL},
};

typedef struct Get {
    Content *content;
    Error failure; /* of the content, which the client does not know the words for */
} Get;

static int feed(void *context, const void *data, size_t n)
{
    Get *g = context;
    return content_feed(g->content, data, n, &g->failure);
}

static int restart(void *context)
{
    Get *g = context;
    return content_restart(g->content, &g->failure);
}

static bool cancelled(void *context)
{
    const atomic_bool *flag = context;
    return atomic_load(flag);
}

static void attempt_log(const char *url, unsigned attempt)
{
    char shown[1024];
    log_info("GET %s: attempt #%u", http_url_redact(url, shown, sizeof(shown)), attempt);
}

static void retrying(void *context _unused_, unsigned attempt, const char *url, const char *why)
{
    log_info("GET error: %s", why);
    attempt_log(url, attempt);
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
    Get get = {.content = c};
    int k = headers_new(&r->http_headers, &headers, e);

    if (k < 0)
        return k;
    const HttpOptions options = {
        .headers = usual_headers,
        .authorities = h->authorities,
        .http_proxy = h->http_proxy,
        .https_proxy = h->https_proxy,
        .no_proxy = h->no_proxy,
        .response_headers_ms = h->response_headers_ms,
        .total_ms = h->total_ms,
        .retrying = retrying,
        .cancelled = h->cancelled ? cancelled : NULL,
        .context = (void *)h->cancelled,
    };
    const HttpRequest request = {
        .url = r->source,
        .headers = headers,
        .sink = feed,
        .restart = restart,
        .context = &get,
    };

    attempt_log(r->source, 1);
    k = http_get(&options, &request, NULL, e);
    if (k < 0 && get.failure.code)
        return error_set(e, get.failure.code, "%s", get.failure.text);
    return k < 0 ? k : 0;
}
