/* One PEM block, nothing around it; then the key's kind and size, before anything is computed with it; then
 * the signature; then names. A request that asks for its extensions twice, or for names twice, is refused:
 * two readers could see two requests in it. */
#include "net/certificate_request.h"

#include <string.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "net/pki_parts.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, EXTENSIONS_MAX = 16 };

/* ---- making ---- */

static bool ask_for_names(X509_REQ *q, const CertificateSpec *spec)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    X509V3_CTX context;
    if (!pki_spec_names(spec, &text))
        return false;
    if (!text.len)
        return true;
    X509V3_set_ctx(&context, NULL, NULL, q, NULL, 0);
    STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
    X509_EXTENSION *names = X509V3_EXT_nconf_nid(NULL, &context, NID_subject_alt_name, text.data);
    bool ok = all && names && sk_X509_EXTENSION_push(all, names) > 0;
    if (!ok)
        X509_EXTENSION_free(names);
    ok = ok && X509_REQ_add_extensions(q, all) == 1;
    sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
    return ok;
}

int certificate_request_make(const CertificateSpec *spec, const KeyPair *key, Buf *out, Error *e)
{
    X509_REQ *q = X509_REQ_new();
    X509_NAME *name = q ? X509_REQ_get_subject_name(q) : NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    bool ok = q && bio && pki_add_name(name, "O", spec->organization) &&
              pki_add_name(name, "OU", spec->unit) && pki_add_name(name, "CN", spec->common_name) &&
              X509_REQ_set_version(q, X509_REQ_VERSION_1) && X509_REQ_set_pubkey(q, key->key) &&
              ask_for_names(q, spec) && X509_REQ_sign(q, key->key, EVP_sha256()) &&
              PEM_write_bio_X509_REQ(bio, q) == 1;
    X509_REQ_free(q);
    if (!ok) {
        BIO_free(bio);
        return error_wrap(e, pki_fail(e, "requesting"), "certificate '%s'", spec->common_name);
    }
    pki_take_bio(bio, out);
    return 0;
}

/* ---- reading ---- */

static int check_key(const EVP_PKEY *key, Error *e)
{
    char group[64] = "";
    if (!key)
        return error_set(e, EINVAL, "a request without a key that can be read");
    if (EVP_PKEY_is_a(key, "RSA")) {
        int bits = EVP_PKEY_get_bits(key);
        return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX
                   ? 0
                   : error_set(e, EINVAL, "an RSA key of %d bits, and not %d to %d", bits, RSA_BITS_MIN,
                               RSA_BITS_MAX);
    }
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1 ||
        (strcmp(group, "prime256v1") != 0 && strcmp(group, "secp384r1") != 0))
        return error_set(e, EINVAL, "a key that is neither RSA nor of P-256 or P-384");
    return 0;
}

static int read_alternatives(CertificateRequest *q, const STACK_OF(X509_EXTENSION) * all, Error *e)
{
    int crit = 0;
    GENERAL_NAMES *names = X509V3_get_d2i(all, NID_subject_alt_name, &crit, NULL);
    if (!names && crit != -1)
        return error_set(e, EINVAL, crit == -2 ? "names are asked for twice" : "names that cannot be read");
    int r = pki_read_alternatives(q->arena, names, &q->names, e);
    GENERAL_NAMES_free(names);
    return r;
}

static int read_extensions(CertificateRequest *q, X509_REQ *x, Error *e)
{
    int first = X509_REQ_get_attr_by_NID(x, NID_ext_req, -1);
    if (first >= 0 && X509_REQ_get_attr_by_NID(x, NID_ext_req, first) >= 0)
        return error_set(e, EINVAL, "extensions are asked for twice");
    STACK_OF(X509_EXTENSION) *all = X509_REQ_get_extensions(x);
    if (!all)
        return first < 0 ? 0 : error_set(e, EINVAL, "extensions that cannot be read");
    int n = sk_X509_EXTENSION_num(all), r = 0;
    if (n > EXTENSIONS_MAX)
        r = error_set(e, E2BIG, "more than %d extensions", EXTENSIONS_MAX);
    for (int i = 0; i < n && r >= 0; i++) {
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(sk_X509_EXTENSION_value(all, i)));
        q->other_extensions +=
            nid != NID_subject_alt_name && nid != NID_key_usage && nid != NID_ext_key_usage;
    }
    BASIC_CONSTRAINTS *basic = X509V3_get_d2i(all, NID_basic_constraints, NULL, NULL);
    q->authority = basic && basic->ca;
    BASIC_CONSTRAINTS_free(basic);
    if (r >= 0)
        r = read_alternatives(q, all, e);
    sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
    return r;
}

/* The one block of the text. */
static X509_REQ *read_pem(const char *pem, size_t n, Error *e)
{
    static const char head[] = "-----BEGIN CERTIFICATE REQUEST-----";
    char rest[64];
    if (n > CERTIFICATE_REQUEST_MAX || n < sizeof(head) || memcmp(pem, head, sizeof(head) - 1) != 0) {
        error_set(e, EINVAL, "not one certificate request in PEM, of %d bytes at most",
                  CERTIFICATE_REQUEST_MAX);
        return NULL;
    }
    BIO *bio = pki_open_pem(pem, n);
    X509_REQ *x = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
    bool more = false;
    for (int k; x && (k = BIO_read(bio, rest, sizeof(rest))) > 0;)
        for (int i = 0; i < k; i++)
            more |= !memchr(" \t\r\n", rest[i], 4);
    BIO_free(bio);
    if (!x)
        pki_fail(e, "not a certificate request");
    else if (more) {
        error_set(e, EINVAL, "something stands behind the certificate request");
        X509_REQ_free(x);
        x = NULL;
    }
    return x;
}

static int fill(CertificateRequest *q, X509_REQ *x, Error *e)
{
    EVP_PKEY *key = X509_REQ_get0_pubkey(x);
    int r = check_key(key, e);
    if (r < 0)
        return r;
    if (X509_REQ_verify(x, key) != 1)
        return error_set(e, EKEYREJECTED, "the request is not signed by its key");
    EVP_PKEY_up_ref(key);
    q->key->key = key;
    r = pki_read_subject(q->arena, X509_REQ_get_subject_name(x), &q->names, e);
    return r < 0 ? r : read_extensions(q, x, e);
}

int certificate_request_read(const char *pem, size_t n, CertificateRequest **ret, Error *e)
{
    X509_REQ *x = read_pem(pem, n, e);
    if (!x)
        return -EINVAL;
    CertificateRequest *q = calloc(1, sizeof(*q));
    if (!q || !(q->key = calloc(1, sizeof(*q->key))))
        abort();
    q->arena = arena_new();
    int r = fill(q, x, e);
    X509_REQ_free(x);
    ERR_clear_error();
    if (r < 0)
        certificate_request_free(q);
    else
        *ret = q;
    return r;
}

void certificate_request_free(CertificateRequest *q)
{
    if (!q)
        return;
    key_pair_free(q->key);
    arena_free(q->arena);
    free(q);
}
