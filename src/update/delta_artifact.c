/* Order: both images, the delta as a blob, its manifest, the manifests of what else refers to the image (a
 * program that copies the index wants them; their blobs it finds where they are), the index, and last its
 * name. */
#include "update/delta_artifact.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/file.h"
#include "oci/document.h"
#include "oci/layout_write.h"
#include "update/commit_read.h"

typedef struct Making {
    const DeltaArtifactOptions *options;
    Arena *arena;
    LayoutWrite *layout;
    DeltaArtifact result;
    Node *referrers; /* descriptors */
} Making;

/* ---- the repository ---- */

/* What has to be removed; "": nothing. */
static int repository_make(ImportOptions *o, char temporary[PATH_MAX], Error *e)
{
    const char *top = getenv("TMPDIR");
    temporary[0] = '\0';
    if (o->repository)
        return object_store_init(o->dirfd, o->repository, e);
    if (snprintf(temporary, PATH_MAX, "%s/basalt-delta-XXXXXX", top && *top ? top : "/var/tmp") >= PATH_MAX)
        return error_set(e, ENAMETOOLONG, "TMPDIR");
    if (!mkdtemp(temporary)) {
        int r = error_errno(e, -errno, "%s", temporary);
        temporary[0] = '\0';
        return r;
    }
    o->dirfd = AT_FDCWD;
    o->repository = temporary;
    return object_store_init(AT_FDCWD, temporary, e);
}

static int side_import(const ImportOptions *o, const ImageReference *reference, DeltaMakeSide *ret,
                       ImportResult *result, Error *e)
{
    int r = image_import(o, reference, result, e);
    if (r < 0)
        return error_wrap(e, r, "%s", reference->image ? reference->image : "the image");
    ret->manifest = result->manifest;
    memcpy(ret->commit, result->commit, OSTREE_CHECKSUM);
    return 0;
}

/* ---- the delta ---- */

static int blob_add(void *context, const void *data, size_t n, Error *e)
{
    return layout_write_add(((Making *)context)->layout, data, n, e);
}

static bool is_cancelled(void *context)
{
    const ImportOptions *o = &((Making *)context)->options->import;
    return o->cancelled && o->cancelled(o->context);
}

static int blob_make(Making *m, const ObjectStore *s, const DeltaMakeSide sides[2], const uint8_t *base,
                     ContentDigest *ret, Error *e)
{
    const DeltaMakeOptions o = {.from = sides[0],
                                .to = sides[1],
                                .base = base,
                                .write = blob_add,
                                .cancelled = is_cancelled,
                                .context = m};
    int r = layout_write_begin(m->layout, e);
    if (r >= 0)
        r = delta_make(s, &o, &m->result.counts, e);
    return r < 0 ? r : layout_write_end(m->layout, ret, e);
}

static Node *descriptor_node(Arena *a, const char *media_type, const ContentDigest *digest, uint64_t size)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "mediaType", media_type);
    node_set_string(a, n, "digest", digest->text);
    node_set(a, n, "size", node_new_int(a, (int64_t)size));
    return n;
}

static Node *annotations_node(Arena *a, const DeltaArtifact *d)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, DELTA_ANNOTATION_FROM, d->from.text);
    node_set_string(a, n, DELTA_ANNOTATION_TO, d->to.text);
    node_set_string(a, n, DELTA_ANNOTATION_SIZE, arena_printf(a, "%llu", (unsigned long long)d->counts.size));
    return n;
}

static int node_put(Making *m, const Node *n, ContentDigest *ret, uint64_t *ret_size, Error *e)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    json_write(n, JSON_COMPACT, &out);
    *ret_size = out.len;
    return layout_write_blob(m->layout, out.data, out.len, ret, e);
}

/* The manifest of the delta; its descriptor goes among the referrers. */
static int manifest_make(Making *m, const ContentDigest *blob, const Manifest *to, Error *e)
{
    Arena *a = m->arena;
    Node *n = node_new(a, NODE_OBJECT), *layers;
    ContentDigest empty;
    uint64_t size;
    int r = layout_write_blob(m->layout, "{}", 2, &empty, e);
    if (r < 0)
        return r;
    node_set(a, n, "schemaVersion", node_new_int(a, 2));
    node_set_string(a, n, "mediaType", MEDIA_OCI_MANIFEST);
    node_set_string(a, n, "artifactType", DELTA_ARTIFACT_TYPE);
    node_set(a, n, "config", descriptor_node(a, MEDIA_OCI_EMPTY, &empty, 2));
    layers = node_set(a, n, "layers", node_new(a, NODE_ARRAY));
    node_append(layers, descriptor_node(a, DELTA_MEDIA_TYPE, blob, m->result.counts.size));
    node_set(a, n, "subject", descriptor_node(a, to->media_type, &to->digest, to->n_bytes));
    node_set(a, n, "annotations", annotations_node(a, &m->result));
    if ((r = node_put(m, n, &m->result.manifest, &size, e)) < 0)
        return r;
    Node *d = descriptor_node(a, MEDIA_OCI_MANIFEST, &m->result.manifest, size);
    node_set_string(a, d, "artifactType", DELTA_ARTIFACT_TYPE);
    node_set(a, d, "annotations", annotations_node(a, &m->result));
    node_append(m->referrers, d);
    return 0;
}

/* ---- what else refers to the image ---- */

static bool is_listed(const Making *m, const char *digest)
{
    NODE_EACH (n, m->referrers)
        if (strcmp(node_string(node_get(n, "digest")), digest) == 0)
            return true;
    return false;
}

/* A delta from the same image: this one takes its place. */
static bool is_replaced(const Making *m, const Descriptor *d)
{
    const char *from = d->annotations ? node_string(node_get(d->annotations, DELTA_ANNOTATION_FROM)) : NULL;
    return (!d->artifact_type || strcmp(d->artifact_type, DELTA_ARTIFACT_TYPE) == 0) && from &&
           strcmp(from, m->result.from.text) == 0;
}

static int referrers_add(Making *m, ImageSource *source, Error *e)
{
    Arena *a = m->arena;
    Manifest index, one;
    ContentDigest put;
    Node *root;
    int r = image_source_referrers(source, a, &m->result.to, &index, e);
    if (r < 0)
        return r == -ENOENT || r == -EACCES ? 0 : r;
    const DocumentText text = {
        .name = "referrers", .data = index.bytes, .n = index.n_bytes, .max = MANIFEST_SIZE_MAX};
    if ((r = document_read(a, &text, &root, e)) < 0)
        return r;
    const Node *n = node_get(root, "manifests")->first; /* in the order of the items */
    for (size_t i = 0; r >= 0 && i < index.n_items; i++, n = n->next) {
        const Descriptor *d = &index.items[i];
        if (is_replaced(m, d) || is_listed(m, d->digest.text))
            continue;
        r = image_source_manifest(source, a, d, &one, e);
        if (r >= 0)
            r = layout_write_blob(m->layout, one.bytes, one.n_bytes, &put, e);
        if (r >= 0 && !content_digest_equal(&put, &d->digest))
            r = error_set(e, ENOTSUP, "%.19s is named by another kind of digest", d->digest.text);
        node_append(m->referrers, node_copy(a, n));
    }
    return r;
}

/* Of the place that the image is from, and of the layout, which may have some of an earlier run. */
static int referrers_collect(Making *m, const ImageReference *to, Error *e)
{
    const ImageReference here = {.transport = TRANSPORT_OCI,
                                 .path = m->options->output,
                                 .image = m->result.tag,
                                 .index = REFERENCE_NO_INDEX};
    _cleanup_(image_source_freep)
    ImageSource *source = NULL, *layout = NULL;
    int r = image_source_open(m->options->import.registry, to, &source, e);
    if (r >= 0)
        r = referrers_add(m, source, e);
    if (r >= 0 && image_source_open(NULL, &here, &layout, NULL) >= 0)
        r = referrers_add(m, layout, e);
    return r < 0 ? error_wrap(e, r, "what else refers to the image") : 0;
}

static int index_put(Making *m, Error *e)
{
    Arena *a = m->arena;
    Node *n = node_new(a, NODE_OBJECT);
    ContentDigest digest;
    uint64_t size;
    node_set(a, n, "schemaVersion", node_new_int(a, 2));
    node_set_string(a, n, "mediaType", MEDIA_OCI_INDEX);
    node_set(a, n, "manifests", m->referrers);
    int r = node_put(m, n, &digest, &size, e);
    return r < 0 ? r : layout_write_name(m->layout, m->result.tag, MEDIA_OCI_INDEX, &digest, size, e);
}

/* ---- all of it ---- */

static int artifact_write(Making *m, const ImportOptions *o, const DeltaMakeSide sides[2],
                          const ImageReference *to, Error *e)
{
    _cleanup_object_store_ ObjectStore *s = NULL;
    ContentDigest blob;
    ImportRecord record;
    int r = object_store_open_reading(o->dirfd, o->repository, &s, e);
    if (r >= 0)
        r = image_import_record(s, sides[1].commit, m->arena, &record, e);
    if (r >= 0)
        r = layout_write_open(m->options->output, &m->layout, e);
    if (r >= 0)
        r = blob_make(m, s, sides, record.has_base ? record.base : NULL, &blob, e);
    if (r >= 0)
        r = manifest_make(m, &blob, &record.manifest, e);
    if (r >= 0)
        r = referrers_collect(m, to, e);
    return r < 0 ? r : index_put(m, e);
}

static int make(Making *m, const ImportOptions *o, const ImageReference *from, const ImageReference *to,
                Error *e)
{
    DeltaMakeSide sides[2];
    ImportResult result;
    int r = side_import(o, from, &sides[0], &result, e);
    if (r >= 0)
        r = side_import(o, to, &sides[1], &result, e);
    if (r < 0)
        return r;
    m->result.from = sides[0].manifest;
    m->result.to = sides[1].manifest;
    m->result.layers = result.fetched_bytes;
    referrers_tag(&m->result.to, m->result.tag);
    if (content_digest_equal(&m->result.from, &m->result.to))
        return error_set(e, EEXIST, "both are the same image, %s", m->result.to.text);
    return artifact_write(m, o, sides, to, e);
}

int delta_artifact_make(const DeltaArtifactOptions *options, const ImageReference *from,
                        const ImageReference *to, DeltaArtifact *ret, Error *e)
{
    char temporary[PATH_MAX];
    Making m = {.options = options, .arena = arena_new()};
    ImportOptions o = options->import;
    o.no_delta = true;
    m.referrers = node_new(m.arena, NODE_ARRAY);
    int r = repository_make(&o, temporary, e);
    if (r >= 0)
        r = make(&m, &o, from, to, e);
    if (r >= 0)
        *ret = m.result;
    if (temporary[0])
        (void)tree_remove_at(AT_FDCWD, temporary);
    layout_write_free(m.layout);
    arena_free(m.arena);
    return r < 0 ? r : 0;
}
