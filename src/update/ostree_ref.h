#pragma once
/* The refs of an OSTree repository, which keep commits and what they need: files below refs/heads, each a
 * checksum in hexadecimal and a newline (libostree docs/repo.md, "Refs"). Names of what is no ref by itself
 * (digests, images) are escaped as ostree-ext does it (crates/ostree-ext/src/refescape.rs), so that its
 * programs find ours and we find theirs. `repo` is a directory descriptor of the repository. Written whole
 * and synced; who writes holds the repository's lock (update/object_store.h). */
#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "update/ostree_object.h"

enum { OSTREE_REF_MAX = 4096 /* of a name */, OSTREE_REFS_MAX = 65536 /* of a list */ };

#define OSTREE_REF_BLOB  "ostree/container/blob"  /* a layer, by its digest */
#define OSTREE_REF_IMAGE "ostree/container/image" /* a whole image, by its reference */

bool ostree_ref_valid(const char *name);
/* "sha256:12" is "sha256_3A_12": ASCII letters, digits and '-' stand for themselves, a slash between two of
 * them too, '_' is doubled, anything else its code point between underscores. NULL: empty, no UTF-8 or too
 * long. */
char *ostree_ref_escape(Arena *a, const char *prefix, const char *text);
/* The text again; NULL when the name is not below the prefix or was not made so. */
char *ostree_ref_unescape(Arena *a, const char *prefix, const char *name);

/* -ENOENT: there is none; -EBADMSG: its file holds no checksum. */
int ostree_ref_read(int repo, const char *name, uint8_t ret[OSTREE_CHECKSUM], Error *e);
int ostree_ref_write(int repo, const char *name, const uint8_t checksum[OSTREE_CHECKSUM],
                     Error *e);                              /* 1: changed, 0: it was so */
int ostree_ref_delete(int repo, const char *name, Error *e); /* 1: it is gone, 0: there was none */

typedef struct OstreeRef {
    const char *name;
    uint8_t checksum[OSTREE_CHECKSUM];
} OstreeRef;
/* Those below the prefix ("": all), by name; *ret ends with a NULL name. Files that are no refs are passed
 * over. */
int ostree_ref_list(int repo, const char *prefix, Arena *a, OstreeRef **ret, size_t *ret_n, Error *e);
