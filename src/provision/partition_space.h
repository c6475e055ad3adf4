#pragma once
/* Where partitions fit: the free room of a disk, with sgdisk's rules for what "the largest gap" and "all that
 * is left" are. Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

typedef struct SpaceTaken {
    uint64_t start, end; /* sectors, both included */
    const char *what;    /* for messages: "partition 1 ('boot')" */
} SpaceTaken;

typedef struct Space {
    Arena *arena;
    uint64_t first, last; /* usable sectors, both included */
    uint64_t alignment;   /* sectors */
    SpaceTaken *taken;    /* sorted by start */
    size_t n, size;
} Space;

void space_take(Space *s, uint64_t start, uint64_t size, const char *what);
/* Start and size in sectors. 0 as start: the largest gap (the first of equals), aligned where that is
 * possible; 0 as size: to the end of the gap that the start lies in. NULL: placed; otherwise why not, as the
 * end of a sentence. */
const char *space_place(const Space *s, uint64_t start, uint64_t size, uint64_t *ret_start,
                        uint64_t *ret_size);
