/* A token is asked for with what the registry wants to be told (service) and the one thing that is needed: to
 * pull from this repository. A scope of the registry's own is asked for beside it when it is of another kind.
 * By GET with the credentials or none, by POST with a refresh token. The token server is any host that the
 * registry names: it must be spoken to over TLS as well, or the credentials would travel in the clear because
 * a registry said so (CVE-2019-10214). */
#include <string.h>

#include "base/clock.h"
#include "format/data_url.h"
#include "oci/document.h"
#include "oci/registry_place.h"

enum {
    TOKEN_ANSWER_MAX = 256 << 10,
    TOKEN_LEAST_SEC = 60, /* what the protocol gives tokens that do not say */
    TOKEN_MOST_SEC = 24 * 3600,
    TOKEN_EARLY_SEC = 5
};

static const int denied[] = {401, 403, 0}, again[] = {429, 0};

static void encode(const char *text, Buf *out)
{
    for (; *text; text++)
        if ((*text >= '0' && *text <= '9') || ((*text | 32) >= 'a' && (*text | 32) <= 'z') ||
            strchr("-._~", *text))
            buf_add_char(out, *text);
        else
            buf_addf(out, "%%%02X", (unsigned char)*text);
}

static void field(Buf *out, const char *name, const char *value)
{
    if (out->len && !strchr("?&", out->data[out->len - 1]))
        buf_add_char(out, '&');
    buf_addf(out, "%s=", name);
    encode(value, out);
}

/* Its text goes into a URL: nobody's user and no fragment may stand in it. */
static int check_realm(const Place *p, const char *realm, Error *e)
{
    bool tls = !strncasecmp(realm, "https://", 8), plain = !strncasecmp(realm, "http://", 7);
    const char *host = strstr(realm, "://");
    size_t n = host ? strcspn(host + 3, "/?") : 0;
    if ((!tls && !plain) || !n || memchr(host + 3, '@', n) || strpbrk(realm, "# \\\""))
        return error_set(e, EPROTO, "the registry names a token server that has no proper URL");
    if (!tls && !p->is->insecure)
        return error_set(e, EPROTO,
                         "the registry names a token server without TLS; nothing is sent there unless "
                         "registries.conf has 'insecure = true' for %s",
                         p->is->name.registry);
    return 0;
}

static bool proper_token(const char *token)
{
    size_t n = strlen(token);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)token[i] <= ' ' || (unsigned char)token[i] >= 0x7f)
            return false;
    return n > 0;
}

static int read_answer(const PlaceWays *w, Place *p, const Buf *text, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    const DocumentText document = {.name = "the token server's answer",
                                   .data = text->len ? text->data : "",
                                   .n = text->len,
                                   .max = TOKEN_ANSWER_MAX};
    Node *root;
    const Node *seconds;
    const char *token, *other;
    int64_t good = TOKEN_LEAST_SEC;
    (void)w;
    int r = document_read(a, &document, &root, e);
    if (r < 0 || (r = document_string(root, "token", DOCUMENT_OPTIONAL, &token, e)) < 0 ||
        (r = document_string(root, "access_token", DOCUMENT_OPTIONAL, &other, e)) < 0 ||
        (r = document_member(root, "expires_in", NODE_NUMBER, DOCUMENT_OPTIONAL, &seconds, e)) < 0)
        return r;
    token = token ? token : other;
    if (!token || !proper_token(token))
        return error_set(e, EPROTO, "the token server's answer holds no token");
    if (seconds && node_int(seconds, &good) < 0)
        good = TOKEN_LEAST_SEC;
    good = good < TOKEN_LEAST_SEC ? TOKEN_LEAST_SEC : good > TOKEN_MOST_SEC ? TOKEN_MOST_SEC : good;
    buf_done_secret(&p->authorization);
    p->authorization = BUF_INIT;
    buf_addf(&p->authorization, "Bearer %s", token);
    p->good_until = monotonic_ms() + (good - TOKEN_EARLY_SEC) * 1000;
    return 0;
}

static void add_scopes(const Place *p, const AuthChallenge *c, Buf *out)
{
    _cleanup_buf_ Buf scope = BUF_INIT;
    buf_addf(&scope, "repository:%s:pull", p->is->name.repository);
    field(out, "scope", scope.data);
    if (c->scope[0] && strncmp(c->scope, "repository:", 11))
        field(out, "scope", c->scope);
}

static int ask(const PlaceWays *w, Place *p, HttpRequest *request, Error *e)
{
    Buf answer = BUF_INIT;
    HttpResponse response = {0};
    HttpOptions options = place_http_options(w, p);
    char shown[512];
    http_url_redact(request->url, shown, sizeof(shown));
    options.certificate = options.key = NULL; /* they are for the registry */
    request->max = TOKEN_ANSWER_MAX;
    request->sink = buf_collect;
    request->restart = buf_restart;
    request->context = &answer;
    request->accept_statuses = denied;
    request->retry_statuses = again;
    int r = http_get(&options, request, &response, e);
    if (r >= 0 && response.status != 200)
        r = error_set(e, EACCES, "%s",
                      p->has_credentials ? "the credentials are not accepted"
                                         : "there are no credentials for it");
    if (r >= 0)
        r = read_answer(w, p, &answer, e);
    buf_done_secret(&answer);
    return r < 0 ? error_wrap(e, r, "token server %s", shown) : 0;
}

static int fetch_by_get(const PlaceWays *w, Place *p, const AuthChallenge *c, Error *e)
{
    _cleanup_buf_ Buf url = BUF_INIT;
    Buf basic = BUF_INIT, plain = BUF_INIT;
    HttpHeader headers[] = {{NULL, NULL}, {NULL, NULL}};
    buf_addf(&url, "%s%s", c->realm, strchr(c->realm, '?') ? "&" : "?");
    if (p->credentials.user)
        field(&url, "account", p->credentials.user);
    if (c->service[0])
        field(&url, "service", c->service);
    add_scopes(p, c, &url);
    if (p->credentials.user) {
        buf_addf(&plain, "%s:%s", p->credentials.user, p->credentials.password);
        buf_add_str(&basic, "Basic ");
        base64_encode(plain.data, plain.len, &basic);
        headers[0] = (HttpHeader){"Authorization", basic.data};
    }
    HttpRequest request = {.url = url.data, .headers = headers};
    int r = ask(w, p, &request, e);
    buf_done_secret(&basic);
    buf_done_secret(&plain);
    return r;
}

static int fetch_by_post(const PlaceWays *w, Place *p, const AuthChallenge *c, Error *e)
{
    static const HttpHeader headers[] = {{"Content-Type", "application/x-www-form-urlencoded"}, {NULL, NULL}};
    Buf body = BUF_INIT;
    field(&body, "grant_type", "refresh_token");
    field(&body, "client_id", "basalt");
    field(&body, "service", c->service);
    add_scopes(p, c, &body);
    field(&body, "refresh_token", p->credentials.identity_token);
    HttpRequest request = {
        .url = c->realm, .method = "POST", .body = body.data, .body_len = body.len, .headers = headers};
    int r = ask(w, p, &request, e);
    buf_done_secret(&body);
    return r;
}

int place_fetch_token(const PlaceWays *w, Place *p, const AuthChallenge *challenge, Error *e)
{
    int r = check_realm(p, challenge->realm, e);
    if (r < 0)
        return r;
    return p->credentials.identity_token ? fetch_by_post(w, p, challenge, e)
                                         : fetch_by_get(w, p, challenge, e);
}
