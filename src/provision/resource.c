/* Fetching: a row for each URL scheme gives the bytes, content.c does the rest for all of them. What the
 * config says of timeouts, proxies and authorities is kept here and handed to the HTTP client with each
 * request; the environment has no say. Authorities are fetched like any resource, once each. */
#include <string.h>
#include <strings.h>

#include "format/data_url.h"
#include "ignition/resource_data.h"
#include "net/http_client.h"
#include "provision/content.h"
#include "provision/fetcher.h"
#include "provision/resource_http.h"
#include "provision/resource_scheme.h"

enum { AUTHORITY_SIZE_MAX = 16 * 1024 * 1024, RESPONSE_HEADERS_TIMEOUT_SEC = 10 };
#define SECONDS_MAX INT64_C(1000000000) /* 31 years */

/* A bundle that was fetched, by the source that the config names. */
typedef struct Authority {
    const char *source;
    Buf pem;
} Authority;

struct Fetcher {
    Arena *arena; /* of strings kept from configs */
    bool offline;
    ResourceHttp http;
    CloudAccess *cloud; /* a snapshot has that of its original */
    bool owns_cloud;
    Authority *authorities;
    size_t n_authorities;
    Buf bundle; /* those of the config in force, one after the other */
    atomic_bool cancelled;
};

int fetcher_new(Fetcher **ret, Error *e)
{
    Fetcher *f = calloc(1, sizeof(*f));

    if (!f)
        return error_errno(e, -ENOMEM, "making the fetcher");
    f->arena = arena_new();
    f->http.response_headers_ms = RESPONSE_HEADERS_TIMEOUT_SEC * 1000;
    *ret = f;
    return 0;
}

void fetcher_free(Fetcher *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n_authorities; i++)
        buf_done(&f->authorities[i].pem);
    free(f->authorities);
    buf_done(&f->bundle);
    if (f->owns_cloud)
        cloud_access_free(f->cloud);
    arena_free(f->arena);
    free(f);
}

Fetcher *fetcher_snapshot(const Fetcher *f)
{
    Fetcher *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->offline = f->offline;
    s->http = f->http;
    s->cloud = f->cloud;
    if (f->bundle.data) {
        buf_add(&s->bundle, f->bundle.data, f->bundle.len);
        s->http.authorities = s->bundle.data;
    }
    s->http.cancelled = &s->cancelled;
    return s;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_list(const char *const *a, const char *const *b)
{
    size_t i = 0;

    if (!a || !b)
        return (!a || !*a) && (!b || !*b);
    while (a[i] && same_text(a[i], b[i]))
        i++;
    return !a[i] && !b[i];
}

bool fetcher_same_settings(const Fetcher *a, const Fetcher *b)
{
    const ResourceHttp *x = &a->http, *y = &b->http;

    return a->offline == b->offline && x->response_headers_ms == y->response_headers_ms &&
           x->total_ms == y->total_ms && same_text(x->http_proxy, y->http_proxy) &&
           same_text(x->https_proxy, y->https_proxy) && same_list(x->no_proxy, y->no_proxy) &&
           same_text(x->authorities, y->authorities);
}

void fetcher_cancel(Fetcher *snapshot)
{
    atomic_store(&snapshot->cancelled, true);
}

void fetcher_set_platform(Fetcher *f, const char *platform)
{
    if (f->owns_cloud)
        cloud_access_free(f->cloud);
    f->cloud = cloud_access_new(platform);
    f->owns_cloud = true;
}

bool fetcher_cancelled(const Fetcher *snapshot)
{
    return atomic_load(&snapshot->cancelled);
}

const ResourceHttp *fetcher_http(const Fetcher *f)
{
    return &f->http;
}

void fetcher_set_offline(Fetcher *f, bool offline)
{
    f->offline = offline;
}

bool fetcher_offline(const Fetcher *f)
{
    return f->offline;
}

int fetcher_set_total_timeout(Fetcher *f, int64_t ns, Error *e _unused_)
{
    f->http.total_ms = ns > 0 ? ns / 1000000 : 0;
    return 0;
}

int64_t fetcher_total_timeout(const Fetcher *f)
{
    return f->http.total_ms * 1000000;
}

static int data_fetch(Fetcher *f _unused_, const IgnResource *r, Content *c, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf bytes = BUF_INIT;
    int k = data_url_decode(r->source, &bytes, e);

    if (k >= 0)
        k = content_feed(c, bytes.data, bytes.len, e);
    return k;
}

static int http_fetch(Fetcher *f, const IgnResource *r, Content *c, Error *e)
{
    int k = resource_azure_get(&f->http, f->cloud, r, c, e);

    return k == 0 ? resource_http_get(&f->http, r, c, e) : k;
}

static int tftp_fetch(Fetcher *f, const IgnResource *r, Content *c, Error *e)
{
    return resource_tftp_get(&f->http, r, c, e);
}

static int s3_fetch(Fetcher *f, const IgnResource *r, Content *c, Error *e)
{
    return resource_s3_get(&f->http, f->cloud, r, c, e);
}

static int gs_fetch(Fetcher *f, const IgnResource *r, Content *c, Error *e)
{
    return resource_gs_get(&f->http, f->cloud, r, c, e);
}

static const struct Scheme {
    const char *name;
    int (*fetch)(Fetcher *f, const IgnResource *r, Content *c, Error *e);
    bool local, no_compression;
} schemes[] = {
    {.name = "data", .fetch = data_fetch, .local = true},
    {.name = "http", .fetch = http_fetch},
    {.name = "https", .fetch = http_fetch},
    {.name = "tftp", .fetch = tftp_fetch},
    {.name = "s3", .fetch = s3_fetch, .no_compression = true},
    {.name = "arn", .fetch = s3_fetch, .no_compression = true},
    {.name = "gs", .fetch = gs_fetch},
};

static const struct Scheme *scheme_find(const char *source)
{
    size_t n = strcspn(source, ":");

    for (size_t i = 0; source[n] && i < ELEMENTS(schemes); i++)
        if (strlen(schemes[i].name) == n && strncasecmp(schemes[i].name, source, n) == 0)
            return &schemes[i];
    return NULL;
}

bool source_needs_net(const char *source)
{
    if (!source || !*source)
        return false;
    const struct Scheme *s = scheme_find(source);
    return !s || !s->local;
}

const char *source_redacted(Arena *a, const char *source)
{
    if (!source || !*source)
        return "(no source)";
    if (data_url_is(source))
        return "data URL";
    size_t n = strlen(source) + 1;
    return http_url_redact(source, ARENA_ARRAY(a, char, n), n);
}

static int fetch(Fetcher *f, const IgnResource *r, ContentSpec *spec, Error *e)
{
    _cleanup_(content_freep)
    Content *content = NULL;
    const struct Scheme *scheme = NULL;
    int k;

    if (r->source && *r->source) {
        scheme = scheme_find(r->source);
        if (!scheme)
            return error_set(e, EOPNOTSUPP, "unsupported source scheme");
        if (f->offline && !scheme->local)
            return error_set(e, ENETDOWN, "resource requires networking");
    }
    k = ign_compression_parse(scheme ? r->compression : NULL, &spec->compression, e);
    if (k < 0)
        return k;
    if (spec->compression != COMPRESSION_NONE && scheme->no_compression)
        return error_set(e, EINVAL, "compression is not supported with that scheme");
    spec->hash = r->verification.hash;
    k = content_new(spec, &content, e);
    if (k >= 0 && scheme)
        k = scheme->fetch(f, r, content, e);
    if (k >= 0)
        k = content_finish(content, e);
    return k < 0 ? k : 0;
}

/* The failure with its source, unless the HTTP client has named it already. */
static int failure_name(const IgnResource *r, int k, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    const char *source = source_redacted(a, r->source);

    return e && strstr(e->text, source) ? k : error_wrap(e, k, "fetching %s", source);
}

int resource_fetch_fd(Fetcher *f, const IgnResource *r, int fd, Error *e)
{
    int k = fetch(f, r, &(ContentSpec){.fd = fd}, e);

    return k < 0 ? failure_name(r, k, e) : 0;
}

int resource_fetch_buf(Fetcher *f, const IgnResource *r, size_t max, Buf *ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf bytes = BUF_INIT;
    int k = fetch(f, r, &(ContentSpec){.fd = -EBADF, .buf = &bytes, .max = max}, e);

    if (k < 0)
        return failure_name(r, k, e);
    if (ret->len == 0 && !ret->data) {
        *ret = bytes; /* the common case: no copy of a big config */
        bytes = BUF_INIT;
    } else {
        buf_add(ret, bytes.data, bytes.len);
    }
    return 0;
}

static int authority_fetch(Fetcher *f, const IgnResource *r, const Buf **ret, Error *e)
{
    Authority *known = f->authorities;

    if (!r->source)
        return error_set(e, EINVAL, "invalid CA: source is required");
    for (size_t i = 0; i < f->n_authorities; i++)
        if (strcmp(known[i].source, r->source) == 0) {
            *ret = &known[i].pem;
            return 0;
        }
    Authority new = {.source = arena_strdup(f->arena, r->source)};
    int k = resource_fetch_buf(f, r, AUTHORITY_SIZE_MAX, &new.pem, e);
    if (k >= 0 && (!new.pem.data || !strstr(new.pem.data, "-----BEGIN CERTIFICATE-----"))) {
        _cleanup_arena_ Arena *a = arena_new();
        k = error_set(e, EINVAL, "unable to decode PEM block of %s", source_redacted(a, r->source));
    }
    if (k < 0) {
        buf_done(&new.pem);
        return error_wrap(e, k, "certificate authority");
    }
    f->authorities = reallocarray(f->authorities, f->n_authorities + 1, sizeof(Authority));
    if (!f->authorities)
        abort();
    f->authorities[f->n_authorities++] = new;
    *ret = &f->authorities[f->n_authorities - 1].pem;
    return 0;
}

static const char **strings_copy(Arena *a, const IgnList *list)
{
    const char **copy = ARENA_ARRAY(a, const char *, list->n + 1);

    for (size_t i = 0; i < list->n; i++)
        copy[i] = arena_strdup(a, IGN_STRING_AT(*list, i));
    return copy;
}

/* Seconds of a config, which may be any number. */
static int64_t to_ms(int64_t seconds)
{
    return seconds > SECONDS_MAX ? SECONDS_MAX * 1000 : seconds < 0 ? -1 : seconds * 1000;
}

int fetcher_configure(Fetcher *f, const IgnMeta *meta, Error *e)
{
    const IgnTimeouts *t = &meta->timeouts;
    const IgnList *authorities = &meta->security.tls.certificate_authorities;
    _cleanup_buf_ Buf bundle = BUF_INIT;

    f->http.response_headers_ms =
        to_ms(t->http_response_headers.set ? t->http_response_headers.value : RESPONSE_HEADERS_TIMEOUT_SEC);
    if (f->http.response_headers_ms <= 0)
        f->http.response_headers_ms = -1; /* no limit; to the client 0 is its own */
    f->http.total_ms = t->http_total.set ? to_ms(t->http_total.value) : 0;
    f->http.http_proxy = arena_strdup(f->arena, meta->proxy.http_proxy);
    f->http.https_proxy = arena_strdup(f->arena, meta->proxy.https_proxy);
    f->http.no_proxy = (const char *const *)strings_copy(f->arena, &meta->proxy.no_proxy);
    if (authorities->n == 0)
        return 0;
    IGN_EACH (const IgnResource, r, *authorities) {
        const Buf *pem;
        int k = authority_fetch(f, r, &pem, e);
        if (k < 0)
            return k;
        buf_add(&bundle, pem->data, pem->len);
        buf_add_char(&bundle, '\n');
    }
    buf_done(&f->bundle);
    f->bundle = bundle;
    bundle = BUF_INIT;
    f->http.authorities = f->bundle.data;
    return 0;
}

int fetcher_inline_authorities(Fetcher *f, Arena *a, IgnList *list, Error *e)
{
    IgnResource *inlined = ARENA_ARRAY(a, IgnResource, list->n + 1);
    size_t n = 0;

    IGN_EACH (const IgnResource, r, *list) {
        _cleanup_buf_ Buf url = BUF_INIT;
        const Buf *pem;
        int k = authority_fetch(f, r, &pem, e);
        if (k < 0)
            return k;
        data_url_encode_base64("text/plain;charset=utf-8", pem->data, pem->len, &url);
        inlined[n++] = (IgnResource){
            .node = r->node, .source = arena_strdup(a, url.data), .verification = r->verification};
    }
    list->items = inlined;
    return 0;
}
