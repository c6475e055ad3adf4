#pragma once
/* Regular expressions in the syntax of Go (RE2), which is that of CRD schemas, matched by PCRE2 under limits.
 * What Go refuses is refused: look-around, back references, possessive quantifiers, unknown escapes. */
#include "base/arena.h"
#include "base/error.h"

enum {
    GO_PATTERN_MAX = 8192,            /* bytes of an expression */
    GO_PATTERN_MATCH_LIMIT = 1000000, /* steps of one match: some tens of milliseconds */
    GO_PATTERN_HEAP_KIB = 16384,
};

typedef struct GoPattern GoPattern;
/* Lives in the arena. -EINVAL with what Go would say, more or less. */
int go_pattern_read(Arena *a, const char *text, GoPattern **ret, Error *e);
/* 1 or 0: found somewhere in the text or not; -E2BIG: a limit was hit. */
int go_pattern_match(const GoPattern *p, const char *s, size_t n);
