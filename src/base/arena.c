/* A chain of blocks, each twice as large as the one before up to a limit; a request that does not fit into
 * the newest block and is large gets a block of its own, so that a 3 MB string costs 3 MB. */
#include "base/arena.h"

#include <stdalign.h>
#include <string.h>

#define FIRST_BLOCK   ((size_t)4 << 10)
#define LARGEST_BLOCK ((size_t)256 << 10)

typedef struct Block {
    struct Block *next;
    size_t used, size;
    alignas(max_align_t) char data[];
} Block;

struct Arena {
    Block *newest;
    size_t next_size, used;
};

Arena *arena_new(void)
{
    Arena *a = calloc(1, sizeof(*a));
    if (!a)
        abort();
    a->next_size = FIRST_BLOCK;
    return a;
}

void arena_free(Arena *a)
{
    if (!a)
        return;
    for (Block *b = a->newest, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

static Block *block_new(size_t size)
{
    Block *b = calloc(1, sizeof(Block) + size);
    if (!b)
        abort();
    b->size = size;
    return b;
}

void *arena_alloc(Arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);
    size_t want = (size + align - 1) & ~(align - 1);
    if (want < size)
        abort();
    Block *b = a->newest;
    if (!b || b->size - b->used < want) {
        if (b && want > a->next_size / 4) { /* large: its own block, behind the one that still has room */
            Block *own = block_new(want);
            own->next = b->next;
            b->next = own;
            own->used = want;
            a->used += want;
            return own->data;
        }
        Block *fresh = block_new(want > a->next_size ? want : a->next_size);
        fresh->next = b;
        a->newest = b = fresh;
        if (a->next_size < LARGEST_BLOCK)
            a->next_size *= 2;
    }
    void *p = b->data + b->used;
    b->used += want;
    a->used += want;
    return p;
}

char *arena_memdup(Arena *a, const void *data, size_t size)
{
    char *p = arena_alloc(a, size + 1);
    if (size)
        memcpy(p, data, size);
    return p;
}

char *arena_strdup(Arena *a, const char *s)
{
    return s ? arena_memdup(a, s, strlen(s)) : NULL;
}

char *arena_printf(Arena *a, const char *format, ...)
{
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (n < 0)
        abort();
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

size_t arena_used(const Arena *a)
{
    return a->used;
}
