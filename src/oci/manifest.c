/* First what the text is: its own media type and the one that it was handed over with must agree, and where
 * neither says, its fields do. Then the fields of that kind, with those of every other kind refused. Only
 * then is anything of it believed, and nothing of it is a size or a name that was not checked here. */
#include "oci/manifest.h"

#include <string.h>

#include "oci/document.h"

typedef struct Kind {
    const char *media_type;
    ManifestKind kind;
} Kind;

static const Kind kinds[] = {
    {MEDIA_OCI_MANIFEST, MANIFEST_IMAGE},
    {MEDIA_OCI_INDEX, MANIFEST_INDEX},
    {MEDIA_DOCKER_MANIFEST, MANIFEST_IMAGE},
    {MEDIA_DOCKER_INDEX, MANIFEST_INDEX},
};

#define LAYER_OCI      "application/vnd.oci.image.layer.v1.tar"
#define LAYER_OCI_AWAY "application/vnd.oci.image.layer.nondistributable.v1.tar"
#define LAYER_DOCKER   "application/vnd.docker.image.rootfs.diff.tar"

static const struct {
    const char *media_type;
    Compression compression;
} layers[] = {
    {LAYER_OCI "+gzip", COMPRESSION_GZIP},
    {LAYER_OCI "+zstd", COMPRESSION_ZSTD},
    {LAYER_OCI, COMPRESSION_NONE},
    {LAYER_OCI_AWAY "+gzip", COMPRESSION_GZIP},
    {LAYER_OCI_AWAY "+zstd", COMPRESSION_ZSTD},
    {LAYER_OCI_AWAY, COMPRESSION_NONE},
    {LAYER_DOCKER ".gzip", COMPRESSION_GZIP},
    {LAYER_DOCKER ".zstd", COMPRESSION_ZSTD},
    {LAYER_DOCKER, COMPRESSION_NONE},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", COMPRESSION_GZIP},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar", COMPRESSION_NONE},
};

/* ---- what it is ---- */

static const Kind *kind_by_type(const char *media_type)
{
    size_t n = media_type ? strcspn(media_type, "; \t") : 0; /* a Content-Type may have parameters */
    for (size_t i = 0; i < ELEMENTS(kinds); i++)
        if (strlen(kinds[i].media_type) == n && !strncasecmp(kinds[i].media_type, media_type, n))
            return &kinds[i];
    return NULL;
}

/* Some registries of static files call every document by a name that says nothing. */
static bool says_nothing(const char *media_type)
{
    static const char *const rows[] = {"application/json", "application/octet-stream", "text/plain"};
    size_t n = strcspn(media_type, "; \t");
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        if (strlen(rows[i]) == n && !strncasecmp(rows[i], media_type, n))
            return true;
    return n == 0;
}

static int check_schema(const Node *root, const char *outside, const char *inside, Error *e)
{
    const Node *version;
    int64_t v = 0;
    int r = document_member(root, "schemaVersion", NODE_NUMBER, DOCUMENT_OPTIONAL, &version, e);
    if (r < 0)
        return r;
    bool one = (version && node_int(version, &v) == 0 && v == 1) ||
               (outside && strstr(outside, "distribution.manifest.v1+")) ||
               (inside && strstr(inside, "distribution.manifest.v1+"));
    if (one)
        return document_fault(
            e, root,
            "it is a manifest of Docker's schema 1, which cannot be verified; have the image "
            "pushed again by a tool of this decade");
    if (!version || v != 2)
        return document_fault(e, version ? version : root, "'schemaVersion' must be 2");
    return 0;
}

static int find_kind(const Node *root, const char *outside, const Kind **ret, Error *e)
{
    const char *inside;
    int r = document_string(root, "mediaType", DOCUMENT_OPTIONAL, &inside, e);
    if (r < 0 || (r = check_schema(root, outside, inside, e)) < 0)
        return r;
    bool told = outside && !says_nothing(outside);
    const Kind *a = told ? kind_by_type(outside) : NULL, *b = kind_by_type(inside);
    if (told && !a)
        return document_fault(e, root, "it came as '%.100s', which is no manifest", outside);
    if (inside && !b)
        return document_fault(e, node_get(root, "mediaType"), "'%.100s' is no manifest", inside);
    if (a && b && a != b)
        return document_fault(e, node_get(root, "mediaType"), "it says that it is %s, and came as %s",
                              b->media_type, a->media_type);
    if (!a && !b) /* a text with both sets of fields is refused whichever it is taken for */
        a = node_get(root, "manifests") ? &kinds[1] : &kinds[0];
    *ret = b ? b : a;
    return 0;
}

static int check_fields(const Node *root, const Kind *kind, Error *e)
{
    static const char *const of_index[] = {"config", "layers", "fsLayers", "signatures", "history", NULL};
    static const char *const of_image[] = {"manifests", "fsLayers", "signatures", "history", NULL};
    const char *const *bad = kind->kind == MANIFEST_INDEX ? of_index : of_image;
    const char *why =
        kind->kind == MANIFEST_INDEX ? "has no place in an index" : "has no place in a manifest";
    for (; *bad; bad++) {
        int r = document_absent(root, *bad, why, e);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- descriptors ---- */

static int read_platform(const Node *n, Platform *ret, Error *e)
{
    const Node *p;
    const char *variant;
    int r = document_member(n, "platform", NODE_OBJECT, DOCUMENT_OPTIONAL, &p, e);
    if (r < 0 || !p)
        return r;
    if ((r = document_string(p, "os", DOCUMENT_REQUIRED, &ret->os, e)) < 0 ||
        (r = document_string(p, "architecture", DOCUMENT_REQUIRED, &ret->architecture, e)) < 0 ||
        (r = document_string(p, "variant", DOCUMENT_OPTIONAL, &variant, e)) < 0)
        return r;
    ret->variant = variant ? variant : "";
    return 0;
}

static int read_descriptor(const Node *n, uint64_t max, Descriptor *ret, Error *e)
{
    const char *digest;
    const Node *urls;
    if (n->kind != NODE_OBJECT)
        return document_fault(e, n, "expected a descriptor, found %s", node_kind_name(n->kind));
    int r = document_string(n, "mediaType", DOCUMENT_REQUIRED, &ret->media_type, e);
    if (r < 0 || (r = document_string(n, "artifactType", DOCUMENT_OPTIONAL, &ret->artifact_type, e)) < 0 ||
        (r = document_string(n, "digest", DOCUMENT_REQUIRED, &digest, e)) < 0 ||
        (r = document_size(n, "size", max, &ret->size, e)) < 0 ||
        (r = document_texts(n, "annotations", &ret->annotations, e)) < 0 ||
        (r = document_member(n, "urls", NODE_ARRAY, DOCUMENT_OPTIONAL, &urls, e)) < 0 ||
        (r = read_platform(n, &ret->platform, e)) < 0)
        return r;
    ret->urls = urls && urls->n;
    Error why = ERROR_INIT;
    if (content_digest_read(digest, strlen(digest), &ret->digest, &why) < 0)
        return document_fault(e, node_get(n, "digest"), "%s", why.text);
    return 0;
}

static int read_items(Arena *a, const Node *root, const Kind *kind, Manifest *m, Error *e)
{
    bool index = kind->kind == MANIFEST_INDEX;
    size_t most = index ? MANIFEST_INDEX_MAX : MANIFEST_LAYERS_MAX;
    const Node *list;
    int r = document_member(root, index ? "manifests" : "layers", NODE_ARRAY, DOCUMENT_REQUIRED, &list, e);
    if (r < 0)
        return r;
    if (list->n > most)
        return document_fault(e, list, "there are %zu %s, more than %zu", list->n,
                              index ? "manifests" : "layers", most);
    m->items = ARENA_ARRAY(a, Descriptor, list->n + 1);
    NODE_EACH (n, list)
        if ((r = read_descriptor(n, index ? MANIFEST_SIZE_MAX : LAYER_SIZE_MAX, &m->items[m->n_items++], e)) <
            0)
            return r;
    return 0;
}

static int read_fields(Arena *a, const Node *root, const Kind *kind, Manifest *m, Error *e)
{
    const Node *config;
    int r = check_fields(root, kind, e);
    if (r < 0 || (r = read_items(a, root, kind, m, e)) < 0 ||
        (r = document_texts(root, "annotations", &m->annotations, e)) < 0)
        return r;
    if (kind->kind == MANIFEST_INDEX)
        return 0;
    if ((r = document_member(root, "config", NODE_OBJECT, DOCUMENT_REQUIRED, &config, e)) < 0)
        return r;
    return read_descriptor(config, LAYER_SIZE_MAX, &m->config, e);
}

int manifest_read(Arena *a, const ManifestText *text, Manifest *ret, Error *e)
{
    const DocumentText document = {
        .name = "manifest", .data = text->data, .n = text->n, .max = MANIFEST_SIZE_MAX};
    DigestKind digest = text->digest ? text->digest : DIGEST_SHA256;
    Manifest m = {0};
    Node *root;
    const Kind *kind = NULL;
    int r = document_read(a, &document, &root, e);
    if (r < 0 || (r = find_kind(root, text->media_type, &kind, e)) < 0 ||
        (r = read_fields(a, root, kind, &m, e)) < 0 ||
        (r = content_digest_of(digest, text->data, text->n, &m.digest, e)) < 0)
        return r;
    m.kind = kind->kind;
    m.media_type = kind->media_type;
    m.bytes = arena_memdup(a, text->data, text->n);
    m.n_bytes = text->n;
    *ret = m;
    return 0;
}

/* ---- choosing ---- */

static void list_platforms(const Manifest *index, Buf *out)
{
    for (size_t i = 0; i < index->n_items && out->len < 500; i++) {
        const Platform *p = &index->items[i].platform;
        if (p->os)
            buf_addf(out, "%s%.32s/%.32s%s%.32s", out->len ? ", " : "", p->os, p->architecture,
                     *p->variant ? "/" : "", p->variant);
    }
    for (size_t i = 0; i < out->len; i++)
        if ((unsigned char)out->data[i] < ' ' || (unsigned char)out->data[i] >= 0x7f)
            out->data[i] = '?';
}

int manifest_choose(const Manifest *index, const Platform *want, const Descriptor **ret, Error *e)
{
    const Descriptor *best = NULL;
    unsigned fits = 0;
    for (size_t i = 0; i < index->n_items; i++) {
        const Descriptor *d = &index->items[i];
        unsigned n = d->platform.os ? platform_fits(want, &d->platform) : 0;
        if (n > fits && kind_by_type(d->media_type)) { /* of equal ones the first */
            best = d;
            fits = n;
        }
    }
    if (!best && index->n_items == 1 && !index->items[0].platform.os &&
        kind_by_type(index->items[0].media_type))
        best = &index->items[0];
    if (best) {
        *ret = best;
        return 0;
    }
    _cleanup_buf_ Buf have = BUF_INIT;
    list_platforms(index, &have);
    return error_set(e, ENOENT, "the image is not made for %s/%s%s%s, only for: %s", want->os,
                     want->architecture, *want->variant ? "/" : "", want->variant,
                     have.len ? have.data : "nothing that it names");
}

/* ---- layers ---- */

int layer_compression(const char *media_type, Compression *ret, Error *e)
{
    for (size_t i = 0; i < ELEMENTS(layers); i++)
        if (!strcmp(layers[i].media_type, media_type)) {
            *ret = layers[i].compression;
            return 0;
        }
    if (strstr(media_type, "+encrypted"))
        return error_set(e, ENOTSUP, "the layer is encrypted; such images are not read");
    char shown[101];
    snprintf(shown, sizeof(shown), "%s", media_type);
    for (char *p = shown; *p; p++)
        if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
            *p = '?';
    return error_set(e, ENOTSUP, "'%s' is no layer of files", shown);
}

int manifest_check_image(const Manifest *m, Error *e)
{
    Compression ignored;
    if (m->kind != MANIFEST_IMAGE)
        return error_set(e, EINVAL, "it is an index, not an image");
    if (strcmp(m->config.media_type, MEDIA_OCI_CONFIG) && strcmp(m->config.media_type, MEDIA_DOCKER_CONFIG))
        return error_set(e, ENOTSUP, "it is an artifact, not an image");
    for (size_t i = 0; i < m->n_items; i++) {
        int r = layer_compression(m->items[i].media_type, &ignored, e);
        if (r < 0)
            return error_wrap(e, r, "layer %zu", i + 1);
    }
    return 0;
}
