#pragma once
/* JSON as RFC 8259 has it, strictly, with a position on every node and on every key. After a syntax error the
 * reader stops with one finding. A key that stands twice in an object is a finding with both positions
 * (severity as asked; the last value stands). Depth is limited to JSON_DEPTH_MAX, size by the caller.
 * jansson keeps no positions on values and stops at duplicate keys, which is why this reader exists. */
#include "base/arena.h"
#include "format/node.h"
#include "format/report.h"

enum { JSON_DEPTH_MAX = 512 };

/* The tree borrows nothing from `source->text` that the arena does not hold, except `source` itself.
 * 0 with *ret, or -EINVAL with findings in `r`. Text after the value is an error; an empty text too. */
int json_read(Arena *a, const Source *source, Severity duplicate_keys, Node **ret, Report *r);

/* The same for a text that nobody of this machine wrote: a value takes some ninety bytes of memory and three
 * of text, so that a bound on the text alone is none. */
typedef struct JsonLimits {
    Severity duplicate_keys;
    unsigned depth; /* at most JSON_DEPTH_MAX */
    size_t values;
} JsonLimits;
int json_read_within(Arena *a, const Source *source, const JsonLimits *limits, Node **ret, Report *r);
