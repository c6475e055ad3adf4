#pragma once
/* The signatures that there are of a manifest in a registry: those of sigstore, which are attached to it as
 * an image of the tag "sha256-….sig" in the same repository, and those of the places that registries.d names
 * for the place the image comes from (simple signing mostly). All of it is hostile and nothing is verified
 * here. Not asked: the signature API of OpenShift's registry. */
#include "oci/registries_d.h"
#include "oci/registry.h"
#include "oci/signature_payload.h"

enum { SIGNATURES_MAX = 128, SIGNATURE_SIZE_MAX = 1 << 20, SIGNATURES_BYTES_MAX = 16 << 20 };

#define MEDIA_SIGSTORE_SIGNATURE "application/vnd.dev.cosign.simplesigning.v1+json"

typedef struct Signature {
    PayloadKind kind;
    const void *data; /* sigstore: the signed text; simple signing: an OpenPGP message that has it */
    size_t n;
    const char *base64; /* sigstore: the signature */
    const char *from;   /* for messages */
} Signature;

typedef struct Signatures {
    Signature *items;
    size_t n;
    size_t bytes;
} Signatures;

typedef struct SignaturePlaces {
    Registry *registry;
    const RegistryOptions *options; /* of whom lookasides by http are asked, and the root of those by file */
    const RegistriesD *settings;
    const ImageName *name; /* by which registries.d is asked: as the place has it that the image is from */
    bool attachments;      /* are those of sigstore wanted at all? */
} SignaturePlaces;

/* Adds those of a manifest; none is no failure. -EFBIG: more or larger ones than anybody makes. */
int signatures_fetch(const SignaturePlaces *from, Arena *a, const ContentDigest *digest, Signatures *to,
                     Error *e);
/* One file of a lookaside. -EINVAL: in no form that is known. */
int signature_file_read(Arena *a, const void *data, size_t n, Signature *ret, Error *e);
