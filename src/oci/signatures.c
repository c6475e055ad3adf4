/* A lookaside is asked for signature-1, signature-2, … until one is not there: only a 404 says so, since a
 * server that denies one signature could have the one that counts behind it. */
#include "oci/signatures.h"

#include <string.h>

#include "base/file.h"
#include "format/data_url.h"
#include "net/http_client.h"
#include "oci/document.h"

#define ANNOTATION_SIGNATURE "dev.cosignproject.cosign/signature"

enum { LOOKASIDE_ATTEMPTS = 5, LOOKASIDE_STALL_MS = 30000, LOOKASIDE_HEADERS_MS = 60000 };

static int add(Arena *a, Signatures *to, const Signature *s, Error *e)
{
    if (!to->items)
        to->items = ARENA_ARRAY(a, Signature, SIGNATURES_MAX);
    if (to->n == SIGNATURES_MAX)
        return error_set(e, EFBIG, "there are more than %d signatures", SIGNATURES_MAX);
    if (s->n > SIGNATURES_BYTES_MAX - to->bytes)
        return error_set(e, EFBIG, "the signatures have more than %d bytes", SIGNATURES_BYTES_MAX);
    to->bytes += s->n;
    to->items[to->n++] = *s;
    return 0;
}

/* ---- attached to the image ---- */

static int add_attachment(const SignaturePlaces *from, Arena *a, const Descriptor *d, Signatures *to,
                          Error *e)
{
    _cleanup_buf_ Buf payload = BUF_INIT;
    const Node *signature = d->annotations ? node_get(d->annotations, ANNOTATION_SIGNATURE) : NULL;
    if (strcmp(d->media_type, MEDIA_SIGSTORE_SIGNATURE)) /* attestations and the like */
        return 0;
    int r = registry_blob_read(from->registry, d, SIGNATURE_SIZE_MAX, &payload, e);
    if (r < 0)
        return r;
    const Signature s = {.kind = PAYLOAD_SIGSTORE,
                         .data = arena_memdup(a, payload.len ? payload.data : "", payload.len),
                         .n = payload.len,
                         .base64 = signature ? signature->string : NULL,
                         .from = arena_printf(a, "attachment %.19s", d->digest.text)};
    return add(a, to, &s, e);
}

static int fetch_attachments(const SignaturePlaces *from, Arena *a, const ContentDigest *digest,
                             Signatures *to, Error *e)
{
    Manifest m;
    const char *tag =
        arena_printf(a, "%s-%s.sig", content_digest_algorithm(digest), content_digest_hex(digest));
    int r = registry_manifest_tagged(from->registry, a, tag, &m, e);
    if (r == -ENOENT)
        return 0;
    if (r >= 0 && m.kind != MANIFEST_IMAGE)
        r = error_set(e, EBADMSG, "it is an index");
    for (size_t i = 0; r >= 0 && i < m.n_items; i++)
        r = add_attachment(from, a, &m.items[i], to, e);
    return r < 0 ? error_wrap(e, r, "the attachments %s", tag) : 0;
}

/* ---- in files beside the registry ---- */

static int read_sigstore_file(Arena *a, const char *data, size_t n, Signature *ret, Error *e)
{
    const DocumentText document = {.name = "signature", .data = data, .n = n, .max = SIGNATURE_SIZE_MAX};
    Node *root;
    const char *type, *payload;
    const Node *annotations;
    _cleanup_buf_ Buf plain = BUF_INIT;
    int r = document_read(a, &document, &root, e);
    if (r < 0 || (r = document_string(root, "mimeType", DOCUMENT_REQUIRED, &type, e)) < 0 ||
        (r = document_string(root, "payload", DOCUMENT_REQUIRED, &payload, e)) < 0 ||
        (r = document_texts(root, "annotations", &annotations, e)) < 0)
        return r;
    if (strcmp(type, MEDIA_SIGSTORE_SIGNATURE))
        return document_fault(e, node_get(root, "mimeType"), "'%.100s' is no signature", type);
    if (base64_decode(payload, strlen(payload), &plain) < 0)
        return document_fault(e, node_get(root, "payload"), "it is not base64");
    const Node *signature = annotations ? node_get(annotations, ANNOTATION_SIGNATURE) : NULL;
    *ret = (Signature){.kind = PAYLOAD_SIGSTORE,
                       .data = arena_memdup(a, plain.len ? plain.data : "", plain.len),
                       .n = plain.len,
                       .base64 = signature ? signature->string : NULL};
    return 0;
}

/* The first byte of a signed message of OpenPGP: one of compressed data, a one-pass signature, a signature;
 * of the old form of packets or the new. Text in armor is none. */
static bool is_openpgp(uint8_t first)
{
    unsigned old = (first >> 2) & 15, new = first & 63;
    unsigned tag = (first & 0xc0) == 0x80 ? old : (first & 0xc0) == 0xc0 ? new : 0;
    return tag == 8 || tag == 4 || tag == 2;
}

int signature_file_read(Arena *a, const void *data, size_t n, Signature *ret, Error *e)
{
    static const char simple[] = "\0simple-signing\n", sigstore[] = "\0sigstore-json\n";
    const char *text = data;
    if (n >= sizeof(sigstore) - 1 && !memcmp(text, sigstore, sizeof(sigstore) - 1))
        return read_sigstore_file(a, text + sizeof(sigstore) - 1, n - (sizeof(sigstore) - 1), ret, e);
    if (n >= sizeof(simple) - 1 && !memcmp(text, simple, sizeof(simple) - 1)) {
        text += sizeof(simple) - 1;
        n -= sizeof(simple) - 1;
    }
    if (!n || !is_openpgp((uint8_t)*text))
        return error_set(e, EINVAL, "it is no signature in a form that is known");
    *ret = (Signature){.kind = PAYLOAD_SIMPLE, .data = arena_memdup(a, text, n), .n = n};
    return 0;
}

static int fetch_http(const SignaturePlaces *from, HttpSession *session, const char *url, Buf *to, Error *e)
{
    static const HttpHeader usual[] = {{"User-Agent", "basalt/" BASALT_VERSION}, {NULL, NULL}};
    static const int again[] = {429, 0};
    const RegistryOptions *o = from->options;
    const HttpOptions options = {
        .session = session,
        .headers = usual,
        .authorities = o->authorities,
        .https_only = !strncmp(url, "https:", 6),
        .http_proxy = o->http_proxy,
        .https_proxy = o->https_proxy,
        .no_proxy = o->no_proxy,
        .response_headers_ms = LOOKASIDE_HEADERS_MS,
        .stall_ms = o->stall_ms ? o->stall_ms : LOOKASIDE_STALL_MS,
        .attempts = o->attempts ? o->attempts : LOOKASIDE_ATTEMPTS,
        .retrying = o->retrying,
        .cancelled = o->cancelled,
        .context = o->context,
    };
    const HttpRequest request = {.url = url,
                                 .retry_statuses = again,
                                 .max = SIGNATURE_SIZE_MAX,
                                 .sink = buf_collect,
                                 .restart = buf_restart,
                                 .context = to};
    return http_get(&options, &request, NULL, e);
}

static int fetch_file(const SignaturePlaces *from, HttpSession **session, const char *url, Buf *to, Error *e)
{
    int r = 0;
    if (!strncmp(url, "file://", 7)) {
        r = root_read(from->options->root, url + 7, SIGNATURE_SIZE_MAX, to);
        return r < 0 ? error_errno(e, r, "reading %s", url + 7) : 0;
    }
    if (!*session)
        r = registry_session_new(from->options, session, e);
    return r < 0 ? r : fetch_http(from, *session, url, to, e);
}

static int fetch_lookaside(const SignaturePlaces *from, Arena *a, const ContentDigest *digest, Signatures *to,
                           Error *e)
{
    _cleanup_(http_session_freep)
    HttpSession *session = NULL;
    const char *base = registries_d_lookaside(a, from->settings, from->name);
    for (unsigned i = 1;; i++) {
        _cleanup_buf_ Buf file = BUF_INIT;
        Signature s = {0};
        const char *url = arena_printf(a, "%s/%s@%s=%s/signature-%u", base, from->name->repository,
                                       content_digest_algorithm(digest), content_digest_hex(digest), i);
        int r = fetch_file(from, &session, url, &file, e);
        if (r == -ENOENT)
            return 0;
        if (r >= 0)
            r = signature_file_read(a, file.len ? file.data : "", file.len, &s, e);
        if (r < 0)
            return error_wrap(e, r, "the signature %s", url);
        s.from = url;
        if ((r = add(a, to, &s, e)) < 0)
            return r;
    }
}

int signatures_fetch(const SignaturePlaces *from, Arena *a, const ContentDigest *digest, Signatures *to,
                     Error *e)
{
    int r = fetch_lookaside(from, a, digest, to, e);
    if (r < 0 || !from->attachments || !registries_d_attachments(a, from->settings, from->name))
        return r;
    return fetch_attachments(from, a, digest, to, e);
}
