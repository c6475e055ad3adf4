#pragma once
/* What a signature says, once it is verified: that of simple signing ("atomic container signature") and that
 * of sigstore ("cosign container image signature"), which differ in their type alone. As strict as the
 * engines that write them: no field more, none less, none twice. Nothing of it counts before the signature
 * does. */
#include "base/arena.h"
#include "oci/content_digest.h"

enum { SIGNATURE_PAYLOAD_MAX = 1 << 20 };

typedef enum PayloadKind { PAYLOAD_SIMPLE, PAYLOAD_SIGSTORE } PayloadKind;

typedef struct SignaturePayload {
    ContentDigest digest;  /* of the manifest */
    const char *reference; /* what the image is called; not checked to be a name */
    const char *creator;   /* NULL: not said */
    int64_t timestamp;     /* seconds since 1970; INT64_MIN: not said */
} SignaturePayload;

int signature_payload_read(Arena *a, PayloadKind kind, const void *data, size_t n, SignaturePayload *ret,
                           Error *e);
