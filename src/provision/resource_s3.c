/* An object of S3: from the URL to its bucket and key, from the bucket to its region (asked of S3 itself,
 * without credentials, as S3 tells it to everybody), from the region to the host that has it. The request is
 * signed where the machine has a role, and is anonymous otherwise. A signature is good for some minutes only,
 * so a try that comes late gets a new one. Facts: the S3 user guide on virtual hosting, dual-stack endpoints
 * and access points. */
#include <string.h>

#include "base/log.h"
#include "net/aws_signature.h"
#include "net/url_address.h"
#include "provision/resource_scheme.h"

enum { SIGNATURE_MS = 4 * 60 * 1000, REGION_MAX = 64 };

static const struct Partition {
    const char *name, *region_hint;
} partitions[] = {{"aws", "us-east-1"}, {"aws-cn", "cn-north-1"}, {"aws-us-gov", "us-gov-west-1"}};

/* ---- the URL ---- */

static bool word_is(const char *text)
{
    return *text &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == strlen(text);
}

static int bad_arn(Error *e)
{
    return error_set(e, EINVAL, "invalid S3 ARN format");
}

/* RESOURCE is BUCKET/KEY or accesspoint/NAME/object/KEY. The key is not decoded: an ARN has no escapes. */
static int arn_read(Arena *a, const char *url, S3Object *o, Error *e)
{
    char *rest = arena_printf(a, "%.*s", (int)strcspn(url, "?#"), url);
    const char *parts[5]; /* arn, partition, service, region, account */

    for (size_t i = 0; i < ELEMENTS(parts); i++)
        if (!(parts[i] = strsep(&rest, ":")) || !rest)
            return bad_arn(e);
    if (strcmp(parts[2], "s3") != 0)
        return bad_arn(e);
    for (size_t i = 0; i < ELEMENTS(partitions); i++)
        if (strcmp(partitions[i].name, parts[1]) == 0)
            o->region_hint = partitions[i].region_hint;
    if (strncmp(rest, "accesspoint/", strlen("accesspoint/")) == 0) {
        (void)strsep(&rest, "/");
        o->bucket = strsep(&rest, "/");
        const char *object = rest ? strsep(&rest, "/") : NULL;
        o->account = parts[4];
        o->region = parts[3];
        if (!object || strcmp(object, "object") != 0 || !word_is(o->account) || !word_is(o->region))
            return bad_arn(e);
    } else {
        o->bucket = strsep(&rest, "/");
    }
    o->key = rest;
    return o->key ? 0 : bad_arn(e);
}

static int s3_url_read(Arena *a, const char *url, S3Object *o, Error *e)
{
    _cleanup_(url_address_done)
    UrlAddress u = {0};

    if (url_address_read(url, &u) < 0 || u.port)
        return error_set(e, EINVAL, "invalid S3 URL");
    const char *path = u.path.data ? u.path.data : "";
    o->bucket = arena_strdup(a, u.host);
    o->key = arena_strdup(a, path + strspn(path, "/"));
    return 0;
}

int s3_object_read(Arena *a, const char *url, S3Object *ret, Error *e)
{
    S3Object o = {.arena = a};
    _cleanup_buf_ Buf version = BUF_INIT;
    const UrlAddress query = {.query = strchr(url, '?') ? strchr(url, '?') + 1 : NULL};
    int r = strncasecmp(url, "arn:", 4) == 0 ? arn_read(a, url, &o, e) : s3_url_read(a, url, &o, e);

    if (r < 0)
        return r;
    if (!word_is(o.bucket) || !*o.key)
        return error_set(e, EINVAL, "the URL names no object of S3");
    r = url_address_query(&query, "versionId", &version);
    if (r < 0)
        return error_set(e, EINVAL, "invalid S3 object VersionId");
    if (version.len > 0)
        o.version = arena_strdup(a, version.data);
    *ret = o;
    return 0;
}

/* ---- hosts ---- */

static const char *suffix_of(const char *region)
{
    return strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
}

/* A certificate's wildcard covers no dot. */
static bool dotted(const S3Object *o)
{
    return !o->account && strchr(o->bucket, '.');
}

const char *s3_host(const S3Object *o, const char *region)
{
    const char *suffix = suffix_of(region);

    if (o->account)
        return arena_printf(o->arena, "%s-%s.s3-accesspoint.dualstack.%s.%s", o->bucket, o->account, region,
                            suffix);
    if (dotted(o))
        return arena_printf(o->arena, "s3.dualstack.%s.%s", region, suffix);
    return arena_printf(o->arena, "%s.s3.dualstack.%s.%s", o->bucket, region, suffix);
}

const char *s3_path(const S3Object *o)
{
    return dotted(o) ? arena_printf(o->arena, "/%s/%s", o->bucket, o->key)
                     : arena_printf(o->arena, "/%s", o->key);
}

/* ---- the region ---- */

static void region_header(void *context, const char *line, size_t n)
{
    static const char name[] = "x-amz-bucket-region:";
    char *out = context;

    if (n <= sizeof(name) || strncasecmp(line, name, sizeof(name) - 1) != 0)
        return;
    line += sizeof(name) - 1;
    n -= sizeof(name) - 1;
    while (n > 0 && *line == ' ')
        line++, n--;
    while (n > 0 && strchr("\r\n ", line[n - 1]))
        n--;
    if (n < REGION_MAX) {
        memcpy(out, line, n);
        out[n] = '\0';
    }
}

static int region_find(const ResourceHttp *h, CloudAccess *cloud, const S3Object *o, const char **ret,
                       Error *e)
{
    static const int answers[] = {301, 302, 307, 400, 403, 0};
    _cleanup_buf_ Buf known = BUF_INIT, hint = BUF_INIT, body = BUF_INIT;
    char region[REGION_MAX] = "";

    *ret = o->region;
    if (*ret)
        return 0;
    if (cloud_bucket_region(cloud, o->bucket, &known) > 0) {
        *ret = arena_strdup(o->arena, known.data);
        return 0;
    }
    if (!o->region_hint)
        cloud_aws_region(cloud, h, &hint);
    const char *ask = o->region_hint ? o->region_hint : hint.len ? hint.data : "us-east-1";
    const char *host = arena_printf(o->arena, dotted(o) ? "s3.%2$s.%3$s/%1$s" : "%s.s3.%s.%s/", o->bucket,
                                    ask, suffix_of(ask));
    const ResourceCall call = {
        .request = {.url = arena_printf(o->arena, "https://%s", host),
                    .method = "HEAD",
                    .accept_statuses = answers},
        .header = region_header,
        .context = region,
    };
    int r = resource_http_call(h, &call, &body, e);
    if (r == -ENOENT)
        return error_set(e, ENOENT, "could not find bucket \"%s\"", o->bucket);
    if (r >= 0 && !word_is(region))
        r = error_set(e, EBADMSG, "S3 does not tell it");
    if (r < 0)
        return error_wrap(e, r, "couldn't determine the region for bucket \"%s\"", o->bucket);
    cloud_bucket_region_put(cloud, o->bucket, region);
    *ret = arena_strdup(o->arena, region);
    return 0;
}

/* ---- the object ---- */

enum { SIGNED_HEADERS = 4, AUTHORIZATION_MAX = 1024 };

/* The headers' values stay where they are while a request is tried again: only their text changes. */
typedef struct Signer {
    const S3Object *object;
    const char *region, *host;
    AwsKeys keys;
    int64_t signed_ms; /* 0: not yet */
    char time[AWS_TIME_SIZE], authorization[AUTHORIZATION_MAX];
    HttpHeader query[2], to_sign[SIGNED_HEADERS + 1], headers[SIGNED_HEADERS + 2];
} Signer;

static int sign(void *context, Error *e)
{
    Signer *s = context;
    _cleanup_buf_ Buf authorization = BUF_INIT;

    if (s->signed_ms && monotonic_ms() - s->signed_ms < SIGNATURE_MS)
        return 0;
    aws_time_text(time(NULL), s->time);
    const AwsRequest request = {.method = "GET",
                                .path = s3_path(s->object),
                                .query = s->query,
                                .headers = s->to_sign,
                                .payload_sha256 = AWS_EMPTY_SHA256,
                                .region = s->region,
                                .service = "s3",
                                .time = s->time};
    int r = aws_sign(&request, s->keys.id.data, s->keys.secret.data, &authorization, e);
    if (r >= 0 && authorization.len >= sizeof(s->authorization))
        r = error_set(e, EMSGSIZE, "the key's name is too long");
    if (r < 0)
        return r;
    memcpy(s->authorization, authorization.data, authorization.len + 1);
    s->signed_ms = monotonic_ms();
    return 0;
}

static void headers_init(Signer *s)
{
    const HttpHeader headers[] = {{"Host", s->host},
                                  {"X-Amz-Content-Sha256", AWS_EMPTY_SHA256},
                                  {"X-Amz-Date", s->time},
                                  {"X-Amz-Security-Token", s->keys.token.data},
                                  {"Authorization", s->authorization}};

    memcpy(s->to_sign, headers, SIGNED_HEADERS * sizeof(*headers));
    memcpy(s->headers, headers, sizeof(headers));
}

int resource_s3_get(const ResourceHttp *h, CloudAccess *cloud, const IgnResource *r, Content *c, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf url = BUF_INIT;
    S3Object o;
    Signer s = {.object = &o};
    int k = s3_object_read(a, r->source, &o, e);

    if (k >= 0)
        k = region_find(h, cloud, &o, &s.region, e);
    if (k < 0)
        return k;
    s.host = s3_host(&o, s.region);
    buf_addf(&url, "https://%s", s.host);
    aws_uri_encode(s3_path(&o), true, &url);
    if (o.version) {
        s.query[0] = (HttpHeader){"versionId", o.version};
        buf_add_str(&url, "?versionId=");
        aws_uri_encode(o.version, false, &url);
    }
    bool keys = cloud_aws_keys(cloud, h, &s.keys) > 0;
    if (keys)
        headers_init(&s);
    const ResourceCall call = {
        .request = {.url = url.data, .headers = keys ? s.headers : NULL},
        .prepare = keys ? sign : NULL,
        .context = &s,
    };
    k = resource_http_feed(h, &call, c, e);
    aws_keys_done(&s.keys);
    if (k < 0)
        return error_wrap(e, k, "fetching object \"%s\" from bucket \"%s\"%s", o.key, o.bucket,
                          keys ? "" : " anonymously");
    return 0;
}
