/* Clevis writes into the protected header of what it encrypts how to decrypt it:
 * {"clevis":{"pin":"tang","tang":
 * {"url":…}}}; for the pin sss (shares of a secret) the header holds one such text a share. Its configs have
 * the same members beside others. Both are walked here into one canonical line. */
#include "system/clevis_policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/command.h"
#include "format/base64url.h"
#include "format/json.h"

enum { DEPTH_MAX = 8, HEADER_MAX = 1 << 20 };

static const char *const jwe_members[] = {"protected", "encrypted_key", "iv", "ciphertext", "tag"};

static const char *jwe_policy(Arena *a, const Node *jwe, unsigned depth);

static const char *member_text(const Node *object, const char *key, const char *otherwise)
{
    const char *s = node_string(node_get(object, key));
    return s ? s : otherwise;
}

/* Without user information, query and fragment, and without the slashes at the end that mean nothing. */
static const char *url_text(Arena *a, const char *url)
{
    size_t n = strcspn(url, "?#");
    const char *host = strstr(url, "://");
    host = host && host < url + n ? host + 3 : url;
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    const char *rest = at ? at + 1 : host;
    while (n && url[n - 1] == '/')
        n--;
    size_t tail = rest < url + n ? (size_t)(url + n - rest) : 0;
    return arena_printf(a, "%.*s%.*s", (int)(host - url), url, (int)tail, rest);
}

static const char *tang_text(Arena *a, const Node *config)
{
    return arena_printf(a, "tang(%s)", url_text(a, member_text(config, "url", "")));
}

/* "1,3", ["1","3"] and [1,3] are the same list. */
static const char *pcr_ids_text(Arena *a, const Node *ids)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (ids && ids->kind == NODE_ARRAY) {
        NODE_EACH (id, ids)
            if (id->kind == NODE_STRING || id->kind == NODE_NUMBER)
                buf_addf(&b, "%s%s", b.len ? "," : "", id->string);
    } else if (ids && (ids->kind == NODE_STRING || ids->kind == NODE_NUMBER))
        for (const char *s = ids->string; *s; s++)
            if (*s != ' ' && *s != '\t')
                buf_add_char(&b, *s);
    return arena_memdup(a, b.data ? b.data : "", b.len);
}

static const char *tpm2_text(Arena *a, const Node *config)
{
    const char *ids = pcr_ids_text(a, node_get(config, "pcr_ids"));
    const char *hash = member_text(config, "hash", "sha256"), *key = member_text(config, "key", "ecc");
    return *ids
               ? arena_printf(a, "tpm2(%s %s %s:%s)", hash, key, member_text(config, "pcr_bank", "sha1"), ids)
               : arena_printf(a, "tpm2(%s %s)", hash, key);
}

static int compare_text(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static const char *sss_text(Arena *a, const Node *config, StringList *shares)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    int64_t threshold = 1;
    const Node *t = node_get(config, "t");
    if (t)
        (void)node_int(t, &threshold);
    buf_addf(&b, "sss(%lld:", (long long)threshold);
    if (shares->n)
        qsort(shares->items, shares->n, sizeof(*shares->items), compare_text);
    for (size_t i = 0; i < shares->n; i++)
        buf_addf(&b, "%s %s", i ? "," : "", shares->items[i]);
    buf_add_char(&b, ')');
    return arena_memdup(a, b.data, b.len);
}

static const char *config_policy(Arena *a, const char *pin, const Node *config, unsigned depth)
{
    if (strcmp(pin, "tang") == 0)
        return tang_text(a, config);
    if (strcmp(pin, "tpm2") == 0)
        return tpm2_text(a, config);
    if (strcmp(pin, "sss") != 0 || depth >= DEPTH_MAX)
        return arena_strdup(a, pin);
    _cleanup_(string_list_done)
    StringList shares = {0};
    const Node *pins = node_get(config, "pins");
    if (pins && pins->kind == NODE_OBJECT)
        NODE_EACH (p, pins) {
            if (p->kind != NODE_ARRAY)
                string_list_add(&shares, config_policy(a, p->key, p, depth + 1));
            else
                NODE_EACH (each, p)
                    string_list_add(&shares, config_policy(a, p->key, each, depth + 1));
        }
    return sss_text(a, config, &shares);
}

const char *clevis_policy_of_config(Arena *a, const char *pin, const Node *config)
{
    return config_policy(a, pin, config, 0);
}

static Node *header_read(Arena *a, const char *text, size_t n)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    Node *header = NULL;
    if (n > HEADER_MAX || base64url_decode(text, n, &b) < 0 || !b.len)
        return NULL;
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = "JWE", .text = arena_memdup(a, b.data, b.len), .len = b.len, .secret = true};
    return json_read(a, source, SEVERITY_WARNING, &header, &r) < 0 ? NULL : header;
}

static const char *shares_policy(Arena *a, const Node *config, unsigned depth)
{
    _cleanup_(string_list_done)
    StringList shares = {0};
    const Node *list = node_get(config, "jwe");
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (share, list) {
            const char *text = jwe_policy(a, share, depth + 1);
            string_list_add(&shares, text ? text : "unknown");
        }
    return sss_text(a, config, &shares);
}

static const char *jwe_policy(Arena *a, const Node *jwe, unsigned depth)
{
    const Node *part = jwe && jwe->kind == NODE_OBJECT ? node_get(jwe, "protected") : jwe;
    if (depth >= DEPTH_MAX || !node_string(part))
        return NULL;
    const char *dot = part == jwe ? memchr(part->string, '.', part->len) : NULL;
    const Node *header = header_read(a, part->string, dot ? (size_t)(dot - part->string) : part->len);
    const Node *clevis = header ? node_get(header, "clevis") : NULL;
    const char *pin = clevis ? node_string(node_get(clevis, "pin")) : NULL;
    if (!pin)
        return NULL;
    const Node *config = node_get(clevis, pin);
    return strcmp(pin, "sss") == 0 ? shares_policy(a, config, depth) : config_policy(a, pin, config, depth);
}

const char *clevis_policy_of_jwe(Arena *a, const Node *jwe)
{
    return jwe_policy(a, jwe, 0);
}

static bool is_base64url(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!s[i] || !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", s[i]))
            return false;
    return true;
}

Node *clevis_jwe_unfold(Arena *a, const char *compact, size_t n)
{
    Node *jwe = node_new(a, NODE_OBJECT);
    const char *end = compact + n;
    for (size_t i = 0; i < ELEMENTS(jwe_members); i++) {
        const char *stop = memchr(compact, '.', (size_t)(end - compact));
        bool last = i + 1 == ELEMENTS(jwe_members);
        size_t length = (size_t)((stop ? stop : end) - compact);
        if (!stop != last || !is_base64url(compact, length))
            return NULL;
        node_set(a, jwe, jwe_members[i], node_new_string_n(a, compact, length));
        compact += length + !last;
    }
    return jwe;
}

const char *clevis_jwe_fold(Arena *a, const Node *jwe)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (!jwe || jwe->kind != NODE_OBJECT)
        return NULL;
    for (size_t i = 0; i < ELEMENTS(jwe_members); i++) {
        const char *part = member_text(jwe, jwe_members[i], i == 1 ? "" : NULL);
        if (!part || !is_base64url(part, strlen(part)))
            return NULL;
        buf_addf(&b, "%s%s", i ? "." : "", part);
    }
    return arena_memdup(a, b.data, b.len);
}
