/* Decode, inflate, compare: the order in which the fetching programs do it, too (there by pieces). Refused:
 * other digests than SHA-256 and SHA-512, other compressions than gzip. */
#include "ignition/resource_data.h"

#include <string.h>

#include "format/data_url.h"

int ign_hash_parse(const char *text, DigestKind *ret_kind, uint8_t ret_want[DIGEST_SIZE_MAX], Error *e)
{
    static const struct {
        const char *prefix;
        DigestKind kind;
    } functions[] = {{"sha512-", DIGEST_SHA512}, {"sha256-", DIGEST_SHA256}};

    for (size_t i = 0; i < ELEMENTS(functions); i++) {
        size_t n = strlen(functions[i].prefix), size = digest_size(functions[i].kind);
        if (strncmp(text, functions[i].prefix, n) != 0)
            continue;
        if (strlen(text + n) != 2 * size || !hex_decode(text + n, 2 * size, ret_want))
            return error_set(e, EINVAL, "incorrect size for hash sum");
        *ret_kind = functions[i].kind;
        return 0;
    }
    return error_set(e, EINVAL, "unrecognized hash function");
}

int ign_compression_parse(const char *name, Compression *ret, Error *e)
{
    if (!name || !*name)
        *ret = COMPRESSION_NONE;
    else if (strcmp(name, "gzip") == 0)
        *ret = COMPRESSION_GZIP;
    else
        return error_set(e, EINVAL, "invalid compression method '%s'", name);
    return 0;
}

bool ign_resource_is_local(const IgnResource *r)
{
    return !r->source || !*r->source || data_url_is(r->source);
}

static int hash_check(const char *hash, const Buf *bytes, Error *e)
{
    uint8_t want[DIGEST_SIZE_MAX], got[DIGEST_SIZE_MAX];
    DigestKind kind;
    int r = ign_hash_parse(hash, &kind, want, e);
    if (r >= 0)
        r = digest_bytes(kind, bytes->data ? bytes->data : "", bytes->len, got, e);
    if (r < 0)
        return r;
    return memcmp(got, want, digest_size(kind)) ? error_set(e, EBADMSG, "hash verification failed") : 0;
}

int ign_resource_data(const IgnResource *r, size_t max, Buf *ret, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf packed = BUF_INIT, bytes = BUF_INIT;
    Compression kind = COMPRESSION_NONE;
    if (!ign_resource_is_local(r))
        return error_set(e, EREMOTE, "the contents are not in the config");
    int k = r->source && *r->source ? data_url_decode(r->source, &packed, e) : 0;
    if (k >= 0 && r->source && *r->source)
        k = ign_compression_parse(r->compression, &kind, e);
    if (k >= 0 && kind == COMPRESSION_NONE && packed.len > max)
        k = error_set(e, EFBIG, "the contents have more than %zu bytes", max);
    if (k < 0)
        return k;
    if (kind != COMPRESSION_NONE)
        k = inflate_all(kind, packed.data ? packed.data : "", packed.len, max, &bytes, e);
    const Buf *plain = kind == COMPRESSION_NONE ? &packed : &bytes;
    if (k >= 0 && r->verification.hash && *r->verification.hash)
        k = hash_check(r->verification.hash, plain, e);
    if (k >= 0 && plain->len)
        buf_add(ret, plain->data, plain->len);
    return k < 0 ? k : 0;
}
