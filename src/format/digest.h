#pragma once
/* Digests by OpenSSL's libcrypto, which is loaded at the first use: a provisioner whose config has no hash
 * never maps it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

typedef enum DigestKind { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 } DigestKind;
enum { DIGEST_SIZE_MAX = 64 };

typedef struct Digest Digest;
int digest_new(DigestKind kind, Digest **ret, Error *e); /* fails only when libcrypto cannot be had */
void digest_free(Digest *d);
DEFINE_CLEANUP(Digest *, digest_free);
void digest_update(Digest *d, const void *data, size_t n);
size_t digest_finish(Digest *d, uint8_t out[DIGEST_SIZE_MAX]); /* bytes written */

size_t digest_size(DigestKind kind);
/* Of bytes that are all there; as many are written to `out` as digest_size() says. */
int digest_bytes(DigestKind kind, const void *data, size_t n, uint8_t *out, Error *e);
int digest_hex(DigestKind kind, const void *data, size_t n, char out[2 * DIGEST_SIZE_MAX + 1], Error *e);
bool hex_decode(const char *text, size_t n, uint8_t *out); /* n hex characters, either case */
void hex_encode(const uint8_t *data, size_t n, char *out); /* 2n + 1 bytes */
