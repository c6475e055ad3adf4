/* libcrypto's EVP functions by name, found once. A program that never hashes never maps the library's 5 MB.
 */
#include "format/digest.h"

#include <string.h>

#include "base/library.h"

typedef struct Crypto {
    void *(*md_ctx_new)(void);
    void (*md_ctx_free)(void *);
    const void *(*md_by_name)(const char *);
    int (*init)(void *, const void *, void *);
    int (*update)(void *, const void *, size_t);
    int (*final)(void *, unsigned char *, unsigned *);
} Crypto;

struct Digest {
    const Crypto *crypto;
    void *context;
};

static const struct {
    const char *name;
    size_t size;
} kinds[] = {[DIGEST_MD5] = {"MD5", 16},
             [DIGEST_SHA1] = {"SHA1", 20},
             [DIGEST_SHA256] = {"SHA256", 32},
             [DIGEST_SHA512] = {"SHA512", 64}};

static int load(Crypto *c, Error *e)
{
    const LibrarySymbol rows[] = {
        {"EVP_MD_CTX_new", &c->md_ctx_new},       {"EVP_MD_CTX_free", &c->md_ctx_free},
        {"EVP_get_digestbyname", &c->md_by_name}, {"EVP_DigestInit_ex", &c->init},
        {"EVP_DigestUpdate", &c->update},         {"EVP_DigestFinal_ex", &c->final},
    };
    return library_load("libcrypto.so.3", "digests", rows, ELEMENTS(rows), e);
}

int digest_new(DigestKind kind, Digest **ret, Error *e)
{
    struct {
        Digest digest;
        Crypto crypto;
    } *d = calloc(1, sizeof(*d));
    if (!d)
        abort();
    d->digest.crypto = &d->crypto;
    int r = load(&d->crypto, e);
    const void *md = r < 0 ? NULL : d->crypto.md_by_name(kinds[kind].name);
    if (r >= 0) {
        d->digest.context = d->crypto.md_ctx_new();
        if (!md || !d->digest.context || !d->crypto.init(d->digest.context, md, NULL))
            r = error_set(e, ENOTSUP, "this machine's libcrypto refuses %s", kinds[kind].name);
    }
    if (r < 0) {
        digest_free(&d->digest);
        return r;
    }
    *ret = &d->digest;
    return 0;
}

void digest_free(Digest *d)
{
    if (!d)
        return;
    if (d->context)
        d->crypto->md_ctx_free(d->context);
    free(d);
}

void digest_update(Digest *d, const void *data, size_t n)
{
    if (!d->crypto->update(d->context, data, n))
        abort(); /* fails only on misuse */
}

size_t digest_finish(Digest *d, uint8_t out[DIGEST_SIZE_MAX])
{
    unsigned n = 0;
    if (!d->crypto->final(d->context, out, &n))
        abort();
    return n;
}

size_t digest_size(DigestKind kind)
{
    return kinds[kind].size;
}

int digest_bytes(DigestKind kind, const void *data, size_t n, uint8_t *out, Error *e)
{
    uint8_t bytes[DIGEST_SIZE_MAX];
    _cleanup_(digest_freep)
    Digest *d = NULL;
    int r = digest_new(kind, &d, e);
    if (r < 0)
        return r;
    digest_update(d, data, n);
    memcpy(out, bytes, digest_finish(d, bytes));
    return 0;
}

int digest_hex(DigestKind kind, const void *data, size_t n, char out[2 * DIGEST_SIZE_MAX + 1], Error *e)
{
    uint8_t bytes[DIGEST_SIZE_MAX];
    int r = digest_bytes(kind, data, n, bytes, e);
    if (r < 0)
        return r;
    hex_encode(bytes, digest_size(kind), out);
    return 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(const char *text, size_t n, uint8_t *out)
{
    for (size_t i = 0; i + 1 < n; i += 2) {
        int high = hex_value(text[i]), low = hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return n % 2 == 0;
}

void hex_encode(const uint8_t *data, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * n] = '\0';
}
