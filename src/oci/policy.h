#pragma once
/* Which images may be used, by containers-policy.json(5): for every transport and scope a list of
 * requirements that must all hold. Read as strictly as container engines do: what is unknown, stands twice or
 * is of another kind is a finding, and a policy with findings is none. What an engine may verify and this one
 * may not (Fulcio, PKI, Rekor, base layers) is read and kept as a requirement that nothing meets, with the
 * reason. Nothing is fetched here; policy_check.h decides about an image. */
#include "format/report.h"
#include "oci/policy_identity.h"

enum { POLICY_FILE_MAX = 1 << 20, POLICY_SCOPES_MAX = 4096, POLICY_REQUIREMENTS_MAX = 64 };
enum { POLICY_KEYS_MAX = 64 };

typedef enum RequirementKind {
    REQUIREMENT_ACCEPT, /* insecureAcceptAnything */
    REQUIREMENT_REJECT,
    REQUIREMENT_SIGNED_BY, /* signedBy: simple signing with OpenPGP keys */
    REQUIREMENT_SIGSTORE,  /* sigstoreSigned with public keys */
    REQUIREMENT_UNKNOWN,   /* one that cannot be verified here */
} RequirementKind;

typedef struct PolicyKey {
    const char *path; /* below the root; NULL: `data` of the policy itself */
    const void *data;
    size_t n;
} PolicyKey;

typedef struct PolicyRequirement {
    RequirementKind kind;
    const char *type; /* as the policy writes it */
    const char *why;  /* of REQUIREMENT_UNKNOWN: what is not supported */
    PolicyKey *keys;  /* any of them will do */
    size_t n_keys;    /* at least one where keys are wanted */
    SignedIdentity identity;
} PolicyRequirement;

typedef struct PolicyScope {
    const char *transport; /* "docker"; NULL: of the default of all */
    const char *scope;     /* "": of the transport's default */
    PolicyRequirement *requirements;
    size_t n; /* at least one */
} PolicyScope;

typedef struct Policy {
    const char *path; /* from where it is */
    PolicyScope fallback;
    PolicyScope *scopes;
    size_t n;
} Policy;

/* Below a root: `path`, or the first there is of policy_files when that is NULL. -ENOENT: there is none,
 * which is a finding too: without a policy no image is accepted. -EINVAL with findings in `r`, or -errno. */
int policy_load(Arena *a, int root, const char *path, Policy *ret, Report *r);
int policy_read(Arena *a, const Source *source, Policy *ret, Report *r);
extern const char *const policy_files[];

/* Does the policy tell images of a transport apart? If not, their names need not be known. */
bool policy_has_scopes(const Policy *p, const char *transport);
/* The requirements that count for an image: those of the first of its names (policy_scope.h) that the policy
 * has, else the transport's, else the default. */
const PolicyScope *policy_find(const Policy *p, const char *transport, const char *const *names);
