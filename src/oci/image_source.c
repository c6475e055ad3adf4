/* Each kind of place is a row; a source is a row and what that row opened. */
#include "oci/image_source.h"

#include <string.h>

#include "oci/containers_storage.h"

typedef struct SourceKind {
    int (*open)(const RegistryOptions *o, const ImageReference *reference, void **ret, Error *e);
    void (*free)(void *opened);
    int (*resolve)(void *opened, ContentDigest *ret, Error *e);
    int (*image)(void *opened, Arena *a, const Platform *want, Manifest *ret_index, Manifest *ret, Error *e);
    int (*blob)(void *opened, const Descriptor *d, const BlobSink *to, Error *e);
    int (*blob_read)(void *opened, const Descriptor *d, size_t max, Buf *ret, Error *e);
    /* NULL: it has nothing of that kind */
    int (*referrers)(void *opened, Arena *a, const ContentDigest *subject, Manifest *ret, Error *e);
    int (*manifest)(void *opened, Arena *a, const Descriptor *d, Manifest *ret, Error *e);
} SourceKind;

struct ImageSource {
    const SourceKind *kind;
    void *opened;
};

/* ---- a registry ---- */

static int registry_source_open(const RegistryOptions *o, const ImageReference *reference, void **ret,
                                Error *e)
{
    Registry *opened = NULL;
    int r = registry_open(o, &reference->name, &opened, e);
    if (r >= 0)
        *ret = opened;
    return r;
}

static void registry_source_free(void *opened)
{
    registry_free(opened);
}

static int registry_source_resolve(void *opened, ContentDigest *ret, Error *e)
{
    return registry_resolve(opened, ret, e);
}

static int registry_source_image(void *opened, Arena *a, const Platform *want, Manifest *ret_index,
                                 Manifest *ret, Error *e)
{
    return registry_image(opened, a, want, ret_index, ret, e);
}

static int registry_source_blob(void *opened, const Descriptor *d, const BlobSink *to, Error *e)
{
    return registry_blob(opened, d, to, e);
}

static int registry_source_blob_read(void *opened, const Descriptor *d, size_t max, Buf *ret, Error *e)
{
    return registry_blob_read(opened, d, max, ret, e);
}

static int registry_source_referrers(void *opened, Arena *a, const ContentDigest *subject, Manifest *ret,
                                     Error *e)
{
    return registry_referrers(opened, a, subject, ret, e);
}

static int registry_source_manifest(void *opened, Arena *a, const Descriptor *d, Manifest *ret, Error *e)
{
    return registry_manifest(opened, a, &d->digest, ret, e);
}

/* ---- a layout on disk ---- */

static int layout_source_open(const RegistryOptions *o, const ImageReference *reference, void **ret, Error *e)
{
    Layout *opened = NULL;
    (void)o;
    int r = layout_open(reference, &opened, e);
    if (r >= 0)
        *ret = opened;
    return r;
}

static void layout_source_free(void *opened)
{
    layout_free(opened);
}

static int layout_source_resolve(void *opened, ContentDigest *ret, Error *e)
{
    return layout_resolve(opened, ret, e);
}

static int layout_source_image(void *opened, Arena *a, const Platform *want, Manifest *ret_index,
                               Manifest *ret, Error *e)
{
    return layout_image(opened, a, want, ret_index, ret, e);
}

static int layout_source_blob(void *opened, const Descriptor *d, const BlobSink *to, Error *e)
{
    return layout_blob(opened, d, to, e);
}

static int layout_source_blob_read(void *opened, const Descriptor *d, size_t max, Buf *ret, Error *e)
{
    return layout_blob_read(opened, d, max, ret, e);
}

static int layout_source_referrers(void *opened, Arena *a, const ContentDigest *subject, Manifest *ret,
                                   Error *e)
{
    return layout_referrers(opened, a, subject, ret, e);
}

static int layout_source_manifest(void *opened, Arena *a, const Descriptor *d, Manifest *ret, Error *e)
{
    return layout_manifest(opened, a, d, ret, e);
}

/* ---- the store of podman and its kin ---- */

static int storage_source_open(const RegistryOptions *o, const ImageReference *reference, void **ret,
                               Error *e)
{
    ContainersStorage *opened = NULL;
    (void)o;
    int r = containers_storage_open(reference, &opened, e);
    if (r >= 0)
        *ret = opened;
    return r;
}

static void storage_source_free(void *opened)
{
    containers_storage_free(opened);
}

static int storage_source_image(void *opened, Arena *a, const Platform *want, Manifest *ret_index,
                                Manifest *ret, Error *e)
{
    return containers_storage_image(opened, a, want, ret_index, ret, e);
}

static int storage_source_resolve(void *opened, ContentDigest *ret, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Manifest index, image;
    Platform host;
    int r = platform_of_host(&host, e);
    if (r >= 0)
        r = containers_storage_image(opened, a, &host, &index, &image, e);
    if (r >= 0)
        *ret = index.digest;
    return r;
}

static int storage_source_blob(void *opened, const Descriptor *d, const BlobSink *to, Error *e)
{
    return containers_storage_blob(opened, d, to, e);
}

static int storage_source_blob_read(void *opened, const Descriptor *d, size_t max, Buf *ret, Error *e)
{
    return containers_storage_blob_read(opened, d, max, ret, e);
}

/* ---- the table ---- */

static const SourceKind registry_source = {
    registry_source_open, registry_source_free,      registry_source_resolve,   registry_source_image,
    registry_source_blob, registry_source_blob_read, registry_source_referrers, registry_source_manifest};
static const SourceKind layout_source = {
    layout_source_open, layout_source_free,      layout_source_resolve,   layout_source_image,
    layout_source_blob, layout_source_blob_read, layout_source_referrers, layout_source_manifest};
static const SourceKind storage_source = {storage_source_open,
                                          storage_source_free,
                                          storage_source_resolve,
                                          storage_source_image,
                                          storage_source_blob,
                                          storage_source_blob_read,
                                          NULL,
                                          NULL};

static const SourceKind *const kinds[] = {
    [TRANSPORT_REGISTRY] = &registry_source,          [TRANSPORT_OCI] = &layout_source,
    [TRANSPORT_OCI_ARCHIVE] = &layout_source,         [TRANSPORT_DOCKER_ARCHIVE] = &layout_source,
    [TRANSPORT_CONTAINERS_STORAGE] = &storage_source,
};

int image_source_open(const RegistryOptions *o, const ImageReference *reference, ImageSource **ret, Error *e)
{
    _cleanup_(image_source_freep)
    ImageSource *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->kind = kinds[reference->transport];
    int r = s->kind->open(o, reference, &s->opened, e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

void image_source_free(ImageSource *s)
{
    if (!s)
        return;
    if (s->opened)
        s->kind->free(s->opened);
    free(s);
}

Registry *image_source_registry(ImageSource *s)
{
    return s->kind == &registry_source ? s->opened : NULL;
}

int image_source_resolve(ImageSource *s, ContentDigest *ret, Error *e)
{
    return s->kind->resolve(s->opened, ret, e);
}

int image_source_image(ImageSource *s, Arena *a, const Platform *want, Manifest *ret_index, Manifest *ret,
                       Error *e)
{
    return s->kind->image(s->opened, a, want, ret_index, ret, e);
}

int image_source_blob(ImageSource *s, const Descriptor *d, const BlobSink *to, Error *e)
{
    return s->kind->blob(s->opened, d, to, e);
}

int image_source_blob_read(ImageSource *s, const Descriptor *d, size_t max, Buf *ret, Error *e)
{
    return s->kind->blob_read(s->opened, d, max, ret, e);
}

int image_source_referrers(ImageSource *s, Arena *a, const ContentDigest *subject, Manifest *ret, Error *e)
{
    return s->kind->referrers ? s->kind->referrers(s->opened, a, subject, ret, e)
                              : error_set(e, ENOENT, "such a place says nothing of what refers to an image");
}

int image_source_manifest(ImageSource *s, Arena *a, const Descriptor *d, Manifest *ret, Error *e)
{
    return s->kind->manifest ? s->kind->manifest(s->opened, a, d, ret, e)
                             : error_set(e, ENOENT, "such a place has one manifest alone");
}
