/* The keys of each object are a list that must be there wholly and alone, but for `optional`, in which every
 * program may note what it likes. */
#include "oci/signature_payload.h"

#include <string.h>

#include "oci/document.h"

static const char *const types[] = {
    [PAYLOAD_SIMPLE] = "atomic container signature", [PAYLOAD_SIGSTORE] = "cosign container image signature"};

static int check_keys(const Node *object, const char *const *known, Error *e)
{
    NODE_EACH (n, object) {
        bool found = false;
        for (const char *const *k = known; *k; k++)
            found = found || !strcmp(*k, n->key);
        if (!found)
            return document_fault(e, n, "unknown key '%.100s'", n->key);
    }
    return 0;
}

static int read_object(const Node *in, const char *key, const char *const *known, const Node **ret, Error *e)
{
    int r = document_member(in, key, NODE_OBJECT, DOCUMENT_REQUIRED, ret, e);
    return r < 0 ? r : check_keys(*ret, known, e);
}

/* cosign writes null where there are no annotations. */
static int read_optional(const Node *root, PayloadKind kind, SignaturePayload *ret, Error *e)
{
    const Node *optional = node_get(root, "optional"), *timestamp;
    if (optional && optional->kind == NODE_NULL && kind == PAYLOAD_SIGSTORE)
        return 0;
    int r = document_member(root, "optional", NODE_OBJECT, DOCUMENT_REQUIRED, &optional, e);
    if (r < 0 || (r = document_string(optional, "creator", DOCUMENT_OPTIONAL, &ret->creator, e)) < 0 ||
        (r = document_member(optional, "timestamp", NODE_NUMBER, DOCUMENT_OPTIONAL, &timestamp, e)) < 0)
        return r;
    if (timestamp && node_int(timestamp, &ret->timestamp) < 0)
        return document_fault(e, timestamp, "'timestamp' is no number of seconds");
    return 0;
}

static int read_critical(const Node *root, PayloadKind kind, SignaturePayload *ret, Error *e)
{
    static const char *const keys[] = {"type", "image", "identity", NULL},
                             *const of_image[] = {"docker-manifest-digest", NULL},
                             *const of_identity[] = {"docker-reference", NULL};
    const Node *critical, *image, *identity;
    const char *type, *digest;
    Error why = ERROR_INIT;
    int r = read_object(root, "critical", keys, &critical, e);
    if (r < 0 || (r = document_string(critical, "type", DOCUMENT_REQUIRED, &type, e)) < 0)
        return r;
    if (strcmp(type, types[kind]))
        return document_fault(e, node_get(critical, "type"), "it is '%.100s', not '%s'", type, types[kind]);
    if ((r = read_object(critical, "image", of_image, &image, e)) < 0 ||
        (r = document_string(image, "docker-manifest-digest", DOCUMENT_REQUIRED, &digest, e)) < 0 ||
        (r = read_object(critical, "identity", of_identity, &identity, e)) < 0 ||
        (r = document_string(identity, "docker-reference", DOCUMENT_REQUIRED, &ret->reference, e)) < 0)
        return r;
    if (content_digest_read(digest, strlen(digest), &ret->digest, &why) < 0)
        return document_fault(e, node_get(image, "docker-manifest-digest"), "%s", why.text);
    return 0;
}

int signature_payload_read(Arena *a, PayloadKind kind, const void *data, size_t n, SignaturePayload *ret,
                           Error *e)
{
    static const char *const keys[] = {"critical", "optional", NULL};
    const DocumentText document = {.name = "signed text", .data = data, .n = n, .max = SIGNATURE_PAYLOAD_MAX};
    SignaturePayload payload = {.timestamp = INT64_MIN};
    Node *root;
    int r = document_read(a, &document, &root, e);
    if (r < 0 || (r = check_keys(root, keys, e)) < 0 || (r = read_optional(root, kind, &payload, e)) < 0 ||
        (r = read_critical(root, kind, &payload, e)) < 0)
        return r;
    *ret = payload;
    return 0;
}
