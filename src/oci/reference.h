#pragma once
/* Where an image is, as administrators write it: a transport and what it needs, and before it, as OSTree's
 * origin files have it, what must be verified. These are read:
 *
 *   quay.io/project/os:stable                     docker://…  registry:…  registry://…
 *   oci:DIR[:REF]   oci-archive:FILE[:REF]        REF may be "@N", the Nth image of the index
 *   docker-archive:FILE[:NAME | :@N]
 *   containers-storage:NAME
 *   ostree-unverified-registry:NAME               ostree-unverified-image:TRANSPORT:…
 *   ostree-image-signed:TRANSPORT:…
 *   ostree-remote-registry:REMOTE:NAME            ostree-remote-image:REMOTE:TRANSPORT:…
 *
 * Other transports of containers/image are refused by name. Everything lives in the arena. */
#include "oci/image_name.h"

enum { REFERENCE_TEXT_MAX = 4096, REFERENCE_NO_INDEX = -1 };

typedef enum ImageTransport {
    TRANSPORT_REGISTRY,
    TRANSPORT_OCI,
    TRANSPORT_OCI_ARCHIVE,
    TRANSPORT_DOCKER_ARCHIVE,
    TRANSPORT_CONTAINERS_STORAGE,
} ImageTransport;

typedef enum ImageScheme {
    SCHEME_PLAIN,      /* none was written: what to verify is the caller's business */
    SCHEME_UNVERIFIED, /* the transport's own safety is enough */
    SCHEME_SIGNED,     /* the system's policy must ask for signatures */
    SCHEME_REMOTE,     /* the OSTree commit inside is signed as the remote says */
} ImageScheme;

typedef struct ImageReference {
    ImageScheme scheme;
    const char *remote; /* of SCHEME_REMOTE */
    ImageTransport transport;
    ImageName name;    /* of TRANSPORT_REGISTRY */
    const char *path;  /* of the transports of files */
    const char *image; /* the name inside, as it was written; NULL: none. The whole of containers-storage */
    long index;        /* "@N", else REFERENCE_NO_INDEX */
} ImageReference;

int image_reference_read(Arena *a, const char *text, ImageReference *ret, Error *e);
/* The form that OSTree's tools write into origin files; reads back to the same. */
char *image_reference_text(Arena *a, const ImageReference *r);
char *image_reference_plain(Arena *a, const ImageReference *r); /* without the scheme, as skopeo takes it */
const char *image_transport_name(ImageTransport t);
