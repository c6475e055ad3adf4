/* Digests are compared in constant time, though only the digest's preimage would help an attacker. A token
 * whose expiry cannot be read is expired. */
#include "server/token.h"

#include <string.h>

#include "format/digest.h"

static const char *const verdicts[] = {
    [TOKEN_GOOD] = "good",
    [TOKEN_NONE] = "no token",
    [TOKEN_UNKNOWN] = "unknown token",
    [TOKEN_WRONG_ROLE] = "token of another role",
    [TOKEN_EXPIRED] = "token has expired",
};

const char *token_verdict_text(TokenVerdict v)
{
    return verdicts[v];
}

static bool same(const char *a, const char *b, size_t n)
{
    unsigned char difference = 0;
    for (size_t i = 0; i < n; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

static bool read_expiry(const Node *token, time_t *ret)
{
    struct tm tm = {0};
    const char *text = node_string(node_get(token, "expires"));
    const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;
    *ret = timegm(&tm);
    return end && !*end;
}

static bool expired(const Node *token, time_t now)
{
    time_t until;
    return !read_expiry(token, &until) || until <= now;
}

int token_list_check(const Node *tokens, Error *e)
{
    size_t i = 0;
    if (!tokens || tokens->kind != NODE_ARRAY)
        return error_set(e, EBADMSG, "there is no list 'tokens'");
    NODE_EACH (t, tokens) {
        const char *digest = node_string(node_get(t, "sha256")), *role = node_string(node_get(t, "role"));
        time_t until;
        if (!digest || strlen(digest) != 64 || strspn(digest, "0123456789abcdef") != 64)
            return error_set(e, EBADMSG, "tokens.%zu.sha256: 64 hexadecimal digits are wanted", i);
        if (!role || !*role)
            return error_set(e, EBADMSG, "tokens.%zu.role: the name of a pool is wanted", i);
        if (!read_expiry(t, &until))
            return error_set(e, EBADMSG, "tokens.%zu.expires: a time like 2030-01-31T12:00:00Z is wanted", i);
        i++;
    }
    return 0;
}

TokenVerdict token_check(const Node *tokens, const char *token, const char *pool, time_t now, char mark[9])
{
    char hex[2 * DIGEST_SIZE_MAX + 1];
    mark[0] = '\0';
    if (!token || !*token)
        return TOKEN_NONE;
    if (!tokens || tokens->kind != NODE_ARRAY)
        return TOKEN_UNKNOWN;
    if (digest_hex(DIGEST_SHA256, token, strlen(token), hex, NULL) < 0)
        return TOKEN_UNKNOWN;
    snprintf(mark, 9, "%.8s", hex);
    TokenVerdict best = TOKEN_UNKNOWN;
    NODE_EACH (t, tokens) {
        const char *known = node_string(node_get(t, "sha256")), *role = node_string(node_get(t, "role"));
        if (!known || !role || strlen(known) != strlen(hex) || !same(known, hex, strlen(hex)))
            continue;
        if (strcmp(role, pool))
            best = TOKEN_WRONG_ROLE;
        else if (expired(t, now))
            best = TOKEN_EXPIRED;
        else
            return TOKEN_GOOD;
    }
    return best;
}
