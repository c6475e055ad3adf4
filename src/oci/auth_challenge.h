#pragma once
/* What a registry wants of a client, out of the WWW-Authenticate headers of a 401 (RFC 9110, the token
 * protocol of the distribution project). The header is hostile: what does not fit or has control characters
 * counts as not said. */
#include <stdbool.h>
#include <stddef.h>

typedef enum AuthScheme { AUTH_NONE, AUTH_BASIC, AUTH_BEARER } AuthScheme;

typedef struct AuthChallenge {
    AuthScheme scheme; /* the best of those offered */
    char realm[1024], service[256], scope[512], error[64];
} AuthChallenge;

/* The value of one such header; may be called for each of an answer. A Bearer without realm is none. */
void auth_challenge_read(const char *value, size_t n, AuthChallenge *to);
