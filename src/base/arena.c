/* A chain of blocks, each twice as large as the one before up to a limit; a request that does not fit into
 * the newest block and is large gets a block of its own, so that a 3 MB string costs 3 MB. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"

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
    if (size >= LARGEST_BLOCK) /* soon full: all its pages at once, instead of a fault for each */
        memory_populate(b, sizeof(Block) + size);
    return b;
}

/* Room of `size` bytes at a multiple of `align`. */
static void *room(Arena *a, size_t size, size_t align)
{
    if (size > SIZE_MAX - sizeof(Block))
        abort();
    Block *b = a->newest;
    size_t start = b ? (b->used + align - 1) & ~(align - 1) : 0;
    if (!b || start > b->size || b->size - start < size) {
        if (b && size > a->next_size / 4) { /* large: its own block, behind the one that still has room */
            Block *own = block_new(size);
            own->next = b->next;
            b->next = own;
            own->used = size;
            a->used += size;
            return own->data;
        }
        Block *fresh = block_new(size > a->next_size ? size : a->next_size);
        fresh->next = b;
        a->newest = b = fresh;
        start = 0;
        if (a->next_size < LARGEST_BLOCK)
            a->next_size *= 2;
    }
    a->used += start + size - b->used;
    b->used = start + size;
    return b->data + start;
}

/* An object's size is a multiple of its alignment, so the size tells how little will do. */
void *arena_alloc(Arena *a, size_t size)
{
    const size_t most = alignof(max_align_t), multiple = size & -size;
    return room(a, size, multiple && multiple < most ? multiple : most);
}

/* Characters need no alignment, and configs are made of short strings. */
char *arena_memdup(Arena *a, const void *data, size_t size)
{
    if (size == SIZE_MAX)
        abort();
    char *p = room(a, size + 1, 1);
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
    char *p = room(a, (size_t)n + 1, 1);
    vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

size_t arena_used(const Arena *a)
{
    return a->used;
}
