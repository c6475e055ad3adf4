#pragma once
/* The digest of a piece of content as registries name it: "sha256:" or "sha512:" and that many lower-case
 * hexadecimal digits, nothing else. The type is made by the functions below alone, so that whoever has one
 * may put its text into a path or a URL: it holds no slash, no dot, no upper case and has one length. */
#include "base/error.h"
#include "format/digest.h"

enum { CONTENT_DIGEST_TEXT_MAX = 7 + 2 * DIGEST_SIZE_MAX, REFERRERS_TAG_SIZE = 72 };

typedef struct ContentDigest {
    DigestKind kind; /* DIGEST_SHA256 or DIGEST_SHA512 */
    char text[CONTENT_DIGEST_TEXT_MAX + 1];
} ContentDigest;

/* -EINVAL: not of that form, or cut from a longer text by `n`. Nothing is trimmed. */
int content_digest_read(const char *text, size_t n, ContentDigest *ret, Error *e);
const char *content_digest_algorithm(const ContentDigest *d); /* "sha256", the directory under `blobs` */
const char *content_digest_hex(const ContentDigest *d);       /* what stands behind the colon */
/* The tag "sha256-…" under which a registry without the API keeps what refers to a manifest; at most 71
 * characters (distribution-spec 1.1, "Referrers Tag Schema": of a longer digest the first 64). */
void referrers_tag(const ContentDigest *subject, char out[REFERRERS_TAG_SIZE]);
bool content_digest_equal(const ContentDigest *a, const ContentDigest *b);

int content_digest_of(DigestKind kind, const void *data, size_t n, ContentDigest *ret, Error *e);
/* What a running digest of that kind comes to; it is finished by this. */
void content_digest_finish(Digest *running, DigestKind kind, ContentDigest *ret);
