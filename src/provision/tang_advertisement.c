/* {"payload": BASE64URL({"keys":[JWK…]}), …}. A thumbprint is the digest of the members of a key that make it
 * what it is, in the order of their names, without any space. */
#include "provision/tang_advertisement.h"

#include <string.h>

#include "format/base64url.h"
#include "format/digest.h"
#include "format/json.h"

static const struct {
    const char *type, *members[5]; /* NULL at the end */
} key_types[] = {
    {"EC", {"crv", "kty", "x", "y"}},
    {"RSA", {"e", "kty", "n"}},
    {"OKP", {"crv", "kty", "x"}},
    {"oct", {"k", "kty"}},
};

static Node *parse(Arena *a, const char *name, const char *text, size_t n)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    Node *root;
    *source = (Source){.name = name, .text = arena_memdup(a, text, n), .len = n, .secret = true};
    return json_read(a, source, SEVERITY_WARNING, &root, &r) < 0 ? NULL : root;
}

static const Node *keys_of(Arena *a, const Node *advertisement)
{
    const Node *payload = node_get(advertisement, "payload");
    _cleanup_buf_ Buf b = BUF_INIT;
    if (!node_string(payload) || base64url_decode(payload->string, payload->len, &b) < 0 || !b.len)
        return NULL;
    const Node *root = parse(a, "payload", b.data, b.len);
    const Node *keys = root ? node_get(root, "keys") : NULL;
    return keys && keys->kind == NODE_ARRAY ? keys : NULL;
}

static bool signs(const Node *key)
{
    const Node *ops = node_get(key, "key_ops");
    if (ops && ops->kind == NODE_ARRAY)
        NODE_EACH (op, ops)
            if (node_string(op) && strcmp(op->string, "verify") == 0)
                return true;
    return false;
}

/* 0: the key is of a kind that has none, or is none. */
static int thumbprint_of(const Node *key, DigestKind kind, Buf *ret, Error *e)
{
    const char *type = node_string(node_get(key, "kty"));
    _cleanup_buf_ Buf text = BUF_INIT;
    uint8_t digest[DIGEST_SIZE_MAX];
    for (size_t i = 0; type && i < ELEMENTS(key_types); i++) {
        if (strcmp(key_types[i].type, type) != 0)
            continue;
        for (const char *const *m = key_types[i].members; *m; m++) {
            const char *value = node_string(node_get(key, *m));
            if (!value || strpbrk(value, "\"\\"))
                return 0;
            buf_addf(&text, "%s\"%s\":\"%s\"", text.len ? "," : "{", *m, value);
        }
        buf_add_char(&text, '}');
    }
    if (!text.len)
        return 0;
    int r = digest_bytes(kind, text.data, text.len, digest, e);
    if (r < 0)
        return r;
    base64url_encode(digest, digest_size(kind), ret);
    return 1;
}

int tang_advertisement_read(Arena *a, const char *text, size_t n, Node **ret, StringList *ret_thumbprints,
                            Error *e)
{
    Node *root = parse(a, "advertisement", text, n);
    const Node *keys = root && root->kind == NODE_OBJECT ? keys_of(a, root) : NULL;
    if (!keys)
        return error_set(e, EINVAL, "this is not the advertisement of a Tang server");
    NODE_EACH (key, keys) {
        _cleanup_buf_ Buf thumbprint = BUF_INIT;
        int r =
            key->kind == NODE_OBJECT && signs(key) ? thumbprint_of(key, DIGEST_SHA256, &thumbprint, e) : 0;
        if (r < 0)
            return r;
        if (r > 0)
            string_list_add(ret_thumbprints, arena_memdup(a, thumbprint.data, thumbprint.len));
    }
    *ret = root;
    return 0;
}

int tang_advertisement_has(Arena *a, const Node *advertisement, const char *thumbprint, Error *e)
{
    const Node *keys = keys_of(a, advertisement);
    if (keys)
        NODE_EACH (key, keys)
            for (DigestKind kind = DIGEST_SHA1; kind <= DIGEST_SHA256; kind++) {
                _cleanup_buf_ Buf found = BUF_INIT;
                int r = key->kind == NODE_OBJECT && signs(key) ? thumbprint_of(key, kind, &found, e) : 0;
                if (r < 0)
                    return r;
                if (r > 0 && strcmp(found.data, thumbprint) == 0)
                    return 1;
            }
    return 0;
}
