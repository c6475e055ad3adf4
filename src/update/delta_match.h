#pragma once
/* Which old file a new one is probably made out of: that of the same path; else one of the same name whose
 * path has most in common; else one of the same directory whose name begins the same and whose size is not
 * far off. */
#include "base/arena.h"
#include "base/map.h"

typedef struct DeltaMatchFile {
    const char *path;
    uint32_t number;
    uint64_t size;
    struct DeltaMatchFile *next_named, *next_beside;
} DeltaMatchFile;

typedef struct DeltaMatch {
    Arena *arena; /* borrowed */
    Map paths, names, directories;
} DeltaMatch;
#define DELTA_MATCH_INIT(a) ((DeltaMatch){.arena = (a)})
void delta_match_done(DeltaMatch *m);
void delta_match_add(DeltaMatch *m, const char *path, uint32_t number, uint64_t size);
/* NULL: none. *ret_same: it is of the same path. */
const DeltaMatchFile *delta_match_find(const DeltaMatch *m, const char *path, uint64_t size, bool *ret_same);
