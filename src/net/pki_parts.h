#pragma once
/* What the files of the pki library share; for nobody else. */
#include <openssl/x509v3.h>

#include "base/arena.h"
#include "net/pki.h"

struct KeyPair {
    EVP_PKEY *key;
};
struct Certificate {
    X509 *x509;
};

/* OpenSSL's last word, and its queue emptied. */
int pki_fail(Error *e, const char *what);
BIO *pki_open_pem(const char *pem, size_t n);                             /* NULL: too long */
void pki_take_bio(BIO *bio, Buf *out);                                    /* and wipes and frees it */
bool pki_add_name(X509_NAME *name, const char *field, const char *value); /* NULL value: nothing */
/* "DNS:a,IP:b" of a spec; false when one of them is none. */
bool pki_spec_names(const CertificateSpec *spec, Buf *out);

/* ---- reading names that strangers wrote ---- */
int pki_read_subject(Arena *a, const X509_NAME *name, CertificateNames *ret, Error *e);
/* NULL names: there are none. */
int pki_read_alternatives(Arena *a, const GENERAL_NAMES *names, CertificateNames *ret, Error *e);
