#pragma once
/* What `upgrade --check` saw last, for `status`: run/basalt-os/update of a system, which a boot forgets. It
 * counts while the newest deployment follows that image and is of another digest. */
#include "base/arena.h"
#include "base/error.h"

enum { UPDATE_SEEN_MAX = 16 << 10 };

typedef struct UpdateSeen {
    const char *image;   /* as the origin has it */
    const char *digest;  /* of the manifest */
    const char *version; /* NULL: it says none */
    uint64_t bytes;      /* to fetch */
    uint64_t time;       /* seconds since 1970 */
} UpdateSeen;

int update_seen_write(int root, const UpdateSeen *u, Error *e);
/* 1, or 0: there is none, or none that can be read. */
int update_seen_read(Arena *a, int root, UpdateSeen *ret);
void update_seen_forget(int root);
