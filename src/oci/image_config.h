#pragma once
/* The config of an image, which says what its layers are when they are unpacked and for which machine it is.
 * The bytes are hostile. Labels are data, never settings of this machine (the lesson of CVE-2026-53488). */
#include "oci/manifest.h"

enum { IMAGE_CONFIG_SIZE_MAX = 8 << 20 };

typedef struct ImageConfig {
    Platform platform;
    const char *created;     /* as it was written; NULL: not said */
    ContentDigest *diff_ids; /* of the unpacked layers, as many as the manifest has */
    size_t n_diff_ids;
    const Node *labels;  /* texts; NULL: none */
    const Node *history; /* an array of objects; NULL: none */
} ImageConfig;

/* -EBADMSG when the bytes are not those that m->config names. */
int image_config_read(Arena *a, const void *data, size_t n, const Manifest *m, ImageConfig *ret, Error *e);
const char *image_config_label(const ImageConfig *c, const char *name); /* NULL: none */
/* What an index says of a manifest is not signed by anybody: the config decides. -ENOTSUP. */
int image_config_check_platform(const ImageConfig *c, const Platform *want, Error *e);
