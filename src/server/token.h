#pragma once
/* Provisioning tokens: who has one may fetch the config of its role until it expires. The server knows their
 * SHA-256 only. {"sha256": hex, "role": pool, "expires": RFC 3339 in UTC}. */
#include <time.h>

#include "base/error.h"
#include "format/node.h"

typedef enum TokenVerdict {
    TOKEN_GOOD,
    TOKEN_NONE,
    TOKEN_UNKNOWN,
    TOKEN_WRONG_ROLE,
    TOKEN_EXPIRED
} TokenVerdict;

/* Is it a list of tokens as above? The Error names the first entry that is not. */
int token_list_check(const Node *tokens, Error *e);
/* `mark` gets the first 8 digits of the token's digest, for the log. */
TokenVerdict token_check(const Node *tokens, const char *token, const char *pool, time_t now, char mark[9]);
const char *token_verdict_text(TokenVerdict v);
