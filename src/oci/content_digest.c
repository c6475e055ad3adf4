/* The grammar of the image specification allows any algorithm; two are known here, and every other is refused
 * before its text is used for anything. A text with a NUL inside is refused by its length. */
#include "oci/content_digest.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    DigestKind kind;
} algorithms[] = {{"sha256", DIGEST_SHA256}, {"sha512", DIGEST_SHA512}};

enum { ALGORITHM_LENGTH = 6 }; /* of each of them */

int content_digest_read(const char *text, size_t n, ContentDigest *ret, Error *e)
{
    for (size_t i = 0; i < ELEMENTS(algorithms); i++) {
        size_t digits = 2 * digest_size(algorithms[i].kind), at = ALGORITHM_LENGTH + 1;
        if (n < at || memcmp(text, algorithms[i].name, ALGORITHM_LENGTH) || text[ALGORITHM_LENGTH] != ':')
            continue;
        if (n != at + digits)
            return error_set(e, EINVAL, "a digest of %s has %zu digits, this one has %zu", algorithms[i].name,
                             digits, n - at);
        for (; at < n; at++)
            if (!text[at] || !strchr("0123456789abcdef", text[at]))
                return error_set(e, EINVAL, "a digest is written in lower-case hexadecimal digits");
        *ret = (ContentDigest){.kind = algorithms[i].kind};
        memcpy(ret->text, text, n);
        return 0;
    }
    return error_set(e, EINVAL, "a digest starts with sha256: or sha512:");
}

const char *content_digest_algorithm(const ContentDigest *d)
{
    return d->kind == DIGEST_SHA256 ? algorithms[0].name : algorithms[1].name;
}

const char *content_digest_hex(const ContentDigest *d)
{
    return d->text + ALGORITHM_LENGTH + 1;
}

bool content_digest_equal(const ContentDigest *a, const ContentDigest *b)
{
    return !strcmp(a->text, b->text);
}

static void set_text(ContentDigest *d, DigestKind kind, const char *hex)
{
    d->kind = kind;
    snprintf(d->text, sizeof(d->text), "%s:%s", content_digest_algorithm(d), hex);
}

int content_digest_of(DigestKind kind, const void *data, size_t n, ContentDigest *ret, Error *e)
{
    char hex[2 * DIGEST_SIZE_MAX + 1];
    int r = digest_hex(kind, data, n, hex, e);
    if (r < 0)
        return r;
    set_text(ret, kind, hex);
    return 0;
}

void content_digest_finish(Digest *running, DigestKind kind, ContentDigest *ret)
{
    uint8_t bytes[DIGEST_SIZE_MAX];
    char hex[2 * DIGEST_SIZE_MAX + 1];
    hex_encode(bytes, digest_finish(running, bytes), hex);
    set_text(ret, kind, hex);
}

void referrers_tag(const ContentDigest *subject, char out[REFERRERS_TAG_SIZE])
{
    snprintf(out, REFERRERS_TAG_SIZE, "%s-%.64s", content_digest_algorithm(subject),
             content_digest_hex(subject));
}
