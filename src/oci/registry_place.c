/* The first request goes out without credentials; what the registry then says that it wants is what it gets.
 * A place that is called insecure is first tried with TLS, of whatever certificate, and without it only when
 * there is none. Credentials, certificates and the kind of connection are found out once a place. */
#include "oci/registry_place.h"

#include <string.h>

#include "base/clock.h"
#include "format/data_url.h"

enum { PLACE_ATTEMPTS = 5, PLACE_STALL_MS = 30000, PLACE_HEADERS_MS = 60000 };

static const HttpHeader usual[] = {
    {"User-Agent", "basalt/" BASALT_VERSION}, {"Accept-Encoding", "identity"}, {NULL, NULL}};

HttpOptions place_http_options(const PlaceWays *w, const Place *p)
{
    const RegistryOptions *o = w->options;
    return (HttpOptions){
        .session = w->session,
        .headers = usual,
        .authorities = p->certs.authorities,
        .certificate = p->certs.certificate,
        .key = p->certs.key,
        .distrust_nobody = p->is->insecure,
        .https_only = !p->is->insecure,
        .http_proxy = o->http_proxy,
        .https_proxy = o->https_proxy,
        .no_proxy = o->no_proxy,
        .response_headers_ms = PLACE_HEADERS_MS,
        .stall_ms = o->stall_ms ? o->stall_ms : PLACE_STALL_MS,
        .attempts = o->attempts ? o->attempts : PLACE_ATTEMPTS,
        .retrying = o->retrying,
        .cancelled = o->cancelled,
        .context = o->context,
    };
}

/* ---- how the place is spoken to ---- */

static int nothing(void *context, const void *data, size_t n)
{
    (void)context;
    (void)data;
    (void)n;
    return 0;
}

/* Only what is no answer at all, neither yes nor no, is a server without TLS. */
static void probe_tls(const PlaceWays *w, Place *p)
{
    static const int any[] = {301, 302, 307, 308, 400, 401, 403, 404, 0};
    HttpOptions options = place_http_options(w, p);
    HttpRequest request = {.url = arena_printf(w->arena, "https://%s/v2/", p->host),
                           .max = 1 << 20,
                           .sink = nothing,
                           .accept_statuses = any};
    Error e = ERROR_INIT;
    options.attempts = 1;
    int r = http_get(&options, &request, NULL, &e);
    p->plain = r == -EIO || r == -ETIMEDOUT;
}

static int prepare_place(const PlaceWays *w, Place *p, Error *e)
{
    const RegistryOptions *o = w->options;
    if (p->ready)
        return 0;
    int r = registry_certs_load(w->arena, o->root, p->is->name.registry, &p->certs, e);
    if (r < 0 || (r = auth_find(w->arena, o->root, o->auth_files, &p->is->name, &p->credentials, e)) < 0)
        return r;
    p->has_credentials = r > 0;
    if (o->authorities)
        p->certs.authorities = arena_printf(w->arena, "%s\n%s", o->authorities,
                                            p->certs.authorities ? p->certs.authorities : "");
    if (p->is->insecure)
        probe_tls(w, p);
    p->ready = true;
    return 0;
}

/* ---- who is asked for what ---- */

static int authorize(const PlaceWays *w, Place *p, const AuthChallenge *c, Error *e)
{
    if (c->scheme == AUTH_BEARER)
        return place_fetch_token(w, p, c, e);
    if (c->scheme != AUTH_BASIC)
        return error_set(e, EACCES, "access is denied, and the registry does not say what it wants");
    if (!p->credentials.user)
        return error_set(e, EACCES, "the registry wants a user and a password, and no auth.json has them");
    Buf plain = BUF_INIT;
    buf_done_secret(&p->authorization);
    p->authorization = BUF_INIT;
    buf_addf(&plain, "%s:%s", p->credentials.user, p->credentials.password);
    buf_add_str(&p->authorization, "Basic ");
    base64_encode(plain.data, plain.len, &p->authorization);
    buf_done_secret(&plain);
    p->good_until = 0;
    return 0;
}

/* What is known of an answer's head, started anew with each of a chain of redirects. */
typedef struct Heads {
    const PlaceCall *call;
    PlaceAnswer answer;
    AuthChallenge challenge;
} Heads;

static bool header_is(const char *line, size_t n, const char *name, const char **value, size_t *len)
{
    size_t k = strlen(name);
    if (n <= k || line[k] != ':' || strncasecmp(line, name, k))
        return false;
    for (line += k + 1, n -= k + 1; n && (*line == ' ' || *line == '\t'); line++, n--)
        ;
    while (n && memchr(" \t\r\n", line[n - 1], 4))
        n--;
    *value = line;
    *len = n;
    return true;
}

static void keep(char *to, size_t size, const char *value, size_t n)
{
    n = n < size && !memchr(value, '\0', n) ? n : 0;
    memcpy(to, value, n);
    to[n] = '\0';
}

static void header(void *context, const char *line, size_t n)
{
    Heads *h = context;
    const char *value;
    size_t len;
    if (n > 5 && !memcmp(line, "HTTP/", 5)) {
        h->answer = (PlaceAnswer){0};
        h->challenge = (AuthChallenge){0};
    } else if (header_is(line, n, "www-authenticate", &value, &len))
        auth_challenge_read(value, len, &h->challenge);
    else if (header_is(line, n, "content-type", &value, &len))
        keep(h->answer.content_type, sizeof(h->answer.content_type), value, len);
    else if (header_is(line, n, "docker-content-digest", &value, &len))
        keep(h->answer.digest, sizeof(h->answer.digest), value, len);
}

static int take(void *context, const void *data, size_t n)
{
    const Heads *h = context;
    return h->call->sink ? h->call->sink(h->call->context, data, n) : 0;
}

static int restart(void *context)
{
    const Heads *h = context;
    return h->call->restart ? h->call->restart(h->call->context) : 0;
}

static int judge(const Place *p, const HttpResponse *response, Error *e)
{
    switch (response->status) {
    case 404:
        return error_set(e, ENOENT, "there is no such image");
    case 401:
    case 403:
        return error_set(e, EACCES, "access is denied%s",
                         response->redirected ? " where it redirects to"
                         : p->has_credentials ? " with the credentials of auth.json"
                                              : "; no auth.json has credentials for it");
    default:
        return 0;
    }
}

static int call_once(const PlaceWays *w, Place *p, Heads *heads, uint64_t start, HttpResponse *ret, Error *e)
{
    static const int accepted[] = {401, 403, 404, 0}, again[] = {429, 0};
    const PlaceCall *call = heads->call;
    HttpHeader headers[] = {{NULL, NULL}, {NULL, NULL}, {NULL, NULL}}, *next = headers;
    HttpOptions options = place_http_options(w, p);
    if (p->good_until && monotonic_ms() > p->good_until)
        p->authorization.len = 0;
    if (call->accept)
        *next++ = (HttpHeader){"Accept", call->accept};
    if (p->authorization.len)
        *next = (HttpHeader){"Authorization", p->authorization.data};
    HttpRequest request = {.url = arena_printf(w->arena, "%s://%s/v2/%s/%s", p->plain ? "http" : "https",
                                               p->host, p->is->name.repository, call->path),
                           .method = call->method,
                           .headers = headers,
                           .accept_statuses = accepted,
                           .retry_statuses = again,
                           .immutable = call->immutable,
                           .start = start,
                           .max = call->max,
                           .sink = take,
                           .restart = restart,
                           .header = header,
                           .context = heads};
    return http_get(&options, &request, ret, e);
}

/* A token may run out in the middle of a blob, which then goes on from where the sink is. */
int place_call(const PlaceWays *w, Place *p, const PlaceCall *call, PlaceAnswer *ret, Error *e)
{
    Heads heads = {.call = call};
    HttpResponse response = {0};
    int r = prepare_place(w, p, e);
    uint64_t length = call->start;
    bool fresh = false;
    while (r >= 0) {
        uint64_t before = length;
        r = call_once(w, p, &heads, length, &response, e);
        if (call->immutable)
            length = response.length;
        /* What was just asked for and is of no use is not asked for again. */
        if (r < 0 || response.status != 401 || response.redirected || (fresh && length == before))
            break;
        fresh = true;
        r = authorize(w, p, &heads.challenge, e);
    }
    if (r >= 0)
        r = judge(p, &response, e);
    heads.answer.status = response.status;
    heads.answer.length = length;
    *ret = heads.answer;
    return r;
}

void place_done(Place *p)
{
    buf_done_secret(&p->authorization);
}
