/* EVP and X509, nothing deprecated but the seed of tests (pki_seed.c). Three things that others got wrong and
 * this does not: a common name past 64 characters goes in as a raw UTF8String (the table of limits refuses it
 * otherwise); a P-256 key gets no keyEncipherment; serial numbers are positive and 63 bits long. */
#include "net/pki.h"

#include <crypt.h>
#include <string.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "net/pki_parts.h"

enum { BCRYPT_COST = 10, RSA_BITS = 2048, PEM_SIZE_MAX = 16 << 20 };

int pki_fail(Error *e, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return error_set(e, EINVAL, "%s: %s", what, reason ? reason : "OpenSSL gives no reason");
}

int pki_random(void *out, size_t n, Error *e)
{
    return RAND_bytes(out, (int)n) == 1 ? 0 : pki_fail(e, "random numbers");
}

/* ---- keys ---- */

static KeyPair *wrap_key(EVP_PKEY *key)
{
    KeyPair *k = calloc(1, sizeof(*k));
    if (!k)
        abort();
    k->key = key;
    return k;
}

int key_pair_new(KeyKind kind, KeyPair **ret, Error *e)
{
    EVP_PKEY *key = kind == KEY_RSA2048 ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen("P-256");
    if (!key)
        return pki_fail(e, "making a key");
    *ret = wrap_key(key);
    return 0;
}

/* Never asks on a terminal for a pass phrase. */
static int no_passphrase(char *buf, int size, int writing, void *context)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

BIO *pki_open_pem(const char *pem, size_t n)
{
    return n > PEM_SIZE_MAX ? NULL : BIO_new_mem_buf(pem, (int)n);
}

int key_pair_read(const char *pem, size_t n, KeyPair **ret, Error *e)
{
    BIO *bio = pki_open_pem(pem, n);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (!key)
        return pki_fail(e, "not an unencrypted private key in PEM");
    ERR_clear_error(); /* of the formats that were tried before the right one */
    if (!EVP_PKEY_is_a(key, "EC") && !EVP_PKEY_is_a(key, "RSA")) {
        EVP_PKEY_free(key);
        return error_set(e, EINVAL, "a private key that is neither RSA nor EC");
    }
    *ret = wrap_key(key);
    return 0;
}

void key_pair_free(KeyPair *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->key);
    free(k);
}

void pki_take_bio(BIO *bio, Buf *out)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);
    buf_add(out, data, (size_t)n);
    OPENSSL_cleanse(data, (size_t)n);
    BIO_free(bio);
}

void key_pair_write_private(const KeyPair *k, Buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio_PrivateKey_traditional(bio, k->key, NULL, NULL, 0, NULL, NULL) != 1)
        abort();
    pki_take_bio(bio, out);
}

void key_pair_write_public(const KeyPair *k, Buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio_PUBKEY(bio, k->key) != 1)
        abort();
    pki_take_bio(bio, out);
}

void key_pair_id(const KeyPair *k, char out[KEY_ID_SIZE])
{
    unsigned char *der = NULL, sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    int len = i2d_PUBKEY(k->key, &der);
    if (len <= 0 || EVP_Digest(der, (size_t)len, sum, &n, EVP_sha256(), NULL) != 1)
        abort();
    OPENSSL_free(der);
    for (unsigned i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

/* ---- certificates ---- */

bool pki_add_name(X509_NAME *name, const char *field, const char *value)
{
    return !value || X509_NAME_add_entry_by_txt(name, field, V_ASN1_UTF8STRING, (const unsigned char *)value,
                                                -1, -1, 0);
}

static int set_subject(X509 *x, const CertificateSpec *spec)
{
    X509_NAME *name = X509_get_subject_name(x);
    return pki_add_name(name, "O", spec->organization) && pki_add_name(name, "OU", spec->unit) &&
           pki_add_name(name, "CN", spec->common_name);
}

static int set_serial(X509 *x)
{
    uint64_t serial = 0;
    if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
        return 0;
    serial = (serial >> 1) | 1;
    return ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial);
}

static int add_extension(X509 *x, X509V3_CTX *context, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, context, nid, value);
    int ok = extension && X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

bool pki_spec_names(const CertificateSpec *spec, Buf *out)
{
    for (const char *const *d = spec->dns; d && *d; d++)
        if (!**d || (*d)[strcspn(*d, ", \t\r\n")])
            return false; /* a comma would start another name */
    for (const char *const *d = spec->dns; d && *d; d++)
        buf_addf(out, "%sDNS:%s", out->len ? "," : "", *d);
    for (const char *const *i = spec->ip; i && *i; i++)
        buf_addf(out, "%sIP:%s", out->len ? "," : "", *i);
    return true;
}

static int add_names(X509 *x, X509V3_CTX *context, const CertificateSpec *spec)
{
    _cleanup_buf_ Buf names = BUF_INIT;
    return pki_spec_names(spec, &names) &&
           (!names.len || add_extension(x, context, NID_subject_alt_name, names.data));
}

static int add_usage(X509 *x, X509V3_CTX *context, const CertificateSpec *spec, const EVP_PKEY *key)
{
    bool ca = spec->use & CERTIFICATE_CA, rsa = EVP_PKEY_is_a(key, "RSA");
    _cleanup_buf_ Buf usage = BUF_INIT, extended = BUF_INIT;
    buf_addf(&usage, "critical,digitalSignature%s%s", rsa ? ",keyEncipherment" : "",
             ca ? ",keyCertSign" : "");
    if (spec->use & CERTIFICATE_CLIENT)
        buf_add_str(&extended, "clientAuth");
    if (spec->use & CERTIFICATE_SERVER)
        buf_addf(&extended, "%sserverAuth", extended.len ? "," : "");
    return ((spec->use & CERTIFICATE_NO_KEY_USAGE) || add_extension(x, context, NID_key_usage, usage.data)) &&
           (!extended.len || add_extension(x, context, NID_ext_key_usage, extended.data));
}

static int add_extensions(X509 *x, X509 *issuer, const CertificateSpec *spec, const EVP_PKEY *key)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    return add_extension(x, &context, NID_basic_constraints,
                         spec->use & CERTIFICATE_CA ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           add_usage(x, &context, spec, key) &&
           add_extension(x, &context, NID_subject_key_identifier, "hash") &&
           add_extension(x, &context, NID_authority_key_identifier, "keyid") && add_names(x, &context, spec);
}

static Certificate *wrap_certificate(X509 *x)
{
    Certificate *c = calloc(1, sizeof(*c));
    if (!c)
        abort();
    c->x509 = x;
    return c;
}

int certificate_issue(const CertificateSpec *spec, const KeyPair *key, const Certificate *issuer,
                      const KeyPair *issuer_key, Certificate **ret, Error *e)
{
    X509 *x = X509_new(), *by = issuer ? issuer->x509 : x;
    bool ok = x && X509_set_version(x, X509_VERSION_3) && set_serial(x) && set_subject(x, spec) &&
              X509_set_issuer_name(x, X509_get_subject_name(by)) &&
              ASN1_TIME_set(X509_getm_notBefore(x), spec->not_before) &&
              ASN1_TIME_set(X509_getm_notAfter(x), spec->not_after) && X509_set_pubkey(x, key->key) &&
              add_extensions(x, by, spec, key->key) && X509_sign(x, issuer_key->key, EVP_sha256());
    if (!ok) {
        X509_free(x);
        return error_wrap(e, pki_fail(e, "issuing"), "certificate '%s'", spec->common_name);
    }
    *ret = wrap_certificate(x);
    return 0;
}

int certificate_read(const char *pem, size_t n, Certificate **ret, Error *e)
{
    BIO *bio = pki_open_pem(pem, n);
    X509 *x = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    if (!x)
        return pki_fail(e, "not a certificate in PEM");
    *ret = wrap_certificate(x);
    return 0;
}

void certificate_free(Certificate *c)
{
    if (!c)
        return;
    X509_free(c->x509);
    free(c);
}

void certificate_write(const Certificate *c, Buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || PEM_write_bio_X509(bio, c->x509) != 1)
        abort();
    pki_take_bio(bio, out);
}

const char *certificate_common_name(const Certificate *c, char *out, size_t size)
{
    out[0] = '\0';
    X509_NAME_get_text_by_NID(X509_get_subject_name(c->x509), NID_commonName, out, (int)size);
    return out;
}

const char *certificate_issuer_name(const Certificate *c, char *out, size_t size)
{
    out[0] = '\0';
    X509_NAME_get_text_by_NID(X509_get_issuer_name(c->x509), NID_commonName, out, (int)size);
    return out;
}

bool certificate_is_authority(const Certificate *c)
{
    return X509_check_ca(c->x509) == 1;
}

bool certificate_signed_by(const Certificate *c, const KeyPair *key)
{
    bool is = X509_verify(c->x509, key->key) == 1;
    ERR_clear_error();
    return is;
}

bool certificate_belongs_to(const Certificate *c, const KeyPair *key)
{
    bool is = X509_check_private_key(c->x509, key->key) == 1;
    ERR_clear_error();
    return is;
}

KeyKind key_pair_kind(const KeyPair *k)
{
    return EVP_PKEY_is_a(k->key, "RSA") ? KEY_RSA2048 : KEY_P256;
}

int certificate_names(Arena *a, const Certificate *c, CertificateNames *ret, Error *e)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(c->x509, NID_subject_alt_name, NULL, NULL);
    CertificateNames n = {0};
    int r = pki_read_subject(a, X509_get_subject_name(c->x509), &n, e);
    if (r >= 0)
        r = pki_read_alternatives(a, names, &n, e);
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    if (r >= 0)
        *ret = n;
    return r;
}

static time_t to_time(const ASN1_TIME *t)
{
    struct tm tm = {0};
    return ASN1_TIME_to_tm(t, &tm) ? timegm(&tm) : 0;
}

time_t certificate_not_before(const Certificate *c)
{
    return to_time(X509_get0_notBefore(c->x509));
}

time_t certificate_not_after(const Certificate *c)
{
    return to_time(X509_get0_notAfter(c->x509));
}

/* ---- verifying ---- */

static X509_STORE *read_bundle(const char *bundle)
{
    X509_STORE *store = X509_STORE_new();
    BIO *bio = BIO_new_mem_buf(bundle, -1);
    for (X509 *x; store && bio && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL));) {
        X509_STORE_add_cert(store, x);
        X509_free(x);
    }
    BIO_free(bio);
    ERR_clear_error(); /* the end of the text is one */
    return store;
}

int certificate_verify(const Certificate *c, const char *bundle, const KeyPair *key, time_t when, Error *e)
{
    if (key && X509_check_private_key(c->x509, key->key) != 1)
        return pki_fail(e, "the key does not belong to the certificate");
    X509_STORE *store = read_bundle(bundle);
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    int r = 0;
    if (!store || !context || !X509_STORE_CTX_init(context, store, c->x509, NULL))
        r = pki_fail(e, "verifying");
    else {
        X509_STORE_CTX_set_time(context, 0, when);
        if (X509_verify_cert(context) != 1)
            r = error_set(e, EKEYREJECTED, "the certificate is not good: %s",
                          X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
    }
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return r;
}

int password_hash(const char *password, char out[128], Error *e)
{
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    unsigned char random[16];
    struct crypt_data data = {0};
    int r = pki_random(random, sizeof(random), e);
    if (r < 0)
        return r;
    const char *hash =
        crypt_gensalt_rn("$2b$", BCRYPT_COST, (const char *)random, sizeof(random), salt, sizeof(salt))
            ? crypt_r(password, salt, &data)
            : NULL;
    if (hash && hash[0] == '$')
        snprintf(out, 128, "%s", hash);
    else
        r = error_set(e, ENOTSUP, "libcrypt has no bcrypt");
    explicit_bzero(&data, sizeof(data));
    return r;
}
