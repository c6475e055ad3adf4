/* A canonical form of the request is hashed, the hash goes into a text with the time and the scope, and that
 * is signed with a key that is made from the secret by four HMACs. Facts: AWS General Reference, "Create a
 * signed AWS API request". What was in memory of the secret is overwritten. */
#include "net/aws_signature.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "format/digest.h"

enum { HASH = 32, BLOCK = 64 };

/* RFC 2104 with SHA-256. */
static int hmac(const void *key, size_t key_len, const char *text, uint8_t out[HASH], Error *e)
{
    uint8_t pad[BLOCK] = {0}, short_key[DIGEST_SIZE_MAX], inner[DIGEST_SIZE_MAX], result[DIGEST_SIZE_MAX];
    int r = 0;

    if (key_len > BLOCK) {
        _cleanup_(digest_freep)
        Digest *d = NULL;
        r = digest_new(DIGEST_SHA256, &d, e);
        if (r < 0)
            return r;
        digest_update(d, key, key_len);
        digest_finish(d, short_key);
        key = short_key;
        key_len = HASH;
    }
    memcpy(pad, key, key_len);
    for (int outer = 0; outer < 2 && r >= 0; outer++) {
        _cleanup_(digest_freep)
        Digest *d = NULL;
        for (size_t i = 0; i < BLOCK; i++)
            pad[i] ^= outer ? 0x36 ^ 0x5c : 0x36;
        r = digest_new(DIGEST_SHA256, &d, e);
        if (r < 0)
            break;
        digest_update(d, pad, BLOCK);
        digest_update(d, outer ? (const void *)inner : text, outer ? HASH : strlen(text));
        digest_finish(d, outer ? result : inner);
    }
    if (r >= 0)
        memcpy(out, result, HASH);
    explicit_bzero(pad, sizeof(pad));
    explicit_bzero(short_key, sizeof(short_key));
    explicit_bzero(result, sizeof(result));
    return r;
}

void aws_uri_encode(const char *text, bool keep_slash, Buf *out)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

    for (; *text; text++) {
        if (strchr(plain, *text) || (keep_slash && *text == '/'))
            buf_add_char(out, *text);
        else
            buf_addf(out, "%%%02X", (unsigned char)*text);
    }
}

void aws_time_text(time_t when, char out[AWS_TIME_SIZE])
{
    struct tm tm;

    gmtime_r(&when, &tm);
    strftime(out, AWS_TIME_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

/* ---- the canonical request ---- */

typedef struct Pair {
    Buf name, value;
} Pair;

static int text_compare(const Buf *a, const Buf *b)
{
    return strcmp(a->data ? a->data : "", b->data ? b->data : "");
}

static int pair_compare(const void *a, const void *b)
{
    const Pair *x = a, *y = b;
    int r = text_compare(&x->name, &y->name);

    return r ? r : text_compare(&x->value, &y->value);
}

static void pairs_done(Pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_done_secret(&pairs[i].name);
        buf_done_secret(&pairs[i].value);
    }
}

static void query_write(const HttpHeader *query, Buf *out)
{
    Pair pairs[AWS_QUERY_MAX] = {0};
    size_t n = 0;

    for (; query && query->name && n < AWS_QUERY_MAX; query++, n++) {
        aws_uri_encode(query->name, false, &pairs[n].name);
        aws_uri_encode(query->value, false, &pairs[n].value);
    }
    qsort(pairs, n, sizeof(*pairs), pair_compare);
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%s%s=%s", i ? "&" : "", pairs[i].name.data ? pairs[i].name.data : "",
                 pairs[i].value.data ? pairs[i].value.data : "");
    pairs_done(pairs, n);
}

/* Without white space at both ends, runs of it as one space. */
static void value_trim(const char *value, Buf *out)
{
    bool gap = false;

    for (; *value; value++) {
        if (strchr(" \t\r\n", *value)) {
            gap = out->len > 0;
            continue;
        }
        if (gap)
            buf_add_char(out, ' ');
        gap = false;
        buf_add_char(out, *value);
    }
}

/* The headers, each a line, and the list of their names. */
static void headers_write(const HttpHeader *headers, Buf *lines, Buf *names)
{
    Pair pairs[AWS_HEADERS_MAX] = {0};
    size_t n = 0;

    for (; headers->name && n < AWS_HEADERS_MAX; headers++, n++) {
        for (const char *p = headers->name; *p; p++)
            buf_add_char(&pairs[n].name, *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p);
        value_trim(headers->value, &pairs[n].value);
    }
    qsort(pairs, n, sizeof(*pairs), pair_compare);
    for (size_t i = 0; i < n; i++) {
        buf_addf(lines, "%s:%s\n", pairs[i].name.data, pairs[i].value.data ? pairs[i].value.data : "");
        buf_addf(names, "%s%s", i ? ";" : "", pairs[i].name.data);
    }
    pairs_done(pairs, n);
}

static int signing_key(const AwsRequest *q, const char *secret, uint8_t key[HASH], Error *e)
{
    _cleanup_(buf_done_secret)
    Buf first = BUF_INIT;
    char date[9];

    snprintf(date, sizeof(date), "%.8s", q->time);
    buf_addf(&first, "AWS4%s", secret);
    int r = hmac(first.data, first.len, date, key, e);
    const char *const steps[] = {q->region, q->service, "aws4_request"};
    for (size_t i = 0; i < ELEMENTS(steps) && r >= 0; i++)
        r = hmac(key, HASH, steps[i], key, e);
    return r;
}

int aws_sign(const AwsRequest *q, const char *key_id, const char *secret, Buf *ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf canonical = BUF_INIT, text = BUF_INIT;
    _cleanup_buf_ Buf names = BUF_INIT, scope = BUF_INIT;
    char hex[2 * DIGEST_SIZE_MAX + 1];
    uint8_t key[HASH], signature[HASH];

    buf_addf(&canonical, "%s\n", q->method);
    aws_uri_encode(q->path, true, &canonical);
    buf_add_char(&canonical, '\n');
    query_write(q->query, &canonical);
    buf_add_char(&canonical, '\n');
    headers_write(q->headers, &canonical, &names);
    buf_addf(&canonical, "\n%s\n%s", names.data, q->payload_sha256);
    int r = digest_hex(DIGEST_SHA256, canonical.data, canonical.len, hex, e);
    if (r < 0)
        return r;
    buf_addf(&scope, "%.8s/%s/%s/aws4_request", q->time, q->region, q->service);
    buf_addf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", q->time, scope.data, hex);
    r = signing_key(q, secret, key, e);
    if (r >= 0)
        r = hmac(key, HASH, text.data, signature, e);
    explicit_bzero(key, sizeof(key));
    if (r < 0)
        return r;
    hex_encode(signature, HASH, hex);
    buf_addf(ret, "AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=%s,Signature=%s", key_id, scope.data,
             names.data, hex);
    return 0;
}
