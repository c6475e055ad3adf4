#pragma once
/* A delta as an artifact of OCI: two images are imported into a repository, what is between them is made
 * (delta_make.h) and put into an image layout on disk: a manifest of artifactType DELTA_ARTIFACT_TYPE with
 * one layer, whose subject is the new image's manifest, and the index of what refers to that, under the
 * tag where registries without an API for it are asked (referrers_tag()). Whatever else referred to the
 * image, at its own place or in the layout, stays in the index. */
#include "update/delta_make.h"
#include "update/image_import.h"

typedef struct DeltaArtifactOptions {
    ImportOptions import; /* repository NULL: one that is removed again, below $TMPDIR or /var/tmp */
    const char *output;   /* the layout's directory */
} DeltaArtifactOptions;

typedef struct DeltaArtifact {
    ContentDigest from, to; /* manifests */
    ContentDigest manifest; /* of the delta */
    char tag[REFERRERS_TAG_SIZE];
    DeltaCounts counts;
    uint64_t layers; /* bytes of the new image's layers that the old one does not have */
} DeltaArtifact;

/* -EEXIST: both are the same image. Needs the right to give files away. */
int delta_artifact_make(const DeltaArtifactOptions *o, const ImageReference *from, const ImageReference *to,
                        DeltaArtifact *ret, Error *e);
