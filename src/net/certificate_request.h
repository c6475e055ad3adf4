#pragma once
/* Requests for certificates (PKCS#10, RFC 2986): made by who has a key, read by who may sign. Reading trusts
 * nothing: sizes and names have bounds, the signature must be the key's own. What a request asks for is told,
 * not granted: a certificate is issued from a CertificateSpec that the signer fills, for the request's key.
 */
#include "net/pki.h"

enum { CERTIFICATE_REQUEST_MAX = 16 << 10 }; /* bytes of its PEM */

/* Of the spec: common_name, organization, unit, dns, ip. PEM. */
int certificate_request_make(const CertificateSpec *spec, const KeyPair *key, Buf *out, Error *e);

typedef struct CertificateRequest {
    Arena *arena;
    KeyPair *key; /* its public half: P-256, P-384, or RSA of 2048 to 8192 bits */
    CertificateNames names;
    unsigned other_extensions; /* asked for, beside names and usages */
    bool authority;            /* asks to sign others */
} CertificateRequest;

int certificate_request_read(const char *pem, size_t n, CertificateRequest **ret, Error *e);
void certificate_request_free(CertificateRequest *q);
DEFINE_CLEANUP(CertificateRequest *, certificate_request_free);
