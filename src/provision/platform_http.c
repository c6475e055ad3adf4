/* Metadata services: a token where the service wants one, then the user data. Every request goes by the rules
 * of the platform's row; what passes (a server that is not up yet, a network that is not) is tried again
 * until the deadline. A token is never shown, and refused when it could be more than the value of a header.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "format/json.h"
#include "provision/platform.h"
#include "provision/platform_http.h"
#include "provision/user_data.h"

enum { TOKEN_MAX = 64 * 1024, METADATA_MAX = 4 * 1024 * 1024, LOW_PORTS = 512, REPORT_MS = 30000 };

static int token_check(Buf *token, Error *e)
{
    size_t from = 0;

    while (token->len > 0 && strchr(" \t\r\n", token->data[token->len - 1]))
        token->data[--token->len] = '\0';
    while (from < token->len && strchr(" \t\r\n", token->data[from]))
        from++;
    if (from > 0)
        memmove(token->data, token->data + from, token->len + 1 - from);
    token->len -= from;
    if (token->len == 0)
        return error_set(e, EBADMSG, "received an empty token");
    for (size_t i = 0; i < token->len; i++)
        if (token->data[i] <= ' ' || token->data[i] > '~')
            return error_set(e, EBADMSG, "received a token that is none");
    return 0;
}

int metadata_token(const ResourceHttp *h, const Metadata *m, int64_t deadline_ms, Buf *ret, Error *e)
{
    const ResourceCall call = {
        .request = {.url = m->token_url,
                    .method = "PUT",
                    .headers = m->token_headers,
                    .max = TOKEN_MAX,
                    .retry_statuses = m->retry},
        .direct = true,
        .deadline_ms = deadline_ms,
    };
    int r = resource_http_call(h, &call, ret, e);

    if (r == -ENOENT && m->token_optional) {
        log_info("the metadata service gives no tokens, asking it without one");
        if (e)
            *e = ERROR_INIT;
        return 0;
    }
    if (r >= 0)
        r = token_check(ret, e);
    return r < 0 ? error_wrap(e, r, "getting a token") : 1;
}

int metadata_get(const PlatformFetch *p, const char *url, Buf *ret, Error *e)
{
    const Metadata *m = &p->platform->metadata;
    _cleanup_(buf_done_secret)
    Buf token = BUF_INIT;
    HttpHeader headers[ELEMENTS(m->headers) + 1];
    size_t n = 0;
    int r = m->token_url ? metadata_token(fetcher_http(p->fetcher), m, p->deadline_ms, &token, e) : 0;

    if (r < 0)
        return r;
    for (; m->headers[n].name; n++)
        headers[n] = m->headers[n];
    if (r > 0)
        headers[n++] = (HttpHeader){.name = m->token_to, .value = token.data};
    headers[n] = (HttpHeader){.name = NULL};
    const ResourceCall call = {
        .request = {.url = url, .headers = headers, .max = PLATFORM_CONFIG_MAX, .retry_statuses = m->retry},
        .direct = true,
        .deadline_ms = p->deadline_ms,
        .local_port = m->low_port ? 1 + (unsigned)(monotonic_ms() % LOW_PORTS) : 0,
        .local_ports = LOW_PORTS,
    };
    return resource_http_call(fetcher_http(p->fetcher), &call, ret, e);
}

int metadata_fetch(const PlatformFetch *p, Buf *ret, Error *e)
{
    const Metadata *m = &p->platform->metadata;

    if (fetcher_offline(p->fetcher))
        return error_set(e, ENETDOWN, "resource requires networking");
    int r = metadata_get(p, m->url, ret, e);
    if (r == -ENOENT && !m->required) {
        log_info("the metadata service has no user data");
        if (e)
            *e = ERROR_INIT;
        return -ENODATA;
    }
    if (r >= 0 && m->base64)
        r = user_data_base64(ret, e);
    return r < 0 ? r : 0;
}

/* ---- telling ---- */

static int events_url(Fetcher *f, Arena *a, const char **ret, Error *e)
{
    static const char end[] = "/phone-home";
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_buf_ Buf text = BUF_INIT;
    const HttpHeader headers[] = {{"Accept", "*/*"}, {.name = NULL}};
    const ResourceCall call = {
        .request = {.url = "https://metadata.packet.net/metadata", .headers = headers, .max = METADATA_MAX},
        .direct = true,
        .deadline_ms = monotonic_ms() + REPORT_MS,
    };
    Node *top;
    int r = resource_http_call(fetcher_http(f), &call, &text, e);

    if (r < 0)
        return r;
    if (text.len == 0)
        return error_set(e, ENODATA, "the metadata is empty");
    const Source source = {.name = "metadata", .text = text.data, .len = text.len, .secret = true};
    r = json_read(a, &source, SEVERITY_ERROR, &top, &report);
    const char *home = r < 0 ? NULL : node_string(node_get(top, "phone_home_url"));
    if (!home)
        return error_set(e, EBADMSG, "the metadata names no phone_home_url");
    size_t n = strlen(home), cut = sizeof(end) - 1;
    *ret =
        arena_printf(a, "%.*s/events", (int)(n >= cut && !strcmp(home + n - cut, end) ? n - cut : n), home);
    return 0;
}

int packet_report(Fetcher *f, const char *stage, const char *failure, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf body = BUF_INIT, answer = BUF_INIT;
    const HttpHeader headers[] = {{"Content-Type", "application/json"}, {.name = NULL}};
    const char *url = NULL;

    if (fetcher_offline(f))
        return 0;
    log_info("telling the platform's timeline how the stage ended");
    int r = events_url(f, a, &url, e);
    if (r < 0)
        return r;
    Node *message = node_new(a, NODE_OBJECT);
    node_set_string(a, message, "state", failure ? "failed" : "running");
    node_set_string(a, message, "message",
                    failure ? arena_printf(a, "[%s] Ignition error: %s", stage, failure)
                            : arena_printf(a, "[%s] Ignition status: finished successfully", stage));
    json_write(message, JSON_COMPACT, &body);
    static const int any[] = {201, 202, 0};
    const ResourceCall call = {
        .request = {.url = url,
                    .method = "POST",
                    .body = body.data,
                    .body_len = body.len,
                    .headers = headers,
                    .max = METADATA_MAX,
                    .accept_statuses = any},
        .direct = true,
        .deadline_ms = monotonic_ms() + REPORT_MS,
    };
    return resource_http_call(fetcher_http(f), &call, &answer, e);
}
