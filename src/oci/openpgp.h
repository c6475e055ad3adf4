#pragma once
/* Messages that are signed with OpenPGP, by the system's gpgv: a program of its own with a keyring of the
 * given keys and no other, in a directory of its own that is gone afterwards. */
#include "base/buf.h"
#include "base/error.h"

enum { OPENPGP_KEYS_MAX = 1 << 20, OPENPGP_FINGERPRINT_MAX = 64 };

typedef struct OpenpgpKeys {
    const void *data; /* one public key or more, binary or in armor */
    size_t n;
} OpenpgpKeys;

typedef struct OpenpgpSigned {
    Buf text;                                      /* what is signed */
    char fingerprint[OPENPGP_FINGERPRINT_MAX + 1]; /* of the primary key, in capitals */
} OpenpgpSigned;
void openpgp_signed_done(OpenpgpSigned *s);

/* The message has one signature, by one of the keys, and nothing beside what it signs. -EKEYREJECTED: it has
 * not, or the key or the signature is expired or revoked, or is made with a digest that is broken (MD5,
 * SHA-1, RIPEMD-160). -ENOPKG: there is no gpgv. */
int openpgp_verify(const OpenpgpKeys *keys, size_t n_keys, const void *message, size_t n, size_t max,
                   OpenpgpSigned *ret, Error *e);
/* The packets of keys in armor; what is no armor is given as it is. -EINVAL: armor of other things, or
 * broken. */
int openpgp_dearmor(const void *data, size_t n, Buf *ret, Error *e);
