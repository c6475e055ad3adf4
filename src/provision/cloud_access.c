/* One lock over all of it: whoever needs a credential that is being fetched waits for it, and it is fetched
 * once. Nothing of a credential is logged. Facts: the EC2 user guide on instance metadata and IAM roles,
 * Google's on service account tokens, Azure's on managed identities; where nothing can be had, S3 and Azure's
 * blobs are tried without, as Ignition does. */
#include "provision/cloud_access.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/map.h"
#include "format/json.h"

enum { ANSWER_MAX = 1024 * 1024, PATIENCE_MS = 15000, ATTEMPTS = 3, EARLY_SEC = 60, DEFAULT_SEC = 300 };

#define LINK_LOCAL "http://169.254.169.254/"
#define ROLES      LINK_LOCAL "latest/meta-data/iam/security-credentials/"

static const struct Bearer {
    const char *platform, *url;
    HttpHeader headers[2];
    bool absent_by_404; /* how the service says "no identity" */
} bearers[] = {
    [BEARER_GCS] = {.platform = "gcp",
                    .url = LINK_LOCAL "computeMetadata/v1/instance/service-accounts/default/token"
                                      "?scopes=https://www.googleapis.com/auth/devstorage.read_only",
                    .headers = {{"Metadata-Flavor", "Google"}},
                    .absent_by_404 = true},
    [BEARER_AZURE] = {.platform = "azure",
                      .url = LINK_LOCAL "metadata/identity/oauth2/token"
                                        "?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com%2F",
                      .headers = {{"Metadata", "true"}}},
};

typedef struct Token {
    Buf value;
    int64_t until_ms; /* of the monotonic clock; 0: not asked for yet */
    bool absent;
} Token;

struct CloudAccess {
    const char *platform;
    Arena *arena;
    pthread_mutex_t lock;
    AwsKeys keys;
    bool keys_asked, region_asked;
    Buf region;
    Token tokens[ELEMENTS(bearers)];
    Map buckets;
};

CloudAccess *cloud_access_new(const char *platform)
{
    CloudAccess *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->arena = arena_new();
    c->platform = arena_strdup(c->arena, platform ? platform : "");
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void aws_keys_done(AwsKeys *k)
{
    buf_done_secret(&k->id);
    buf_done_secret(&k->secret);
    buf_done_secret(&k->token);
}

void cloud_access_free(CloudAccess *c)
{
    if (!c)
        return;
    aws_keys_done(&c->keys);
    buf_done(&c->region);
    for (size_t i = 0; i < ELEMENTS(c->tokens); i++)
        buf_done_secret(&c->tokens[i].value);
    map_done(&c->buckets);
    pthread_mutex_destroy(&c->lock);
    arena_free(c->arena);
    free(c);
}

static int ask(const ResourceHttp *h, const HttpRequest *request, Buf *ret, Error *e)
{
    ResourceCall call = {.request = *request,
                         .direct = true,
                         .attempts = ATTEMPTS,
                         .deadline_ms = monotonic_ms() + PATIENCE_MS};
    call.request.max = ANSWER_MAX;
    return resource_http_call(h, &call, ret, e);
}

/* A member of a JSON object, which is not shown when it is not one. */
static int member_read(Arena *a, const Buf *text, const char *name, const char **ret, Error *e)
{
    _cleanup_report_ Report report = REPORT_INIT(a);
    const Source source = {
        .name = "answer", .text = text->data ? text->data : "", .len = text->len, .secret = true};
    Node *top;

    if (json_read(a, &source, SEVERITY_ERROR, &top, &report) < 0)
        return error_set(e, EBADMSG, "the metadata service's answer is no JSON");
    *ret = node_string(node_get(top, name));
    return *ret ? 0 : error_set(e, EBADMSG, "the metadata service's answer has no %s", name);
}

static int copy_member(const Buf *text, const char *name, Buf *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    const char *value;
    int r = member_read(a, text, name, &value, e);

    if (r < 0)
        return r;
    for (const char *p = value; *p; p++)
        if (*p <= ' ' || *p > '~')
            return error_set(e, EBADMSG, "%s of the metadata service's answer is malformed", name);
    buf_add_str(ret, value);
    return 0;
}

/* ---- AWS ---- */

/* With a session token where the service gives one. */
static int ec2_get(const ResourceHttp *h, const char *url, Buf *ret, Error *e)
{
    static const HttpHeader ttl[] = {{"X-aws-ec2-metadata-token-ttl-seconds", "300"}, {.name = NULL}};
    _cleanup_(buf_done_secret)
    Buf token = BUF_INIT;
    int r = ask(h, &(HttpRequest){.url = LINK_LOCAL "latest/api/token", .method = "PUT", .headers = ttl},
                &token, e);

    if (r < 0 && r != -ENOENT)
        return r;
    for (size_t i = 0; i < token.len; i++)
        if (token.data[i] <= ' ' || token.data[i] > '~')
            return error_set(e, EBADMSG, "received a token that is none");
    const HttpHeader headers[] = {{token.len ? "X-aws-ec2-metadata-token" : NULL, token.data},
                                  {.name = NULL}};
    return ask(h, &(HttpRequest){.url = url, .headers = headers}, ret, e);
}

static int keys_fetch(CloudAccess *c, const ResourceHttp *h, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf answer = BUF_INIT, code = BUF_INIT;
    _cleanup_buf_ Buf role = BUF_INIT;
    int r = ec2_get(h, ROLES, &role, e);

    if (r < 0)
        return r;
    size_t n = role.data ? strcspn(role.data, " \t\r\n") : 0;
    if (n == 0 ||
        strspn(role.data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+=,.@_-") < n)
        return error_set(e, ENOENT, "the machine has no role");
    r = ec2_get(h, arena_printf(c->arena, ROLES "%.*s", (int)n, role.data), &answer, e);
    if (r >= 0)
        r = copy_member(&answer, "Code", &code, e);
    if (r >= 0 && strcmp(code.data, "Success") != 0)
        return error_set(e, EACCES, "the metadata service gives no keys: %s", code.data);
    if (r >= 0)
        r = copy_member(&answer, "AccessKeyId", &c->keys.id, e);
    if (r >= 0)
        r = copy_member(&answer, "SecretAccessKey", &c->keys.secret, e);
    if (r >= 0)
        r = copy_member(&answer, "Token", &c->keys.token, e);
    return r;
}

int cloud_aws_keys(CloudAccess *c, const ResourceHttp *h, AwsKeys *ret)
{
    Error why = ERROR_INIT;

    if (!c || strcmp(c->platform, "aws") != 0)
        return 0;
    pthread_mutex_lock(&c->lock);
    if (!c->keys_asked && keys_fetch(c, h, &why) < 0) {
        log_info("no credentials of this machine, going on without: %s", why.text);
        aws_keys_done(&c->keys);
        c->keys = (AwsKeys){0};
    }
    c->keys_asked = true;
    bool have = c->keys.token.len > 0;
    if (have) {
        buf_add(&ret->id, c->keys.id.data, c->keys.id.len);
        buf_add(&ret->secret, c->keys.secret.data, c->keys.secret.len);
        buf_add(&ret->token, c->keys.token.data, c->keys.token.len);
    }
    pthread_mutex_unlock(&c->lock);
    return have ? 1 : 0;
}

void cloud_aws_region(CloudAccess *c, const ResourceHttp *h, Buf *ret)
{
    Error why = ERROR_INIT;

    if (!c || strcmp(c->platform, "aws") != 0)
        return;
    pthread_mutex_lock(&c->lock);
    if (!c->region_asked) {
        _cleanup_buf_ Buf answer = BUF_INIT;
        int r = ec2_get(h, LINK_LOCAL "latest/dynamic/instance-identity/document", &answer, &why);
        if (r >= 0)
            r = copy_member(&answer, "region", &c->region, &why);
        if (r < 0)
            log_info("the region of this machine is not known: %s", why.text);
        c->region_asked = true;
    }
    buf_add(ret, c->region.data ? c->region.data : "", c->region.len);
    pthread_mutex_unlock(&c->lock);
}

int cloud_bucket_region(CloudAccess *c, const char *bucket, Buf *ret)
{
    if (!c)
        return 0;
    pthread_mutex_lock(&c->lock);
    const char *region = map_get(&c->buckets, bucket);
    if (region)
        buf_add_str(ret, region);
    pthread_mutex_unlock(&c->lock);
    return region ? 1 : 0;
}

void cloud_bucket_region_put(CloudAccess *c, const char *bucket, const char *region)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    (void)map_put(&c->buckets, arena_strdup(c->arena, bucket), arena_strdup(c->arena, region));
    pthread_mutex_unlock(&c->lock);
}

/* ---- bearer tokens ---- */

/* Seconds, a number or, from Azure, a text. */
static int64_t expiry_read(const Buf *answer)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    const Source source = {.name = "answer", .text = answer->data, .len = answer->len, .secret = true};
    Node *top;

    if (json_read(a, &source, SEVERITY_ERROR, &top, &report) < 0)
        return DEFAULT_SEC;
    const Node *n = node_get(top, "expires_in");
    int64_t seconds = DEFAULT_SEC;
    if (n && n->kind == NODE_STRING)
        seconds = strtoll(node_string(n), NULL, 10);
    else if (n && node_int(n, &seconds) < 0)
        seconds = DEFAULT_SEC;
    return seconds < 0 ? 0 : seconds > 86400 ? 86400 : seconds;
}

static int token_fetch(const struct Bearer *b, const ResourceHttp *h, Token *t, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf answer = BUF_INIT, token = BUF_INIT;
    int r = ask(h, &(HttpRequest){.url = b->url, .headers = b->headers}, &answer, e);

    if (r == -ENOENT && b->absent_by_404) {
        log_info("this machine has no service account, going on without credentials");
        t->absent = true;
        if (e)
            *e = ERROR_INIT;
        return 0;
    }
    if (r >= 0)
        r = copy_member(&answer, "access_token", &token, e);
    if (r < 0)
        return error_wrap(e, r, "getting a token of this machine");
    buf_done_secret(&t->value);
    t->value = BUF_INIT;
    buf_addf(&t->value, "Bearer %s", token.data ? token.data : "");
    t->until_ms = monotonic_ms() + (expiry_read(&answer) - EARLY_SEC) * 1000;
    return 1;
}

int cloud_bearer(CloudAccess *c, const ResourceHttp *h, BearerKind kind, Buf *ret, Error *e)
{
    const struct Bearer *b = &bearers[kind];
    int r = 1;

    if (!c || strcmp(c->platform, b->platform) != 0)
        return 0;
    pthread_mutex_lock(&c->lock);
    Token *t = &c->tokens[kind];
    if (t->absent)
        r = 0;
    else if (t->value.len == 0 || monotonic_ms() >= t->until_ms)
        r = token_fetch(b, h, t, e);
    if (r > 0)
        buf_add(ret, t->value.data, t->value.len);
    pthread_mutex_unlock(&c->lock);
    return r;
}
