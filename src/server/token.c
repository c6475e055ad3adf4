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

static bool expired(const Node *token, time_t now)
{
    struct tm tm = {0};
    const char *text = node_string(node_get(token, "expires"));
    const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;
    return !end || *end || timegm(&tm) <= now;
}

TokenVerdict token_check(const Node *tokens, const char *token, const char *pool, time_t now, char mark[9])
{
    char hex[2 * DIGEST_SIZE_MAX + 1];
    mark[0] = '\0';
    if (!token || !*token)
        return TOKEN_NONE;
    if (digest_hex(DIGEST_SHA256, token, strlen(token), hex, NULL) < 0)
        return TOKEN_UNKNOWN;
    snprintf(mark, 9, "%.8s", hex);
    TokenVerdict best = TOKEN_UNKNOWN;
    NODE_EACH(t, tokens)
    {
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
