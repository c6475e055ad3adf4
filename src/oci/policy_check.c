/* First what needs nobody to be asked: requirements that nothing meets, a scheme that wants signatures where
 * the policy wants none. Then the signatures are fetched, once for all requirements. For each requirement one
 * signature is enough, and the key is verified before anything that the signature says is read. */
#include "oci/policy_check.h"

#include <string.h>

#include "base/file.h"
#include "format/data_url.h"
#include "oci/openpgp.h"
#include "oci/policy_scope.h"
#include "oci/public_key.h"
#include "oci/signatures.h"

enum { REASONS_MAX = 1024 };

typedef struct Check {
    const PolicyOptions *options;
    const PolicyImage *image;
    Arena *arena;
    Signatures signatures;
} Check;

/* ---- keys ---- */

typedef struct Keys {
    OpenpgpKeys *texts;
    const char **names;
    PublicKey **keys; /* of sigstore */
    size_t n;
} Keys;

static int load_keys(const Check *c, const PolicyRequirement *r, Keys *ret, Error *e)
{
    Arena *a = c->arena;
    ret->texts = ARENA_ARRAY(a, OpenpgpKeys, r->n_keys);
    ret->names = ARENA_ARRAY(a, const char *, r->n_keys);
    ret->keys = ARENA_ARRAY(a, PublicKey *, r->n_keys);
    ret->n = r->n_keys;
    for (size_t i = 0; i < r->n_keys; i++) {
        const PolicyKey *k = &r->keys[i];
        _cleanup_buf_ Buf text = BUF_INIT;
        ret->texts[i] = (OpenpgpKeys){.data = k->data, .n = k->n};
        ret->names[i] = k->path ? k->path : arena_printf(a, "key %zu in the policy", i + 1);
        if (!k->path)
            continue;
        int n = root_read(c->options->registry->root, k->path, OPENPGP_KEYS_MAX, &text);
        if (n < 0)
            return error_set(e, ENOKEY, "reading the key %s: %s", k->path, strerror(-n));
        ret->texts[i].data = arena_memdup(a, text.len ? text.data : "", text.len);
        ret->texts[i].n = text.len;
    }
    return 0;
}

static void keys_done(Keys *k)
{
    for (size_t i = 0; k->keys && i < k->n; i++)
        public_key_free(k->keys[i]);
}

/* All of them: one that is wrong is told while the others still do. */
static int read_public_keys(Keys *k, Error *e)
{
    for (size_t i = 0; i < k->n; i++) {
        int r = public_key_read(k->texts[i].data, k->texts[i].n, &k->keys[i], e);
        if (r < 0)
            return error_wrap(e, r, "%s", k->names[i]);
    }
    return 0;
}

/* ---- what a signature says ---- */

static int check_digest(const Check *c, const ContentDigest *claimed, Error *e)
{
    const Manifest *of[] = {c->image->top, c->image->image};
    for (size_t i = 0; i < ELEMENTS(of); i++) {
        ContentDigest is;
        int r = content_digest_of(claimed->kind, of[i]->bytes, of[i]->n_bytes, &is, e);
        if (r < 0)
            return r;
        if (content_digest_equal(&is, claimed))
            return 0;
    }
    return error_set(e, EKEYREJECTED, "it is of another manifest, %s", claimed->text);
}

static const char *printable(Arena *a, const char *text)
{
    char *copy = arena_printf(a, "%.300s", text);
    for (char *p = copy; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
            *p = '?';
    return copy;
}

static int check_payload(const Check *c, const PolicyRequirement *q, PayloadKind kind, const Buf *text,
                         PolicyProof *ret, Error *e)
{
    SignaturePayload payload;
    const ImageReference *reference = c->image->reference;
    ImageName name = reference->name;
    int r = signature_payload_read(c->arena, kind, text->len ? text->data : "", text->len, &payload, e);
    if (r < 0 || (r = check_digest(c, &payload.digest, e)) < 0)
        return r;
    if (name.digest) /* which is what names it, as for the scopes */
        name.tag = NULL;
    if (!signed_identity_matches(c->arena, &q->identity,
                                 reference->transport == TRANSPORT_REGISTRY ? &name : NULL,
                                 payload.reference))
        return error_set(e, EKEYREJECTED, "it is of an image that it calls '%s'",
                         printable(c->arena, payload.reference));
    ret->identity = payload.reference;
    ret->digest = arena_strdup(c->arena, payload.digest.text);
    return 0;
}

static int check_sigstore(const Check *c, const PolicyRequirement *q, const Keys *keys, const Signature *s,
                          PolicyProof *ret, Error *e)
{
    _cleanup_buf_ Buf signature = BUF_INIT;
    const Buf text = {.data = (char *)s->data, .len = s->n};
    if (!s->base64 || base64_decode(s->base64, strlen(s->base64), &signature) < 0)
        return error_set(e, EKEYREJECTED, "it has no signature in base64");
    for (size_t i = 0; i < keys->n; i++) {
        if (!public_key_verify(keys->keys[i], s->data, s->n, signature.data, signature.len))
            continue;
        ret->key = keys->names[i];
        ret->fingerprint = arena_strdup(c->arena, public_key_fingerprint(keys->keys[i]));
        return check_payload(c, q, PAYLOAD_SIGSTORE, &text, ret, e);
    }
    return error_set(e, EKEYREJECTED, "none of the keys has made it");
}

static int check_simple(const Check *c, const PolicyRequirement *q, const Keys *keys, const Signature *s,
                        PolicyProof *ret, Error *e)
{
    OpenpgpSigned is;
    int r = openpgp_verify(keys->texts, keys->n, s->data, s->n, SIGNATURE_PAYLOAD_MAX, &is, e);
    if (r < 0)
        return r;
    ret->key = keys->n == 1 ? keys->names[0] : "one of the keys of the policy";
    ret->fingerprint = arena_strdup(c->arena, is.fingerprint);
    r = check_payload(c, q, PAYLOAD_SIMPLE, &is.text, ret, e);
    openpgp_signed_done(&is);
    return r;
}

/* ---- requirements ---- */

static int none_accepted(const Check *c, const Buf *reasons, size_t tried, Error *e)
{
    if (tried)
        return error_set(e, EKEYREJECTED, "%s%s",
                         tried == 1 ? "" : "none of the signatures is accepted: ", reasons->data);
    if (!c->image->registry)
        return error_set(e, EKEYREJECTED, "a signature is wanted, and images of %s: have none",
                         image_transport_name(c->image->reference->transport));
    return error_set(e, EKEYREJECTED, "a signature is wanted, and there is none%s",
                     c->signatures.n ? " of that kind" : "");
}

static int check_signed(const Check *c, const PolicyRequirement *q, PolicyProof *ret, Error *e)
{
    bool sigstore = q->kind == REQUIREMENT_SIGSTORE;
    _cleanup_(keys_done)
    Keys keys = {0};
    _cleanup_buf_ Buf reasons = BUF_INIT;
    size_t tried = 0;
    int r = load_keys(c, q, &keys, e);
    if (r < 0 || (sigstore && (r = read_public_keys(&keys, e)) < 0))
        return r;
    for (size_t i = 0; i < c->signatures.n; i++) {
        const Signature *s = &c->signatures.items[i];
        PolicyProof proof = {.requirement = q->type};
        Error why = ERROR_INIT;
        if (s->kind != (sigstore ? PAYLOAD_SIGSTORE : PAYLOAD_SIMPLE))
            continue;
        r = (sigstore ? check_sigstore : check_simple)(c, q, &keys, s, &proof, &why);
        if (r >= 0) {
            *ret = proof;
            return 0;
        }
        if (r != -EKEYREJECTED && r != -EINVAL && r != -EFBIG) /* it could not be found out */
            return error_set(e, -r, "%s", why.text);
        if (tried++ == 0 || reasons.len < REASONS_MAX)
            buf_addf(&reasons, "%s%.200s: %.300s", reasons.len ? "; " : "", s->from, why.text);
    }
    return none_accepted(c, &reasons, tried, e);
}

static int check_requirement(const Check *c, const PolicyRequirement *q, PolicyProof *ret, Error *e)
{
    switch (q->kind) {
    case REQUIREMENT_ACCEPT:
        *ret = (PolicyProof){.requirement = q->type};
        return 0;
    case REQUIREMENT_REJECT:
        return error_set(e, EKEYREJECTED, "nothing is accepted");
    case REQUIREMENT_UNKNOWN:
        return error_set(e, EKEYREJECTED, "%s", q->why);
    case REQUIREMENT_SIGNED_BY:
    case REQUIREMENT_SIGSTORE:
        return check_signed(c, q, ret, e);
    }
    return error_set(e, EKEYREJECTED, "there is no such requirement");
}

static bool wants(const PolicyScope *scope, RequirementKind kind)
{
    for (size_t i = 0; i < scope->n; i++)
        if (scope->requirements[i].kind == kind)
            return true;
    return false;
}

static int fetch_all(Check *c, const PolicyScope *scope, Error *e)
{
    static const RegistriesD nothing;
    const PolicyOptions *o = c->options;
    if (!c->image->registry)
        return 0;
    const SignaturePlaces from = {.registry = c->image->registry,
                                  .name = &registry_place(c->image->registry)->name,
                                  .options = o->registry,
                                  .settings = o->registries_d ? o->registries_d : &nothing,
                                  .attachments = wants(scope, REQUIREMENT_SIGSTORE)};
    const ContentDigest *top = &c->image->top->digest, *image = &c->image->image->digest;
    int r = signatures_fetch(&from, c->arena, top, &c->signatures, e);
    if (r < 0 || content_digest_equal(top, image))
        return r;
    return signatures_fetch(&from, c->arena, image, &c->signatures, e);
}

/* A server that nobody vouches for is no verdict on the image. */
static int fetch(Check *c, const PolicyScope *scope, Error *e)
{
    int r = fetch_all(c, scope, e);
    return r == -EKEYREJECTED ? -EIO : r;
}

static int check_all(Check *c, const PolicyScope *scope, PolicyVerdict *v, Error *e)
{
    bool verifies = wants(scope, REQUIREMENT_SIGNED_BY) || wants(scope, REQUIREMENT_SIGSTORE);
    bool hopeless = wants(scope, REQUIREMENT_REJECT) || wants(scope, REQUIREMENT_UNKNOWN);
    if (c->image->reference->scheme == SCHEME_SIGNED && !verifies && !hopeless)
        return error_set(e, EKEYREJECTED,
                         "its signature is to be verified (ostree-image-signed:), and the policy accepts it "
                         "without one");
    int r = verifies && !hopeless ? fetch(c, scope, e) : 0;
    for (size_t i = 0; r >= 0 && i < scope->n; i++) {
        const PolicyRequirement *q = &scope->requirements[i];
        if (hopeless && q->kind != REQUIREMENT_REJECT && q->kind != REQUIREMENT_UNKNOWN)
            continue;
        if ((r = check_requirement(c, q, &v->proofs[i], e)) < 0)
            return error_wrap(e, r, "%s", q->type);
        v->verified = v->verified || v->proofs[i].key;
    }
    return r;
}

int policy_check_image(const PolicyOptions *o, Arena *a, const PolicyImage *image, PolicyVerdict *ret,
                       Error *e)
{
    Check c = {.options = o, .image = image, .arena = a};
    const ImageReference *reference = image->reference;
    static const char *const none[] = {NULL};
    const char *const *names = none, *transport = policy_transport(reference->transport);
    const char *text = image_reference_plain(a, reference);
    int r = policy_has_scopes(o->policy, transport) ? policy_scope_names(a, reference, &names, e) : 0;
    if (r < 0)
        return error_wrap(e, r, "which policy counts for %s", text);
    const PolicyScope *scope = policy_find(o->policy, transport, names);
    PolicyVerdict v = {.policy = o->policy->path,
                       .transport = scope->transport,
                       .scope = scope->scope,
                       .proofs = ARENA_ARRAY(a, PolicyProof, scope->n + 1),
                       .n = scope->n};
    r = check_all(&c, scope, &v, e);
    if (r < 0)
        return error_wrap(e, r, "%s is not accepted by %s (%s%s%s)", text, v.policy,
                          v.transport ? v.transport : "default", v.transport && *v.scope ? " " : "",
                          v.transport ? v.scope : "");
    *ret = v;
    return 0;
}
