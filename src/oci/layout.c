/* Opening finds the one image that is meant and keeps its manifest; blobs are looked up by digest, in a
 * layout at the path that the digest is, in a docker-archive by a table that is made of its manifest.json and
 * config. */
#include "oci/layout.h"

#include <string.h>

#include "oci/document.h"
#include "oci/image_config.h"
#include "oci/members.h"

#define REF_NAME "org.opencontainers.image.ref.name"

enum { LAYOUT_FILE_MAX = 4096, DEPTH_MAX = 3 };

typedef struct Alias {
    ContentDigest digest;
    const char *member;
} Alias;

struct Layout {
    Arena *arena;
    Members *members;
    Manifest top;   /* what the name led to */
    Manifest index; /* index.json; of a docker-archive nothing */
    Alias *aliases; /* of a docker-archive; NULL: blobs are at their own paths */
    size_t n_aliases;
};

/* ---- blobs ---- */

static const char *member_of(const Layout *l, Arena *a, const ContentDigest *d)
{
    for (size_t i = 0; i < l->n_aliases; i++)
        if (content_digest_equal(&l->aliases[i].digest, d))
            return l->aliases[i].member;
    return l->aliases ? NULL
                      : arena_printf(a, "blobs/%s/%s", content_digest_algorithm(d), content_digest_hex(d));
}

typedef struct Blob {
    const BlobSink *to;
    Digest *running;
} Blob;

static int take(void *context, const void *data, size_t n)
{
    const Blob *b = context;
    digest_update(b->running, data, n);
    return b->to->take(b->to->context, data, n);
}

int layout_blob(Layout *l, const Descriptor *d, const BlobSink *to, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    const char *member = member_of(l, a, &d->digest);
    Blob b = {.to = to};
    ContentDigest is;
    uint64_t size;
    if (!member)
        return error_set(e, ENOENT, "the archive has no blob %s", d->digest.text);
    int r = members_size(l->members, member, &size, e);
    if (r < 0)
        return r;
    if (size != d->size)
        return error_set(e, EBADMSG, "the blob %s has %llu bytes and should have %llu", d->digest.text,
                         (unsigned long long)size, (unsigned long long)d->size);
    if ((r = digest_new(d->digest.kind, &b.running, e)) < 0)
        return r;
    r = members_stream(l->members, member, take, &b, e);
    content_digest_finish(b.running, d->digest.kind, &is);
    digest_free(b.running);
    if (r >= 0 && !content_digest_equal(&is, &d->digest))
        return error_set(e, EBADMSG, "the blob %s is in truth %s", d->digest.text, is.text);
    return r;
}

static int take_whole(void *context, const void *data, size_t n)
{
    buf_add(context, data, n);
    return 0;
}

int layout_blob_read(Layout *l, const Descriptor *d, size_t max, Buf *ret, Error *e)
{
    size_t before = ret->len;
    if (d->size > max)
        return error_set(e, EFBIG, "the blob %s has %llu bytes, more than %zu", d->digest.text,
                         (unsigned long long)d->size, max);
    int r = layout_blob(l, d, &(BlobSink){.take = take_whole, .context = ret}, e);
    if (r < 0)
        ret->len = before;
    return r;
}

/* ---- the layout of OCI ---- */

int layout_manifest(Layout *l, Arena *a, const Descriptor *d, Manifest *ret, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = layout_blob_read(l, d, MANIFEST_SIZE_MAX, &text, e);
    if (r < 0)
        return r;
    const ManifestText t = {.data = text.len ? text.data : "",
                            .n = text.len,
                            .media_type = d->media_type,
                            .digest = d->digest.kind};
    return manifest_read(a, &t, ret, e);
}

static int check_version(Layout *l, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    Node *root;
    const char *version;
    int r = members_read(l->members, "oci-layout", LAYOUT_FILE_MAX, &text, e);
    if (r < 0)
        return error_wrap(e, r, "it is no image layout");
    const DocumentText document = {
        .name = "oci-layout", .data = text.len ? text.data : "", .n = text.len, .max = LAYOUT_FILE_MAX};
    if ((r = document_read(l->arena, &document, &root, e)) < 0 ||
        (r = document_string(root, "imageLayoutVersion", DOCUMENT_REQUIRED, &version, e)) < 0)
        return r;
    if (strncmp(version, "1.", 2))
        return document_fault(e, root, "version '%.20s' of the image layout is not known", version);
    return 0;
}

static const char *name_of(const Descriptor *d)
{
    return d->annotations ? node_string(node_get(d->annotations, REF_NAME)) : NULL;
}

static int no_such_image(const ImageReference *ref, const Manifest *index, Error *e)
{
    _cleanup_buf_ Buf names = BUF_INIT;
    for (size_t i = 0; i < index->n_items && names.len < 500; i++)
        if (name_of(&index->items[i]))
            buf_addf(&names, "%s%.100s", names.len ? ", " : "", name_of(&index->items[i]));
    for (size_t i = 0; i < names.len; i++)
        if ((unsigned char)names.data[i] < ' ' || names.data[i] == 0x7f)
            names.data[i] = '?';
    return error_set(e, ENOENT, "%s%s; there are %zu images%s%s",
                     ref->image ? "there is no image named " : "which of the images is not said",
                     ref->image ? ref->image : "", index->n_items, names.len ? ": " : "",
                     names.len ? names.data : "");
}

static int find_image(const ImageReference *ref, const Manifest *index, const Descriptor **ret, Error *e)
{
    const Descriptor *found = NULL;
    for (size_t i = 0; i < index->n_items; i++) {
        const char *name = name_of(&index->items[i]);
        bool meant = ref->index != REFERENCE_NO_INDEX ? (size_t)ref->index == i
                     : ref->image                     ? name && !strcmp(name, ref->image)
                                                      : index->n_items == 1;
        if (meant && found)
            return error_set(e, EINVAL, "two images have the name %s", ref->image);
        if (meant)
            found = &index->items[i];
    }
    if (!found)
        return no_such_image(ref, index, e);
    *ret = found;
    return 0;
}

static int open_oci(Layout *l, const ImageReference *ref, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    const Descriptor *d = NULL;
    int r = check_version(l, e);
    if (r < 0 || (r = members_read(l->members, "index.json", MANIFEST_SIZE_MAX, &text, e)) < 0)
        return r;
    const ManifestText t = {.data = text.len ? text.data : "", .n = text.len, .media_type = MEDIA_OCI_INDEX};
    if ((r = manifest_read(l->arena, &t, &l->index, e)) < 0)
        return error_wrap(e, r, "index.json");
    if ((r = find_image(ref, &l->index, &d, e)) < 0)
        return r;
    return layout_manifest(l, l->arena, d, &l->top, e);
}

/* ---- what docker save writes ---- */

/* manifest.json is an array, and a document an object. */
static int read_list(Layout *l, const Node **ret, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT, wrapped = BUF_INIT;
    Node *root;
    int r = members_read(l->members, "manifest.json", MANIFEST_SIZE_MAX, &text, e);
    if (r < 0)
        return error_wrap(e, r, "it is no archive of `docker save`");
    buf_addf(&wrapped, "{\"images\":%s}", text.len ? text.data : "");
    const DocumentText document = {
        .name = "manifest.json", .data = wrapped.data, .n = wrapped.len, .max = MANIFEST_SIZE_MAX + 16};
    if ((r = document_read(l->arena, &document, &root, e)) < 0)
        return r;
    if (root->n != 1)
        return document_fault(e, root, "expected a list of images");
    return document_member(root, "images", NODE_ARRAY, DOCUMENT_REQUIRED, ret, e);
}

static bool has_tag(const Node *image, const char *name)
{
    const Node *tags = node_get(image, "RepoTags");
    _cleanup_arena_ Arena *a = arena_new();
    for (const Node *n = tags && tags->kind == NODE_ARRAY ? tags->first : NULL; n; n = n->next) {
        ImageName tag;
        const char *text = node_string(n);
        if (!text)
            continue;
        if (image_name_read(a, text, &tag, NULL) < 0 && /* Docker leaves out its own registry */
            image_name_read(a, arena_printf(a, "docker.io/%s", text), &tag, NULL) < 0)
            continue;
        if (!strcmp(image_name_text(a, &tag), name))
            return true;
    }
    return false;
}

static int find_saved(const ImageReference *ref, const Node *list, const Node **ret, Error *e)
{
    const Node *found = NULL;
    long i = 0;
    NODE_EACH (n, list) {
        if (n->kind != NODE_OBJECT)
            return document_fault(e, n, "expected an object");
        bool meant = ref->index != REFERENCE_NO_INDEX ? ref->index == i
                     : ref->image                     ? has_tag(n, ref->image)
                                                      : list->n == 1;
        if (meant && found)
            return error_set(e, EINVAL, "two images have the name %s", ref->image);
        found = meant ? n : found;
        i++;
    }
    if (!found)
        return error_set(e, ENOENT, "%s%s; there are %zu images",
                         ref->image ? "there is no image named " : "which of the images is not said",
                         ref->image ? ref->image : "", list->n);
    *ret = found;
    return 0;
}

static int add_alias(Layout *l, const ContentDigest *d, const char *member, const char *media_type, Buf *out,
                     Error *e)
{
    uint64_t size;
    int r = members_size(l->members, member, &size, e);
    if (r < 0)
        return r;
    l->aliases[l->n_aliases++] = (Alias){.digest = *d, .member = member};
    buf_addf(out, "{\"mediaType\":\"%s\",\"size\":%llu,\"digest\":\"%s\"}", media_type,
             (unsigned long long)size, d->text);
    return 0;
}

/* A layer is a plain archive, whose digest is the diff_id of the config. */
static int add_layers(Layout *l, const Node *image, const Node *config, Buf *out, Error *e)
{
    const Node *layers, *rootfs, *ids;
    int r = document_member(image, "Layers", NODE_ARRAY, DOCUMENT_REQUIRED, &layers, e);
    if (r < 0 || (r = document_member(config, "rootfs", NODE_OBJECT, DOCUMENT_REQUIRED, &rootfs, e)) < 0 ||
        (r = document_member(rootfs, "diff_ids", NODE_ARRAY, DOCUMENT_REQUIRED, &ids, e)) < 0)
        return r;
    if (ids->n != layers->n || layers->n > MANIFEST_LAYERS_MAX)
        return document_fault(e, layers, "it has %zu layers, and its config %zu", layers->n, ids->n);
    l->aliases = ARENA_ARRAY(l->arena, Alias, layers->n + 1);
    for (const Node *n = layers->first, *id = ids->first; n; n = n->next, id = id->next) {
        ContentDigest d;
        Error why = ERROR_INIT;
        if (n->kind != NODE_STRING || id->kind != NODE_STRING)
            return document_fault(e, n, "a layer is named by a string");
        if (content_digest_read(id->string, id->len, &d, &why) < 0)
            return document_fault(e, id, "%s", why.text);
        buf_add_str(out, n == layers->first ? "" : ",");
        if ((r = add_alias(l, &d, n->string, "application/vnd.docker.image.rootfs.diff.tar", out, e)) < 0)
            return r;
    }
    return 0;
}

static int make_manifest(Layout *l, const Node *image, Error *e)
{
    _cleanup_buf_ Buf config = BUF_INIT, layers = BUF_INIT, made = BUF_INIT;
    const char *name;
    ContentDigest d;
    Node *root;
    int r = document_string(image, "Config", DOCUMENT_REQUIRED, &name, e);
    if (r < 0 || (r = members_read(l->members, name, IMAGE_CONFIG_SIZE_MAX, &config, e)) < 0)
        return r;
    const DocumentText document = {.name = "image config",
                                   .data = config.len ? config.data : "",
                                   .n = config.len,
                                   .max = IMAGE_CONFIG_SIZE_MAX};
    if ((r = document_read(l->arena, &document, &root, e)) < 0 ||
        (r = content_digest_of(DIGEST_SHA256, document.data, document.n, &d, e)) < 0 ||
        (r = add_layers(l, image, root, &layers, e)) < 0)
        return r;
    buf_addf(&made, "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_MANIFEST "\",\"config\":");
    if ((r = add_alias(l, &d, name, MEDIA_DOCKER_CONFIG, &made, e)) < 0)
        return r;
    buf_addf(&made, ",\"layers\":[%s]}", layers.len ? layers.data : "");
    return manifest_read(l->arena, &(ManifestText){.data = made.data, .n = made.len}, &l->top, e);
}

static int open_docker(Layout *l, const ImageReference *ref, Error *e)
{
    const Node *list, *image = NULL;
    int r = read_list(l, &list, e);
    if (r < 0 || (r = find_saved(ref, list, &image, e)) < 0)
        return r;
    return make_manifest(l, image, e);
}

/* ---- both ---- */

int layout_open(const ImageReference *ref, Layout **ret, Error *e)
{
    _cleanup_(layout_freep)
    Layout *l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    l->arena = arena_new();
    int r = ref->transport == TRANSPORT_OCI ? members_open_directory(ref->path, &l->members, e)
                                            : members_open_archive(ref->path, &l->members, e);
    if (r < 0)
        return r;
    r = ref->transport == TRANSPORT_DOCKER_ARCHIVE ? open_docker(l, ref, e) : open_oci(l, ref, e);
    if (r < 0)
        return error_wrap(e, r, "%s", ref->path);
    *ret = TAKE_PTR(l);
    return 0;
}

void layout_free(Layout *l)
{
    if (!l)
        return;
    members_free(l->members);
    arena_free(l->arena);
    free(l);
}

int layout_resolve(Layout *l, ContentDigest *ret, Error *e)
{
    (void)e;
    *ret = l->top.digest;
    return 0;
}

int layout_image(Layout *l, Arena *a, const Platform *want, Manifest *ret_index, Manifest *ret, Error *e)
{
    Manifest m = l->top;
    int r = 0;
    for (unsigned depth = 0; r >= 0 && m.kind == MANIFEST_INDEX; depth++) {
        const Descriptor *next;
        if (depth == DEPTH_MAX)
            return error_set(e, ELOOP, "the index leads to ever another index");
        if ((r = manifest_choose(&m, want, &next, e)) >= 0)
            r = layout_manifest(l, a, next, &m, e);
    }
    if (r < 0 || (r = manifest_check_image(&m, e)) < 0)
        return r;
    *ret_index = l->top;
    *ret = m;
    return 0;
}

int layout_referrers(Layout *l, Arena *a, const ContentDigest *subject, Manifest *ret, Error *e)
{
    char tag[REFERRERS_TAG_SIZE];
    referrers_tag(subject, tag);
    for (size_t i = 0; i < l->index.n_items; i++) {
        const Descriptor *d = &l->index.items[i];
        if (!name_of(d) || strcmp(name_of(d), tag))
            continue;
        int r = layout_manifest(l, a, d, ret, e);
        return r < 0 || ret->kind == MANIFEST_INDEX ? r : error_set(e, EBADMSG, "%s is no index", tag);
    }
    return error_set(e, ENOENT, "nothing refers to %s", subject->text);
}
