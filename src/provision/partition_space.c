/* The taken extents are kept sorted; gaps are what lies between them. A table from elsewhere may have extents
 * that overlap, or reach past the usable sectors: the gaps are cut to what is free in any case. */
#include "provision/partition_space.h"

#include <string.h>

typedef struct Gap {
    uint64_t start, end; /* both included; start > end: none */
} Gap;

void space_take(Space *s, uint64_t start, uint64_t size, const char *what)
{
    uint64_t end;
    size_t at = s->n;

    if (size == 0)
        return;
    if (__builtin_add_overflow(start, size - 1, &end))
        end = UINT64_MAX;
    if (s->n == s->size) {
        SpaceTaken *more = ARENA_ARRAY(s->arena, SpaceTaken, s->size ? 2 * s->size : 16);
        for (size_t i = 0; i < s->n; i++)
            more[i] = s->taken[i];
        s->taken = more;
        s->size = s->size ? 2 * s->size : 16;
    }
    while (at > 0 && s->taken[at - 1].start > start) {
        s->taken[at] = s->taken[at - 1];
        at--;
    }
    s->taken[at] = (SpaceTaken){start, end, what};
    s->n++;
}

/* The gap at or behind `from`. */
static Gap next_gap(const Space *s, uint64_t from)
{
    uint64_t start = from < s->first ? s->first : from;

    for (size_t i = 0; i < s->n; i++) {
        const SpaceTaken *t = &s->taken[i];
        if (t->start > start)
            return (Gap){start, t->start - 1 < s->last ? t->start - 1 : s->last};
        if (t->end >= start) {
            if (t->end == UINT64_MAX)
                return (Gap){1, 0};
            start = t->end + 1;
        }
    }
    return start > s->last ? (Gap){1, 0} : (Gap){start, s->last};
}

static Gap largest_gap(const Space *s)
{
    Gap best = {1, 0};

    for (Gap g = next_gap(s, 0); g.start <= g.end; g = next_gap(s, g.end + 1)) {
        if (best.start > best.end || g.end - g.start > best.end - best.start)
            best = g;
        if (g.end >= s->last)
            break;
    }
    return best;
}

static const char *fits(const Space *s, uint64_t start, uint64_t size)
{
    uint64_t end;

    if (start < s->first)
        return arena_printf(s->arena, "sector %llu lies before the first usable one (%llu)",
                            (unsigned long long)start, (unsigned long long)s->first);
    if (__builtin_add_overflow(start, size - 1, &end) || end > s->last)
        return arena_printf(
            s->arena, "it would start at sector %llu with %llu sectors, and the last usable one is %llu",
            (unsigned long long)start, (unsigned long long)size, (unsigned long long)s->last);
    for (size_t i = 0; i < s->n; i++)
        if (s->taken[i].start <= end && s->taken[i].end >= start)
            return arena_printf(s->arena, "sectors %llu to %llu overlap %s (sectors %llu to %llu)",
                                (unsigned long long)start, (unsigned long long)end, s->taken[i].what,
                                (unsigned long long)s->taken[i].start, (unsigned long long)s->taken[i].end);
    return NULL;
}

const char *space_place(const Space *s, uint64_t start, uint64_t size, uint64_t *ret_start,
                        uint64_t *ret_size)
{
    Gap gap;
    const char *why;

    if (start == 0) {
        gap = largest_gap(s);
        if (gap.start > gap.end)
            return "no sector is free";
        uint64_t over = gap.start % s->alignment, up = over ? s->alignment - over : 0;
        start = gap.end - gap.start >= up ? gap.start + up : gap.start;
        if (size > gap.end - start + 1)
            return arena_printf(s->arena, "it needs %llu sectors, and the largest gap has %llu",
                                (unsigned long long)size, (unsigned long long)(gap.end - start + 1));
    }
    why = fits(s, start, size ? size : 1);
    if (why)
        return why;
    if (size == 0)
        size = next_gap(s, start).end - start + 1;
    *ret_start = start;
    *ret_size = size;
    return NULL;
}
