/* What comes from those who sign: a file of a lookaside, the two texts that are signed, keys in armor. */
#include <stdlib.h>
#include <string.h>

#include "oci/openpgp.h"
#include "oci/policy_identity.h"
#include "oci/public_key.h"
#include "oci/signatures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_payload(Arena *a, PayloadKind kind, const void *data, size_t n)
{
    static const SignedIdentity any = {.kind = IDENTITY_REPOSITORY};
    SignaturePayload p;
    ContentDigest again;
    ImageName name;
    Error e = ERROR_INIT;
    if (signature_payload_read(a, kind, data, n, &p, &e) < 0) {
        if (!e.text[0])
            abort();
        return;
    }
    if (content_digest_read(p.digest.text, strlen(p.digest.text), &again, NULL) < 0 || !p.reference)
        abort();
    if (image_name_read(a, "quay.io/a/os:1", &name, NULL) < 0)
        abort();
    (void)signed_identity_matches(a, &any, &name, p.reference);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf keys = BUF_INIT;
    _cleanup_(public_key_freep)
    PublicKey *key = NULL;
    Signature s;
    Error e = ERROR_INIT;
    const char *text = size ? (const char *)data : "";
    read_payload(a, PAYLOAD_SIMPLE, text, size);
    read_payload(a, PAYLOAD_SIGSTORE, text, size);
    if (signature_file_read(a, text, size, &s, &e) >= 0 && s.kind == PAYLOAD_SIGSTORE)
        read_payload(a, PAYLOAD_SIGSTORE, s.data, s.n);
    if (openpgp_dearmor(text, size, &keys, &e) >= 0 && size && !keys.len)
        abort();
    if (public_key_read(text, size, &key, &e) >= 0 && public_key_verify(key, "x", 1, text, size))
        abort();
    return 0;
}
