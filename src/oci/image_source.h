#pragma once
/* An image, wherever it is: a table of one row for each kind of place (registry, layout on disk, the store
 * of podman). Read only;
 * nothing is believed, as registry.h and layout.h say it. For one thread at a time; who fetches layers at
 * once opens one for each thread, which costs no request. */
#include "oci/layout.h"
#include "oci/reference.h"
#include "oci/registry.h"

typedef struct ImageSource ImageSource;
/* The options are of registries alone; they and the reference are kept as they are. */
int image_source_open(const RegistryOptions *o, const ImageReference *reference, ImageSource **ret, Error *e);
void image_source_free(ImageSource *s);
DEFINE_CLEANUP(ImageSource *, image_source_free);

/* For who needs signatures; NULL: it is none. */
Registry *image_source_registry(ImageSource *s);

/* What the name stands for just now (an index or a manifest), for as little as the place lets it be had: of a
 * registry its word, which nothing has verified. */
int image_source_resolve(ImageSource *s, ContentDigest *ret, Error *e);
/* As registry_image(), registry_blob(), registry_blob_read(). */
int image_source_image(ImageSource *s, Arena *a, const Platform *want, Manifest *ret_index, Manifest *ret,
                       Error *e);
/* As registry_referrers(); -ENOENT also of places that keep none. And the manifest of a descriptor. */
int image_source_referrers(ImageSource *s, Arena *a, const ContentDigest *subject, Manifest *ret, Error *e);
int image_source_manifest(ImageSource *s, Arena *a, const Descriptor *d, Manifest *ret, Error *e);
int image_source_blob(ImageSource *s, const Descriptor *d, const BlobSink *to, Error *e);
int image_source_blob_read(ImageSource *s, const Descriptor *d, size_t max, Buf *ret, Error *e);
