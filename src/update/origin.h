#pragma once
/* Where a deployment comes from: the key file beside it. The subset of GLib's key files that libostree and
 * rpm-ostree write; groups, keys and comments that we know nothing of stay where they are. At most 64 KiB and
 * 1024 lines. */
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#define ORIGIN_GROUP     "origin"
#define ORIGIN_TRANSIENT "libostree-transient" /* what belongs to this deployment, not to the next */
#define ORIGIN_IMAGE     "container-image-reference"
#define ORIGIN_REFSPEC   "refspec"
#define ORIGIN_BASALT    "basalt"
#define ORIGIN_SIGNED                                                                                        \
    "signed-by" /* what the policy asked for when it was fetched: requirement, key, identity */

enum { ORIGIN_SIZE_MAX = 64 << 10, ORIGIN_LINES_MAX = 1024 };

typedef struct OriginLine {
    const char *group, *key, *value; /* key NULL: a group's head, a comment or an empty line, in `text` */
    const char *text;
} OriginLine;

typedef struct Origin {
    Arena *arena; /* borrowed */
    OriginLine *lines;
    size_t n, size;
} Origin;

/* -EBADMSG names the line that is none, -EFBIG too much of it. */
int origin_parse(Arena *a, const char *file, const char *text, size_t n, Origin *ret, Error *e);
void origin_encode(const Origin *o, Buf *out);
Origin origin_copy(Arena *a, const Origin *o);

const char *origin_get(const Origin *o, const char *group, const char *key); /* NULL: not there */
bool origin_get_bool(const Origin *o, const char *group, const char *key);
/* NULL takes the key away; -E2BIG when there is no room for another line. */
int origin_set(Origin *o, const char *group, const char *key, const char *value);
/* As for the next deployment: without what is transient, unlocked or an override of one commit. */
void origin_forget_transient(Origin *o);
