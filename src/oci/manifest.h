#pragma once
/* What an image is made of: the manifest (config and layers), the index (manifests for several machines), of
 * OCI and of Docker's schema 2. The bytes are hostile. Refused: schema 1; both sets of fields in one text
 * (CVE-2021-41190); a media type that contradicts the fields or whoever handed the text over; digests that
 * are none; sizes out of bounds; more than MANIFEST_LAYERS_MAX layers. Annotations are data: they choose
 * nothing here. The arena owns everything, the raw bytes too. */
#include "format/compress.h"
#include "format/node.h"
#include "oci/content_digest.h"
#include "oci/platform.h"

/* 4 MiB is what registries take. The specification has no limit for layers; engines mount no more than 500.
 */
enum { MANIFEST_SIZE_MAX = 4 << 20, MANIFEST_LAYERS_MAX = 512, MANIFEST_INDEX_MAX = 1024 };
#define LAYER_SIZE_MAX        (UINT64_C(1) << 40)

#define MEDIA_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_CONFIG      "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_EMPTY       "application/vnd.oci.empty.v1+json" /* of a config that is "{}" */
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_INDEX    "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_DOCKER_CONFIG   "application/vnd.docker.container.image.v1+json"

typedef struct Descriptor {
    const char *media_type;
    ContentDigest digest;
    uint64_t size;
    const char *artifact_type; /* of an index; NULL: not said */
    Platform platform;         /* of an index; os NULL: not said */
    const Node *annotations;   /* texts; NULL: none */
    bool urls;                 /* it names other places to fetch from, which are not used (CVE-2020-15157) */
} Descriptor;

typedef enum ManifestKind { MANIFEST_IMAGE, MANIFEST_INDEX } ManifestKind;

typedef struct Manifest {
    ManifestKind kind;
    const char *media_type; /* one of the four above */
    ContentDigest digest;   /* of the bytes, made here: what anybody else says it is does not count */
    const void *bytes;
    size_t n_bytes;
    Descriptor config; /* of MANIFEST_IMAGE */
    Descriptor *items; /* layers from the bottom, or the manifests of an index */
    size_t n_items;
    const Node *annotations; /* texts; NULL: none */
} Manifest;

typedef struct ManifestText {
    const void *data;
    size_t n;
    const char *media_type; /* as a registry's Content-Type or a descriptor has it; NULL or "": not known */
    DigestKind digest;      /* which kind Manifest.digest is to be; 0: sha256 */
} ManifestText;

int manifest_read(Arena *a, const ManifestText *text, Manifest *ret, Error *e);
/* The one of an index that fits best; -ENOENT with what there is. The only manifest of an index that says
 * nothing of platforms fits all. */
int manifest_choose(const Manifest *index, const Platform *want, const Descriptor **ret, Error *e);

/* What a layer's media type says; -ENOTSUP: not a layer that can be read, such as an encrypted one. */
int layer_compression(const char *media_type, Compression *ret, Error *e);
/* Is it an image, with a config and layers that can all be read (and no artifact)? */
int manifest_check_image(const Manifest *m, Error *e);
