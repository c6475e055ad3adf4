#pragma once
/* What a signature may call the image that it is of. By the rules of containers-policy.json(5); names are
 * compared in full ("docker.io/library/name"), and no tag is ever assumed: a signature that names neither a
 * tag nor a digest speaks of its whole repository alone. */
#include "oci/image_name.h"

typedef enum SignedIdentityKind {
    IDENTITY_REPO_DIGEST_OR_EXACT, /* the default */
    IDENTITY_EXACT,
    IDENTITY_REPOSITORY,
    IDENTITY_EXACT_REFERENCE,  /* name */
    IDENTITY_EXACT_REPOSITORY, /* name */
    IDENTITY_REMAP,            /* name is the prefix, that signed_prefix takes the place of */
} SignedIdentityKind;

typedef struct SignedIdentity {
    SignedIdentityKind kind;
    const char *name, *signed_prefix;
} SignedIdentity;

/* `image` is the name that was asked for; NULL: the transport has no such names, then only what names a
 * reference or repository of its own can match. `claimed` is hostile. */
bool signed_identity_matches(Arena *a, const SignedIdentity *by, const ImageName *image, const char *claimed);

/* A name whose tag and digest are NULL unless they are written; a short one is Docker's. */
int image_name_read_claim(Arena *a, const char *text, ImageName *ret);
/* "host[:port]" or with a path, without tag and digest. */
bool identity_prefix_valid(const char *text);
