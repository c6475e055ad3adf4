#pragma once
/* An image in the store of podman and its kin, which only they know how to read: through skopeo
 * (image_proxy.h). The layers stream; nothing of them is put on disk here. A store keeps layers unpacked, so
 * that what it gives of a layer is the plain archive: the manifest's items are made so, with the diff_ids of
 * the config for digests, while its digest and bytes stay those that the store has (for an image of Docker's
 * form, those of what skopeo makes of it for OCI). As everywhere nothing is believed: blobs are held against
 * their digests. A store has no signatures that could be read by this way. */
#include "oci/manifest.h"
#include "oci/reference.h"
#include "oci/registry.h"

typedef struct ContainersStorage ContainersStorage;
/* -ENOPKG: there is no skopeo. -ENOENT: no such image. */
int containers_storage_open(const ImageReference *reference, ContainersStorage **ret, Error *e);
void containers_storage_free(ContainersStorage *c);
DEFINE_CLEANUP(ContainersStorage *, containers_storage_free);

/* As those of layout.h; what stands in an index is chosen by skopeo for this machine and then checked. */
int containers_storage_image(ContainersStorage *c, Arena *a, const Platform *want, Manifest *ret_index,
                             Manifest *ret, Error *e);
int containers_storage_blob(ContainersStorage *c, const Descriptor *d, const BlobSink *to, Error *e);
