#pragma once
/* Bytes as what makes them out of other bytes that the reader has: one zstd frame, for which the others count
 * as what came before (ZSTD_CCtx_refPrefix(), as `zstd --patch-from`). libzstd is loaded at the first use.
 * For one thread at a time. */
#include "base/buf.h"
#include "base/error.h"

enum {
    PATCH_BYTES_MAX = 16 << 20, /* of either side */
    PATCH_FRAME_MAX = PATCH_BYTES_MAX + (PATCH_BYTES_MAX >> 8) + 64,
    PATCH_LEVEL_QUICK = 1, /* to see whether it is worth it */
    PATCH_LEVEL_BEST = 19,
};

typedef struct PatchBytes {
    const void *data;
    size_t n;
} PatchBytes;

typedef struct Patcher Patcher;
int patcher_new(Patcher **ret, Error *e);
void patcher_free(Patcher *p);
DEFINE_CLEANUP(Patcher *, patcher_free);

/* Appends the frame; the same for the same bytes, level and library. */
int patcher_make(Patcher *p, int level, PatchBytes base, PatchBytes bytes, Buf *out, Error *e);
/* Exactly `n` bytes come out, else -EBADMSG. */
int patcher_apply(Patcher *p, PatchBytes base, PatchBytes frame, void *to, size_t n, Error *e);
