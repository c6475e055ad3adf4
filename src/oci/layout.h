#pragma once
/* An image on disk: the image layout of OCI in a directory or in a tar archive, and what `docker save`
 * writes. Read only. As of a registry nothing is believed: a blob is held against its descriptor, names
 * inside give names to nothing outside (CVE-2026-50195). The image of a docker-archive has no manifest; one
 * is made of its parts, always the same for the same parts. */
#include "oci/manifest.h"
#include "oci/reference.h"
#include "oci/registry.h"

typedef struct Layout Layout;
/* Transports oci, oci-archive and docker-archive. -ENOENT: no image of that name, with those that there are.
 */
int layout_open(const ImageReference *reference, Layout **ret, Error *e);
void layout_free(Layout *l);
DEFINE_CLEANUP(Layout *, layout_free);

int layout_resolve(Layout *l, ContentDigest *ret, Error *e); /* what the name stands for */
/* As registry_image(), registry_blob(), registry_blob_read(); what is given lives in `a` and in the layout.
 */
int layout_image(Layout *l, Arena *a, const Platform *want, Manifest *ret_index, Manifest *ret, Error *e);
/* As registry_referrers(), by that tag as a name in the layout; and the manifest of a descriptor. */
int layout_referrers(Layout *l, Arena *a, const ContentDigest *subject, Manifest *ret, Error *e);
int layout_manifest(Layout *l, Arena *a, const Descriptor *d, Manifest *ret, Error *e);
int layout_blob(Layout *l, const Descriptor *d, const BlobSink *to, Error *e);
int layout_blob_read(Layout *l, const Descriptor *d, size_t max, Buf *ret, Error *e);
