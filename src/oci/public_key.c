/* libcrypto's functions by name, found once a key. Whatever the library would read beside a public key (other
 * labels of PEM, keys with a pass phrase) is refused by the label before it sees it. */
#include "oci/public_key.h"

#include <string.h>

#include "base/library.h"
#include "format/digest.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, DER_MAX = 64 << 10 };

typedef struct Crypto {
    void *(*bio_new)(const void *, int);
    int (*bio_free)(void *);
    void *(*read_pem)(void *, void **, int (*)(char *, int, int, void *), void *);
    void (*key_free)(void *);
    int (*key_is_a)(const void *, const char *);
    int (*key_group)(const void *, char *, size_t, size_t *);
    int (*key_bits)(const void *);
    int (*key_der)(const void *, unsigned char **);
    void *(*md_ctx_new)(void);
    void (*md_ctx_free)(void *);
    const void *(*md_by_name)(const char *);
    int (*verify_init)(void *, void **, const void *, void *, void *);
    int (*verify)(void *, const unsigned char *, size_t, const unsigned char *, size_t);
    void (*clear_errors)(void);
} Crypto;

struct PublicKey {
    Crypto crypto;
    void *key;
    bool hashes_itself; /* Ed25519 */
    char fingerprint[8 + 2 * 32];
};

static int load(Crypto *c, Error *e)
{
    const LibrarySymbol rows[] = {
        {"BIO_new_mem_buf", &c->bio_new},         {"BIO_free", &c->bio_free},
        {"PEM_read_bio_PUBKEY", &c->read_pem},    {"EVP_PKEY_free", &c->key_free},
        {"EVP_PKEY_is_a", &c->key_is_a},          {"EVP_PKEY_get_group_name", &c->key_group},
        {"EVP_PKEY_get_bits", &c->key_bits},      {"i2d_PUBKEY", &c->key_der},
        {"EVP_MD_CTX_new", &c->md_ctx_new},       {"EVP_MD_CTX_free", &c->md_ctx_free},
        {"EVP_get_digestbyname", &c->md_by_name}, {"EVP_DigestVerifyInit", &c->verify_init},
        {"EVP_DigestVerify", &c->verify},         {"ERR_clear_error", &c->clear_errors},
    };
    return library_load("libcrypto.so.3", "public keys", rows, ELEMENTS(rows), e);
}

static int no_passphrase(char *buf, int size, int writing, void *context)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static int check_label(const char *pem, size_t n, Error *e)
{
    static const char begin[] = "-----BEGIN ", label[] = "PUBLIC KEY-----";
    const char *at = memmem(pem, n, begin, sizeof(begin) - 1);
    size_t left = at ? n - (size_t)(at + sizeof(begin) - 1 - pem) : 0;
    if (n > PUBLIC_KEY_FILE_MAX)
        return error_set(e, EINVAL, "it has more than %d bytes", PUBLIC_KEY_FILE_MAX);
    if (!at)
        return error_set(e, EINVAL, "it is not in PEM");
    if (left < sizeof(label) - 1 || memcmp(at + sizeof(begin) - 1, label, sizeof(label) - 1))
        return error_set(e, EINVAL, "the first text of PEM in it is no PUBLIC KEY");
    return 0;
}

static int check_kind(PublicKey *k, Error *e)
{
    static const char *const groups[] = {"prime256v1", "secp384r1", "secp521r1"};
    const Crypto *c = &k->crypto;
    char group[64] = "";
    size_t n = 0;
    int bits = c->key_bits(k->key);
    if (c->key_is_a(k->key, "ED25519")) {
        k->hashes_itself = true;
        return 0;
    }
    if (c->key_is_a(k->key, "RSA")) {
        if (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX)
            return 0;
        return error_set(e, EINVAL, "the RSA key has %d bits; from %d to %d are taken", bits, RSA_BITS_MIN,
                         RSA_BITS_MAX);
    }
    if (!c->key_is_a(k->key, "EC"))
        return error_set(e, EINVAL, "the key is neither ECDSA nor RSA nor Ed25519");
    if (c->key_group(k->key, group, sizeof(group), &n) == 1)
        for (size_t i = 0; i < ELEMENTS(groups); i++)
            if (!strcmp(groups[i], group))
                return 0;
    return error_set(e, EINVAL, "the ECDSA key is on none of the curves P-256, P-384 and P-521");
}

static int make_fingerprint(PublicKey *k, Error *e)
{
    unsigned char der[DER_MAX], *to = der;
    char hex[2 * DIGEST_SIZE_MAX + 1];
    int n = k->crypto.key_der(k->key, NULL);
    if (n <= 0 || n > DER_MAX || k->crypto.key_der(k->key, &to) != n)
        return error_set(e, EINVAL, "the key cannot be written as DER");
    int r = digest_hex(DIGEST_SHA256, der, (size_t)n, hex, e);
    if (r >= 0)
        snprintf(k->fingerprint, sizeof(k->fingerprint), "SHA256:%.64s", hex);
    return r;
}

int public_key_read(const char *pem, size_t n, PublicKey **ret, Error *e)
{
    _cleanup_(public_key_freep)
    PublicKey *k = calloc(1, sizeof(*k));
    if (!k)
        abort();
    int r = load(&k->crypto, e);
    if (r < 0 || (r = check_label(pem, n, e)) < 0)
        return r;
    void *bio = k->crypto.bio_new(pem, (int)n);
    k->key = bio ? k->crypto.read_pem(bio, NULL, no_passphrase, NULL) : NULL;
    if (bio)
        k->crypto.bio_free(bio);
    k->crypto.clear_errors();
    if (!k->key)
        return error_set(e, EINVAL, "it is no public key that libcrypto can read");
    if ((r = check_kind(k, e)) < 0 || (r = make_fingerprint(k, e)) < 0)
        return r;
    *ret = TAKE_PTR(k);
    return 0;
}

void public_key_free(PublicKey *k)
{
    if (!k)
        return;
    if (k->key)
        k->crypto.key_free(k->key);
    free(k);
}

bool public_key_verify(const PublicKey *k, const void *data, size_t n, const void *signature,
                       size_t n_signature)
{
    const Crypto *c = &k->crypto;
    void *context = c->md_ctx_new();
    const void *md = k->hashes_itself ? NULL : c->md_by_name("SHA256");
    bool good = context && n_signature && n_signature <= PUBLIC_KEY_SIGNATURE_MAX &&
                (md || k->hashes_itself) && c->verify_init(context, NULL, md, NULL, k->key) == 1 &&
                c->verify(context, signature, n_signature, data, n) == 1;
    if (context)
        c->md_ctx_free(context);
    c->clear_errors(); /* a signature that is none is one */
    return good;
}

const char *public_key_fingerprint(const PublicKey *k)
{
    return k->fingerprint;
}
