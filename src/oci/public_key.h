#pragma once
/* A public key in PEM ("PUBLIC KEY") and what is signed with it, by libcrypto, which is loaded at the first
 * use. ECDSA on P-256, P-384 and P-521, RSA (PKCS #1 v1.5) from 2048 to 8192 bits, both with SHA-256 as
 * sigstore has it whatever the key's size, and Ed25519. */
#include "base/arena.h"
#include "base/error.h"

enum { PUBLIC_KEY_FILE_MAX = 64 << 10, PUBLIC_KEY_SIGNATURE_MAX = 2048 };

typedef struct PublicKey PublicKey;
/* -EINVAL: not one such key; a private one is refused as well. */
int public_key_read(const char *pem, size_t n, PublicKey **ret, Error *e);
void public_key_free(PublicKey *k);
DEFINE_CLEANUP(PublicKey *, public_key_free);

/* Is it a signature of the data by the key? */
bool public_key_verify(const PublicKey *k, const void *data, size_t n, const void *signature,
                       size_t n_signature);
/* "SHA256:" and the digest of the key as DER, in lower-case hexadecimal. */
const char *public_key_fingerprint(const PublicKey *k);
