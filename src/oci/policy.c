/* The types of requirements are a table: which fields each may have, and how it is read. A requirement that
 * is understood and not supported is no finding, since a policy speaks of many images and most of them are
 * not ours; an image that it is meant for is rejected. */
#include "oci/policy.h"

#include <string.h>

#include "base/file.h"
#include "format/data_url.h"
#include "format/json.h"
#include "format/source.h"
#include "oci/policy_scope.h"

enum { DEPTH_MAX = 32, VALUES_MAX = 1 << 17 };

/* What skopeo and podman read as root, then what OSTree's container tools add. */
const char *const policy_files[] = {"root/.config/containers/policy.json", "etc/containers/policy.json",
                                    "usr/share/containers/policy.json", NULL};

typedef struct Reading {
    Arena *arena;
    Report *report;
} Reading;

static bool fault(const Reading *d, const PathStep *at, const Node *n, const char *text)
{
    report_add(d->report, SEVERITY_ERROR, at, n, "%s", text);
    return false;
}

/* ---- values ---- */

static const char *text_of(const Reading *d, const PathStep *at, const Node *n)
{
    if (n->kind == NODE_STRING && n->len && strlen(n->string) == n->len)
        return n->string;
    report_add(d->report, SEVERITY_ERROR, at, n, "expected a text, found %s",
               n->kind == NODE_STRING ? "an empty one or a NUL in it" : node_kind_name(n->kind));
    return NULL;
}

static bool is_object(const Reading *d, const PathStep *at, const Node *n)
{
    if (n->kind == NODE_OBJECT)
        return true;
    report_add(d->report, SEVERITY_ERROR, at, n, "expected an object, found %s", node_kind_name(n->kind));
    return false;
}

/* Every key is one of the list, which NULL ends. */
static void check_keys(const Reading *d, const PathStep *up, const Node *object, const char *const *known)
{
    NODE_EACH (n, object) {
        bool found = false;
        for (const char *const *k = known; *k; k++)
            found = found || !strcmp(*k, n->key);
        if (!found)
            report_add_key(d->report, SEVERITY_ERROR, PATH_KEY(up, n->key), n, "unknown key");
    }
}

static const char *member_text(const Reading *d, const PathStep *up, const Node *object, const char *key)
{
    const Node *n = node_get(object, key);
    if (n)
        return text_of(d, PATH_KEY(up, key), n);
    report_add(d->report, SEVERITY_ERROR, up, object, "'%s' is missing", key);
    return NULL;
}

/* ---- what a signature may call the image ---- */

static const struct IdentityType {
    const char *type;
    SignedIdentityKind kind;
    const char *keys[4];
} identities[] = {
    {"matchExact", IDENTITY_EXACT, {"type"}},
    {"matchRepoDigestOrExact", IDENTITY_REPO_DIGEST_OR_EXACT, {"type"}},
    {"matchRepository", IDENTITY_REPOSITORY, {"type"}},
    {"exactReference", IDENTITY_EXACT_REFERENCE, {"type", "dockerReference"}},
    {"exactRepository", IDENTITY_EXACT_REPOSITORY, {"type", "dockerRepository"}},
    {"remapIdentity", IDENTITY_REMAP, {"type", "prefix", "signedPrefix"}},
};

static void check_identity_name(const Reading *d, const PathStep *at, const Node *n, SignedIdentityKind kind,
                                const char *text)
{
    ImageName name;
    if (kind == IDENTITY_REMAP) {
        if (!identity_prefix_valid(text))
            fault(d, at, n, "it is written host, host:port or host/path");
    } else if (image_name_read_claim(d->arena, text, &name) < 0)
        fault(d, at, n, "it is no name of an image");
    else if (kind == IDENTITY_EXACT_REFERENCE && !name.tag && !name.digest)
        fault(d, at, n, "it has neither a tag nor a digest");
}

static void read_identity(const Reading *d, const PathStep *up, const Node *n, SignedIdentity *ret)
{
    if (!is_object(d, up, n))
        return;
    const char *type = member_text(d, up, n, "type");
    for (size_t i = 0; type && i < ELEMENTS(identities); i++) {
        const struct IdentityType *t = &identities[i];
        const char **to[] = {&ret->name, &ret->signed_prefix};
        if (strcmp(t->type, type))
            continue;
        ret->kind = t->kind;
        check_keys(d, up, n, t->keys);
        for (size_t k = 1; t->keys[k]; k++) {
            *to[k - 1] = member_text(d, up, n, t->keys[k]);
            if (*to[k - 1])
                check_identity_name(d, PATH_KEY(up, t->keys[k]), node_get(n, t->keys[k]), t->kind,
                                    *to[k - 1]);
        }
        return;
    }
    if (type)
        report_add(d->report, SEVERITY_ERROR, PATH_KEY(up, "type"), node_get(n, "type"),
                   "it is one of matchExact, matchRepoDigestOrExact, matchRepository, exactReference, "
                   "exactRepository, remapIdentity");
}

/* ---- keys ---- */

static void add_key(const Reading *d, const PathStep *at, const Node *n, bool path, PolicyRequirement *to)
{
    const char *text = text_of(d, at, n);
    Buf data = BUF_INIT;
    if (!text)
        return;
    PolicyKey *key = &to->keys[to->n_keys++];
    if (path) {
        key->path = text;
        if (*text != '/')
            fault(d, at, n, "a path starts with '/'");
    } else if (base64_decode(text, strlen(text), &data) < 0 || !data.len)
        fault(d, at, n, "it is not base64");
    else {
        key->data = arena_memdup(d->arena, data.data, data.len);
        key->n = data.len;
    }
    buf_done(&data);
}

static void add_keys(const Reading *d, const PathStep *up, const Node *n, bool path, PolicyRequirement *to)
{
    size_t i = 0;
    if (n->kind != NODE_ARRAY || !n->n || n->n > POLICY_KEYS_MAX) {
        report_add(d->report, SEVERITY_ERROR, up, n, "expected a list of 1 to %d texts", POLICY_KEYS_MAX);
        return;
    }
    NODE_EACH (child, n)
        add_key(d, PATH_INDEX(up, i++), child, path, to);
}

/* Exactly one of the fields that say where the keys are. */
static void read_keys(const Reading *d, const PathStep *up, const Node *n, const char *const *sources,
                      PolicyRequirement *to)
{
    static const struct {
        const char *key;
        bool path, list;
    } forms[] = {{"keyPath", true, false},
                 {"keyPaths", true, true},
                 {"keyData", false, false},
                 {"keyDatas", false, true}};
    unsigned found = 0;
    for (const char *const *s = sources; *s; s++) {
        const Node *child = node_get(n, *s);
        if (child && !found++)
            to->keys = ARENA_ARRAY(d->arena, PolicyKey, child->kind == NODE_ARRAY ? child->n : 1);
        for (size_t i = 0; child && found == 1 && i < ELEMENTS(forms); i++)
            if (!strcmp(forms[i].key, *s))
                (forms[i].list ? add_keys : add_key)(d, PATH_KEY(up, *s), child, forms[i].path, to);
    }
    if (found == 1)
        return;
    _cleanup_buf_ Buf names = BUF_INIT;
    for (const char *const *s = sources; *s; s++)
        buf_addf(&names, "%s%s", names.len ? ", " : "", *s);
    report_add(d->report, SEVERITY_ERROR, up, n, "exactly one of these must be there: %s", names.data);
}

/* ---- requirements ---- */

static void refuse(PolicyRequirement *to, const char *why)
{
    to->kind = REQUIREMENT_UNKNOWN;
    to->why = why;
}

static void read_signed_by(const Reading *d, const PathStep *up, const Node *n, PolicyRequirement *to)
{
    static const char *const sources[] = {"keyPath", "keyPaths", "keyData", NULL};
    static const char *const types[] = {"GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs"};
    const char *type = member_text(d, up, n, "keyType");
    bool known = false;
    read_keys(d, up, n, sources, to);
    for (size_t i = 0; type && i < ELEMENTS(types); i++)
        known = known || !strcmp(types[i], type);
    if (type && !known)
        fault(d, PATH_KEY(up, "keyType"), node_get(n, "keyType"), "the only type of keys is GPGKeys");
    else if (type && strcmp(type, "GPGKeys"))
        refuse(to, arena_printf(d->arena, "signedBy with the keyType %s is implemented by nobody", type));
}

static void read_sigstore(const Reading *d, const PathStep *up, const Node *n, PolicyRequirement *to)
{
    static const char *const sources[] = {"keyPath", "keyPaths", "keyData", "keyDatas",
                                          "fulcio",  "pki",      NULL};
    static const char *const of_fulcio[] = {"caPath", "caData", "oidcIssuer", "subjectEmail", NULL};
    static const char *const of_pki[] = {
        "caRootsPath",  "caRootsData", "caIntermediatesPath", "caIntermediatesData", "subjectHostname",
        "subjectEmail", NULL};
    static const char *const rekor[] = {"rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData",
                                        "rekorPublicKeyDatas"};
    const Node *fulcio = node_get(n, "fulcio"), *pki = node_get(n, "pki");
    read_keys(d, up, n, sources, to);
    if (fulcio && is_object(d, PATH_KEY(up, "fulcio"), fulcio))
        check_keys(d, PATH_KEY(up, "fulcio"), fulcio, of_fulcio);
    if (pki && is_object(d, PATH_KEY(up, "pki"), pki))
        check_keys(d, PATH_KEY(up, "pki"), pki, of_pki);
    for (size_t i = 0; i < ELEMENTS(rekor); i++)
        if (node_get(n, rekor[i]))
            refuse(to,
                   arena_printf(d->arena, "%s: entries of a Rekor log cannot be verified here", rekor[i]));
    if (fulcio)
        refuse(to, "fulcio: certificates of Fulcio cannot be verified here; only keys can");
    if (pki)
        refuse(to, "pki: certificates cannot be verified here; only keys can");
}

static void read_base_layer(const Reading *d, const PathStep *up, const Node *n, PolicyRequirement *to)
{
    const Node *identity = node_get(n, "baseLayerIdentity");
    if (identity)
        read_identity(d, PATH_KEY(up, "baseLayerIdentity"), identity, &to->identity);
    else
        fault(d, up, n, "'baseLayerIdentity' is missing");
    refuse(to, "signedBaseLayer is implemented by nobody");
}

static const struct RequirementType {
    const char *type;
    RequirementKind kind;
    void (*read)(const Reading *d, const PathStep *up, const Node *n, PolicyRequirement *to);
    const char *keys[14];
} types[] = {
    {"insecureAcceptAnything", REQUIREMENT_ACCEPT, NULL, {"type"}},
    {"reject", REQUIREMENT_REJECT, NULL, {"type"}},
    {"signedBy",
     REQUIREMENT_SIGNED_BY,
     read_signed_by,
     {"type", "keyType", "keyPath", "keyPaths", "keyData", "signedIdentity"}},
    {"sigstoreSigned",
     REQUIREMENT_SIGSTORE,
     read_sigstore,
     {"type", "keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki", "rekorPublicKeyPath",
      "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas", "signedIdentity"}},
    {"signedBaseLayer", REQUIREMENT_UNKNOWN, read_base_layer, {"type", "baseLayerIdentity"}},
};

static void read_requirement(const Reading *d, const PathStep *up, const Node *n, PolicyRequirement *to)
{
    if (!is_object(d, up, n))
        return;
    const char *type = member_text(d, up, n, "type");
    const Node *identity = node_get(n, "signedIdentity");
    for (size_t i = 0; type && i < ELEMENTS(types); i++) {
        const struct RequirementType *t = &types[i];
        if (strcmp(t->type, type))
            continue;
        *to = (PolicyRequirement){.kind = t->kind, .type = t->type};
        check_keys(d, up, n, t->keys);
        if (t->read)
            t->read(d, up, n, to);
        if (t->read && identity)
            read_identity(d, PATH_KEY(up, "signedIdentity"), identity, &to->identity);
        return;
    }
    if (type)
        report_add(d->report, SEVERITY_ERROR, PATH_KEY(up, "type"), node_get(n, "type"),
                   "there is no such requirement; it is one of insecureAcceptAnything, reject, signedBy, "
                   "sigstoreSigned");
}

static void read_scope(const Reading *d, const PathStep *up, const Node *list, PolicyScope *to)
{
    size_t i = 0;
    if (list->kind != NODE_ARRAY || !list->n || list->n > POLICY_REQUIREMENTS_MAX) {
        report_add(d->report, SEVERITY_ERROR, up, list,
                   "expected a list of 1 to %d requirements; what needs none says insecureAcceptAnything",
                   POLICY_REQUIREMENTS_MAX);
        return;
    }
    to->n = list->n;
    to->requirements = ARENA_ARRAY(d->arena, PolicyRequirement, list->n);
    NODE_EACH (n, list) {
        read_requirement(d, PATH_INDEX(up, i), n, &to->requirements[i]);
        i++;
    }
}

/* ---- the whole ---- */

static void read_transport(const Reading *d, const PathStep *up, const Node *scopes, Policy *to)
{
    if (!is_object(d, up, scopes))
        return;
    NODE_EACH (n, scopes) {
        const PathStep *at = PATH_KEY(up, n->key);
        const char *why = policy_scope_fault(scopes->key, n->key);
        if (why)
            report_add_key(d->report, SEVERITY_ERROR, at, n, "%s", why);
        if (to->n == POLICY_SCOPES_MAX) {
            report_add_key(d->report, SEVERITY_ERROR, at, n, "there are more than %d scopes",
                           POLICY_SCOPES_MAX);
            return;
        }
        PolicyScope *scope = &to->scopes[to->n++];
        *scope = (PolicyScope){.transport = scopes->key, .scope = n->key};
        read_scope(d, at, n, scope);
    }
}

static size_t count_scopes(const Node *transports)
{
    size_t n = 0;
    NODE_EACH (t, transports)
        n += t->kind == NODE_OBJECT ? t->n : 0;
    return n < POLICY_SCOPES_MAX ? n : POLICY_SCOPES_MAX;
}

int policy_read(Arena *a, const Source *source, Policy *ret, Report *report)
{
    static const JsonLimits limits = {
        .duplicate_keys = SEVERITY_ERROR, .depth = DEPTH_MAX, .values = VALUES_MAX};
    static const char *const keys[] = {"default", "transports", NULL};
    const Reading d = {.arena = a, .report = report};
    Policy p = {.path = source->name, .fallback = {.scope = ""}};
    size_t before = report->errors;
    Node *root;
    int r = json_read_within(a, source, &limits, &root, report);
    if (r < 0)
        return r;
    if (!is_object(&d, NULL, root))
        return -EINVAL;
    const Node *transports = node_get(root, "transports"), *fallback = node_get(root, "default");
    check_keys(&d, NULL, root, keys);
    if (fallback)
        read_scope(&d, PATH_KEY(NULL, "default"), fallback, &p.fallback);
    else
        fault(&d, NULL, root, "'default' is missing");
    if (transports && is_object(&d, PATH_KEY(NULL, "transports"), transports)) {
        p.scopes = ARENA_ARRAY(a, PolicyScope, count_scopes(transports) + 1);
        NODE_EACH (n, transports)
            read_transport(&d, PATH_KEY(PATH_KEY(NULL, "transports"), n->key), n, &p);
    }
    if (report->errors > before)
        return -EINVAL;
    *ret = p;
    return 0;
}

static int load_file(Arena *a, int root, const char *path, Policy *ret, Report *report)
{
    const Source *source;
    int r = source_load(a, root, path, POLICY_FILE_MAX, &source, report);
    return r < 0 ? r : policy_read(a, source, ret, report);
}

int policy_load(Arena *a, int root, const char *path, Policy *ret, Report *report)
{
    const char *const one[] = {path, NULL}, *const *files = path ? one : policy_files;
    int r = -ENOENT;
    for (const char *const *f = files; *f && r == -ENOENT; f++)
        r = load_file(a, root, *f, ret, report);
    if (r == -ENOENT)
        report_add_at(report, SEVERITY_ERROR, NULL, 0, 0,
                      "there is no policy for images: %s; containers-policy.json(5) says how one is written",
                      path ? path : "/etc/containers/policy.json");
    return r;
}

bool policy_has_scopes(const Policy *p, const char *transport)
{
    for (size_t i = 0; i < p->n; i++)
        if (*p->scopes[i].scope && !strcmp(p->scopes[i].transport, transport))
            return true;
    return false;
}

const PolicyScope *policy_find(const Policy *p, const char *transport, const char *const *names)
{
    static const char *const whole[] = {"", NULL}, *const * lists[] = {NULL, whole};
    lists[0] = names;
    for (size_t k = 0; k < ELEMENTS(lists); k++)
        for (const char *const *name = lists[k]; *name; name++)
            for (size_t i = 0; i < p->n; i++)
                if (!strcmp(p->scopes[i].transport, transport) && !strcmp(p->scopes[i].scope, *name))
                    return &p->scopes[i];
    return &p->fallback;
}
