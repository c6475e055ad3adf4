#pragma once
/* Whether an image may be used: policy, signatures and keys put together. Whatever cannot be evaluated (a key
 * that is not there, a server that does not answer) is a rejection, with its own code. */
#include "oci/policy.h"
#include "oci/reference.h"
#include "oci/registries_d.h"
#include "oci/registry.h"

typedef struct PolicyImage {
    const ImageReference *reference;
    /* What the name led to and the one that was chosen of it; the same when that is no index. A signature of
     * either will do: some tools sign the one, some the other, and the index holds the digest of what is
     * chosen. Both have been verified against their digests. */
    const Manifest *top, *image;
    Registry *registry; /* that they came from; NULL: of another transport, none of which has signatures */
} PolicyImage;

typedef struct PolicyOptions {
    const Policy *policy;
    const RegistriesD *registries_d; /* NULL: nothing is said */
    const RegistryOptions *registry; /* the root below which keys are; whom lookasides trust */
} PolicyOptions;

typedef struct PolicyProof {
    const char *requirement; /* "signedBy", … */
    const char *key;         /* where the policy has it from; NULL, as all below: it wants no signature */
    const char *fingerprint;
    const char *identity; /* what the signature calls the image */
    const char *digest;   /* that it is of */
} PolicyProof;

typedef struct PolicyVerdict {
    const char *policy;            /* the file */
    const char *transport, *scope; /* whose requirements they are; NULL, "": the default of all */
    bool verified;                 /* by a signature at least */
    PolicyProof *proofs;           /* one for each requirement */
    size_t n;
} PolicyVerdict;

/* 0 when every requirement holds. -EKEYREJECTED: the policy rejects it, and e has the reason; of
 * SCHEME_SIGNED also when the requirements that count would take any image. Other codes: it could not be
 * found out. What is given lives in `a` and in the policy. */
int policy_check_image(const PolicyOptions *o, Arena *a, const PolicyImage *image, PolicyVerdict *ret,
                       Error *e);
