#pragma once
/* The name of an image in a registry: "quay.io:443/project/image:tag@sha256:…", by the grammar of the
 * distribution project. A name without a registry is refused: whose image it would be depends on whom one
 * asks. Of docker.io two habits are kept, as in podman: "docker.io/name" is "docker.io/library/name" and
 * "index.docker.io" is "docker.io". Everything lives in the arena. */
#include "base/arena.h"
#include "oci/content_digest.h"

enum { IMAGE_NAME_MAX = 255, IMAGE_TAG_MAX = 128 };

typedef struct ImageName {
    const char *registry;        /* "host" or "host:port"; the host may be "[::1]" */
    const char *repository;      /* "project/image" */
    const char *tag;             /* NULL: none, then there is a digest; "latest" when neither was said */
    const ContentDigest *digest; /* NULL: none; with both it is the digest that is fetched */
} ImageName;

/* -EINVAL with what is wrong and how it is written. */
int image_name_read(Arena *a, const char *text, ImageName *ret, Error *e);
/* The same, but what names neither a tag nor a digest has neither: for those who may assume none. */
int image_name_read_bare(Arena *a, const char *text, ImageName *ret, Error *e);
char *image_name_text(Arena *a, const ImageName *n); /* reads back to the same */
bool image_name_is_short(const char *text);          /* it has no registry before its first '/' */
/* The grammar's parts, for those who get them by other ways. */
bool image_registry_valid(const char *text, size_t n);   /* "host" or "host:port" */
bool image_repository_valid(const char *text, size_t n); /* "project/image" */
bool image_tag_valid(const char *text, size_t n);
