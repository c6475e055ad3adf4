#pragma once
/* Keys and X.509 certificates, by OpenSSL: issued from a description, written as PEM with the traditional
 * labels, read back, verified. Private keys are wiped when they are freed. Randomness is OpenSSL's, unless a
 * test asked for pki_seed(). Profiles: RFC 5280; what the names and lifetimes are is the caller's business.
 */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

typedef enum KeyKind { KEY_P256, KEY_RSA2048 } KeyKind;

typedef struct KeyPair KeyPair;
int key_pair_new(KeyKind kind, KeyPair **ret, Error *e);
int key_pair_read(const char *pem, size_t n, KeyPair **ret, Error *e); /* RSA or EC, unencrypted */
void key_pair_free(KeyPair *k);
DEFINE_CLEANUP(KeyPair *, key_pair_free);
void key_pair_write_private(const KeyPair *k, Buf *out); /* "EC PRIVATE KEY", "RSA PRIVATE KEY" */
void key_pair_write_public(const KeyPair *k, Buf *out);  /* "PUBLIC KEY" */
KeyKind key_pair_kind(const KeyPair *k);                 /* which kind a successor is to be */
enum { KEY_ID_SIZE = 65 };
void key_pair_id(const KeyPair *k, char out[KEY_ID_SIZE]); /* SHA-256 of the public key, in hex */

typedef enum CertificateUse {
    CERTIFICATE_CA = 1 << 0, /* signs certificates */
    CERTIFICATE_SERVER = 1 << 1,
    CERTIFICATE_CLIENT = 1 << 2,
    CERTIFICATE_NO_KEY_USAGE = 1 << 3, /* leave the key usage extension out */
} CertificateUse;

typedef struct CertificateSpec {
    const char *common_name;  /* may be longer than the 64 characters of X.520: Kubernetes' identities are */
    const char *organization; /* NULL: none */
    const char *unit;         /* NULL: none */
    unsigned use;             /* CertificateUse */
    const char *const *dns, *const *ip; /* end with NULL; NULL: none */
    time_t not_before, not_after;
} CertificateSpec;

typedef struct Certificate Certificate;
/* Signed by the issuer, or by itself when issuer is NULL (issuer_key is then the key itself). */
int certificate_issue(const CertificateSpec *spec, const KeyPair *key, const Certificate *issuer,
                      const KeyPair *issuer_key, Certificate **ret, Error *e);
int certificate_read(const char *pem, size_t n, Certificate **ret, Error *e); /* the first of the text */
void certificate_free(Certificate *c);
DEFINE_CLEANUP(Certificate *, certificate_free);
void certificate_write(const Certificate *c, Buf *out);
const char *certificate_common_name(const Certificate *c, char *out, size_t size); /* "" when it has none */
time_t certificate_not_before(const Certificate *c);
time_t certificate_not_after(const Certificate *c);
const char *certificate_issuer_name(const Certificate *c, char *out, size_t size);
bool certificate_is_authority(const Certificate *c);
/* Whatever the time: */
bool certificate_signed_by(const Certificate *c, const KeyPair *key);
bool certificate_belongs_to(const Certificate *c, const KeyPair *key);

/* Whom a certificate or a request names. Lists end with NULL, NULL: none. A name that no DNS has, with a NUL,
 * with control characters, or past these numbers is refused: nothing is cut. */
enum { CERTIFICATE_NAMES_MAX = 64, CERTIFICATE_NAME_MAX = 253 };
typedef struct CertificateNames {
    const char *common_name, *unit; /* NULL: none; two are refused */
    const char *const *organizations;
    const char *const *dns, *const *ip;
    size_t n_organizations, n_dns, n_ip;
    unsigned other_subject; /* parts of the subject beside those */
    unsigned other_names;   /* mail addresses, URIs, … */
} CertificateNames;
int certificate_names(Arena *a, const Certificate *c, CertificateNames *ret, Error *e);
/* Is it valid at `when`, signed by a certificate of the PEM bundle, and does the key belong to it (NULL: not
 * asked)? */
int certificate_verify(const Certificate *c, const char *bundle, const KeyPair *key, time_t when, Error *e);

int pki_random(void *out, size_t n, Error *e);
/* For tests: from here on this process's randomness is a stream that follows from the seed, signatures and
 * RSA keys included, so that the same call gives the same bytes. Never for keys that protect anything. */
void pki_seed(const char *seed);
/* "$2b$10$…", as `htpasswd -B` writes it. The password is not logged. */
int password_hash(const char *password, char out[128], Error *e);
