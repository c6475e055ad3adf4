/* tftp:// in terms of net/tftp.h, with the log lines that an HTTP request has. */
#include <string.h>

#include "base/log.h"
#include "net/tftp.h"
#include "net/url_address.h"
#include "provision/resource_scheme.h"

typedef struct Get {
    const ResourceHttp *http;
    const char *shown;
    Content *content;
    Error failure;
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
    const Get *g = context;
    return g->http->cancelled && atomic_load(g->http->cancelled);
}

static void retrying(void *context, unsigned attempt, const char *why)
{
    const Get *g = context;
    log_info("GET error: %s", why);
    log_info("GET %s: attempt #%u", g->shown, attempt);
}

int resource_tftp_get(const ResourceHttp *h, const IgnResource *r, Content *c, Error *e)
{
    _cleanup_(url_address_done)
    UrlAddress url = {0};
    char shown[1024];
    Get g = {.http = h, .shown = http_url_redact(r->source, shown, sizeof(shown)), .content = c};
    const TftpOptions options = {.total_ms = h->total_ms,
                                 .answer_ms = h->response_headers_ms > 0 ? h->response_headers_ms : 0,
                                 .retrying = retrying,
                                 .cancelled = cancelled,
                                 .context = &g};

    if (url_address_read(r->source, &url) < 0 || url.path.len == 0)
        return error_set(e, EINVAL, "%s is no URL of a file", shown);
    const TftpRequest request = {.host = url.host,
                                 .port = url.port,
                                 .path = url.path.data,
                                 .sink = feed,
                                 .restart = restart,
                                 .context = &g};
    log_info("GET %s: attempt #1", shown);
    int k = tftp_get(&options, &request, e);
    if (k < 0 && g.failure.code)
        return error_set(e, g.failure.code, "%s", g.failure.text);
    return k < 0 ? error_wrap(e, k, "GET %s", shown) : 0;
}
