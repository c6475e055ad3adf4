#pragma once
/* Sixteen characters looked at together, which compilers make vector instructions of: most of a config is a
 * few long strings. A property is 0xff where it holds. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t Characters __attribute__((vector_size(16)));

static inline Characters characters_load(const void *p)
{
    Characters c;
    memcpy(&c, p, sizeof(c));
    return c;
}

static inline Characters characters_within(Characters c, uint8_t first, uint8_t last)
{
    return (Characters)((c - first) <= (uint8_t)(last - first));
}

static inline bool characters_any(Characters c)
{
    uint64_t halves[2];
    memcpy(halves, &c, sizeof(c));
    return (halves[0] | halves[1]) != 0;
}

/* What a JSON string cannot hold as it is. */
static inline Characters characters_json_special(Characters c)
{
    return characters_within(c, 0, 0x1f) | characters_within(c, '"', '"') | characters_within(c, '\\', '\\');
}
