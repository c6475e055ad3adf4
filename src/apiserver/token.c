/* A token of a service account is a JWT with HMAC-SHA256: only this server has to know it again, and it has
 * one key, kept as a Secret of kube-system that no role but an administrator's can read. It holds for the
 * account's uid, so that an account made anew under the same name is another one. */
#include "apiserver/token.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>

#include "apiserver/api_call.h"
#include "format/base64url.h"
#include "format/data_url.h"
#include "format/json.h"
#include "kube/kube_kind.h"

#define KEY_NAME "basalt-token-key"
enum { TOKEN_MAX = 8192, LIFE_DEFAULT = 3600, LIFE_MIN = 600, LIFE_MAX = 365 * 24 * 3600, SIGNATURE = 32 };

static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";

static void sign(const Api *api, const char *text, size_t n, uint8_t out[SIGNATURE])
{
    unsigned len = SIGNATURE;
    if (!HMAC(EVP_sha256(), api->token_key, sizeof(api->token_key), (const uint8_t *)text, n, out, &len))
        abort();
}

static const char *make(ApiCall *c, const Object *account, int64_t expires)
{
    _cleanup_buf_ Buf claims = BUF_INIT, out = BUF_INIT;
    uint8_t signature[SIGNATURE];
    const char *name = kube_name(account->node), *namespace = kube_namespace_of(account->node);
    buf_addf(
        &claims,
        "{\"iss\":\"basalt-apiserver\",\"sub\":\"system:serviceaccount:%s:%s\",\"iat\":%lld,\"exp\":%lld,"
        "\"kubernetes.io\":{\"namespace\":\"%s\",\"serviceaccount\":{\"name\":\"%s\",\"uid\":\"%s\"}}}",
        namespace, name, (long long)c->now, (long long)expires, namespace, name, kube_uid(account->node));
    base64url_encode(header, sizeof(header) - 1, &out);
    buf_add_char(&out, '.');
    base64url_encode(claims.data, claims.len, &out);
    sign(c->api, out.data, out.len, signature);
    buf_add_char(&out, '.');
    base64url_encode(signature, sizeof(signature), &out);
    return arena_strdup(c->a, out.data);
}

int call_token(ApiCall *c)
{
    Object account;
    int64_t life = LIFE_DEFAULT;
    int r = object_load(c, c->q->kind, c->q->namespace, c->q->name, &account);
    if (r < 0)
        return r;
    Node *n = node_copy(c->a, c->q->body), *spec = node_get(n, "spec"), *status = node_new(c->a, NODE_OBJECT);
    if (!spec || spec->kind != NODE_OBJECT)
        spec = node_set(c->a, n, "spec", node_new(c->a, NODE_OBJECT));
    (void)node_int(node_get(spec, "expirationSeconds"), &life);
    if (life < LIFE_MIN || life > LIFE_MAX)
        return call_bad_request(c, "spec.expirationSeconds: Invalid value: %lld: must be from %d to %d",
                                (long long)life, LIFE_MIN, LIFE_MAX);
    node_set(c->a, spec, "expirationSeconds", node_new_int(c->a, life));
    node_set_string(c->a, status, "token", make(c, &account, c->now + life));
    node_set_string(c->a, status, "expirationTimestamp", time_text(c->a, c->now + life));
    node_set(c->a, n, "status", status);
    node_set_string(c->a, object_metadata(c, n), "name", c->q->name);
    node_set_string(c->a, object_metadata(c, n), "namespace", c->q->namespace);
    return call_answer_node(c, 201, n);
}

/* ---- whose is it ---- */

static Node *parse(Arena *a, const char *text, size_t n)
{
    Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    Node *node = NULL;
    *source = (Source){.name = "token", .text = arena_memdup(a, text, n), .len = n, .secret = true};
    (void)json_read(a, source, SEVERITY_ERROR, &node, &r);
    report_done(&r);
    return node;
}

static int find(Api *api, Arena *a, const char *kind, const char *namespace, const char *name, Node **ret)
{
    StoreObject o;
    int r = store_get(api->store, &(StoreKey){kind, namespace, name}, a, &o, NULL);
    if (r < 0)
        return r;
    *ret = parse(a, o.json, o.n);
    return *ret ? 0 : -EBADMSG;
}

static void set_groups(Arena *a, ApiUser *u, const char *x, const char *y)
{
    const char **groups = ARENA_ARRAY(a, const char *, 3);
    if (x)
        groups[u->n_groups++] = x;
    if (y)
        groups[u->n_groups++] = y;
    groups[u->n_groups++] = "system:authenticated";
    u->groups = groups;
}

static int account_user(Api *api, Arena *a, const char *token, ApiUser *ret)
{
    const char *end = strrchr(token, '.'), *dot = strchr(token, '.');
    _cleanup_buf_ Buf given = BUF_INIT, claims = BUF_INIT;
    uint8_t wanted[SIGNATURE];
    Node *account;
    int64_t expires;
    if (!dot || dot == end || base64url_decode(end + 1, strlen(end + 1), &given) < 0 ||
        given.len != SIGNATURE)
        return -EACCES;
    sign(api, token, (size_t)(end - token), wanted);
    if (CRYPTO_memcmp(wanted, given.data, SIGNATURE) ||
        base64url_decode(dot + 1, (size_t)(end - dot - 1), &claims) < 0 || !claims.data)
        return -EACCES;
    const Node *n = parse(a, claims.data, claims.len), *k = node_get(n, "kubernetes.io");
    const char *namespace = node_string(node_get(k, "namespace")),
               *name = node_string(node_get_path(k, "serviceaccount.name")),
               *uid = node_string(node_get_path(k, "serviceaccount.uid"));
    if (!namespace || !name || !uid || node_int(node_get(n, "exp"), &expires) < 0 || expires <= api->now() ||
        find(api, a, "serviceaccounts", namespace, name, &account) < 0 || strcmp(kube_uid(account), uid))
        return -EACCES;
    *ret = (ApiUser){.name = arena_printf(a, "system:serviceaccount:%s:%s", namespace, name), .uid = uid};
    set_groups(a, ret, "system:serviceaccounts", arena_printf(a, "system:serviceaccounts:%s", namespace));
    return 0;
}

static const char *secret_text(Arena *a, const Node *secret, const char *key)
{
    const Node *n = node_get(node_get(secret, "data"), key);
    _cleanup_buf_ Buf b = BUF_INIT;
    if (!node_string(n) || base64_decode(n->string, n->len, &b) < 0)
        return "";
    return arena_strdup(a, b.data ? b.data : "");
}

/* "abcdef.0123456789abcdef": kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens */
static int joining_user(Api *api, Arena *a, const char *token, ApiUser *ret)
{
    char name[64];
    Node *secret;
    if (strlen(token) != 23 || token[6] != '.')
        return -EACCES;
    snprintf(name, sizeof(name), "bootstrap-token-%.6s", token);
    if (find(api, a, "secrets", "kube-system", name, &secret) < 0)
        return -EACCES;
    const char *type = node_string(node_get(secret, "type")), *kept = secret_text(a, secret, "token-secret");
    const char *until = secret_text(a, secret, "expiration"), *id = arena_printf(a, "%.6s", token);
    if (!type || strcmp(type, "bootstrap.kubernetes.io/token") || strlen(kept) != 16 ||
        CRYPTO_memcmp(kept, token + 7, 16) || strcmp(secret_text(a, secret, "token-id"), id) ||
        strcmp(secret_text(a, secret, "usage-bootstrap-authentication"), "true") ||
        (*until && time_parse(until) <= api->now()))
        return -EACCES;
    *ret = (ApiUser){.name = arena_printf(a, "system:bootstrap:%s", id), .uid = ""};
    set_groups(a, ret, "system:bootstrappers", NULL);
    return 0;
}

int api_token_user(Api *api, Arena *a, const char *token, ApiUser *ret)
{
    if (!*token || strlen(token) > TOKEN_MAX)
        return -EACCES;
    return strlen(token) == 23 ? joining_user(api, a, token, ret) : account_user(api, a, token, ret);
}

/* ---- the key ---- */

int token_key_load(Api *api, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(buf_done_secret)
    Buf key = BUF_INIT;
    Node *secret;
    ApiAnswer answer = {0};
    ApiCall c = {.api = api, .a = a, .answer = &answer, .now = api->now(), .report = REPORT_INIT(a)};
    const ApiKind *k = kind_table_find(api->kinds, "", "secrets");
    if (find(api, a, "secrets", "kube-system", KEY_NAME, &secret) >= 0) {
        const Node *n = node_get(node_get(secret, "data"), "key");
        if (!node_string(n) || base64_decode(n->string, n->len, &key) < 0 ||
            key.len != sizeof(api->token_key))
            return error_set(e, EBADMSG, "the Secret kube-system/" KEY_NAME " has no key for tokens in it");
        memcpy(api->token_key, key.data, key.len);
        return 0;
    }
    if (getrandom(api->token_key, sizeof(api->token_key), 0) != sizeof(api->token_key))
        return error_errno(e, -errno, "making a key for tokens");
    base64_encode(api->token_key, sizeof(api->token_key), &key);
    secret = kube_object_new(a, &k->kube, "kube-system", KEY_NAME);
    Node *m = node_get(secret, "metadata");
    node_set_string(a, m, "uid", uid_new(a));
    node_set_string(a, m, "creationTimestamp", time_text(a, c.now));
    node_set_string(a, secret, "type", "basalt.dev/token-key");
    node_set_string(a, node_set(a, secret, "data", node_new(a, NODE_OBJECT)), "key", key.data);
    return object_put(&c, k, NULL, secret, NULL) < 0 ? error_set(e, EIO, "keeping a key for tokens") : 0;
}
