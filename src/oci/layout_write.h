#pragma once
/* An image layout of OCI on disk, written: a directory that layout.h and skopeo read. What is in it stays;
 * of two things of a name the later one has it. Killed at any moment it has whole blobs and an index of
 * before or after. */
#include "base/arena.h"
#include "oci/content_digest.h"

typedef struct LayoutWrite LayoutWrite;
/* The directory is made where there is none. */
int layout_write_open(const char *path, LayoutWrite **ret, Error *e);
void layout_write_free(LayoutWrite *l); /* a blob that was not ended is gone */
DEFINE_CLEANUP(LayoutWrite *, layout_write_free);

/* By pieces, one blob at a time. */
int layout_write_begin(LayoutWrite *l, Error *e);
int layout_write_add(LayoutWrite *l, const void *data, size_t n, Error *e);
int layout_write_end(LayoutWrite *l, ContentDigest *ret, Error *e);
int layout_write_blob(LayoutWrite *l, const void *data, size_t n, ContentDigest *ret, Error *e);

/* A manifest or index that is a blob here gets a name. */
int layout_write_name(LayoutWrite *l, const char *name, const char *media_type, const ContentDigest *digest,
                      uint64_t size, Error *e);
