/* Three tables; of those of one name, and of those of one directory, a chain each. A name that thousands of
 * files have (index.html) is looked through only so far. */
#include "update/delta_match.h"

#include <string.h>

enum { CHAIN_MAX = 256, PREFIX_MIN = 3, SIZE_RATIO = 4 };

void delta_match_done(DeltaMatch *m)
{
    map_done(&m->paths);
    map_done(&m->names);
    map_done(&m->directories);
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "usr/lib/" */
static const char *directory_of(Arena *a, const char *path)
{
    return arena_memdup(a, path, (size_t)(name_of(path) - path));
}

void delta_match_add(DeltaMatch *m, const char *path, uint32_t number, uint64_t size)
{
    DeltaMatchFile *f = ARENA_NEW(m->arena, DeltaMatchFile);

    *f = (DeltaMatchFile){.path = arena_strdup(m->arena, path), .number = number, .size = size};
    const char *name = name_of(f->path), *directory = directory_of(m->arena, f->path);
    f->next_named = map_get(&m->names, name);
    f->next_beside = map_get(&m->directories, directory);
    map_put(&m->paths, f->path, f);
    map_put(&m->names, name, f);
    map_put(&m->directories, directory, f);
}

static bool is_near(uint64_t a, uint64_t b)
{
    return a / SIZE_RATIO <= b && b / SIZE_RATIO <= a;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Bytes that the beginnings and the ends of two texts have in common. */
static size_t common(const char *a, const char *b)
{
    const size_t a_n = strlen(a), b_n = strlen(b), most = a_n < b_n ? a_n : b_n;
    size_t head = 0, tail = 0;
    while (head < most && a[head] == b[head])
        head++;
    while (head + tail < most && a[a_n - tail - 1] == b[b_n - tail - 1])
        tail++;
    return head + tail;
}

static const DeltaMatchFile *find_named(const DeltaMatch *m, const char *path, uint64_t size)
{
    const DeltaMatchFile *best = NULL;
    size_t best_common = 0, seen = 0;

    for (const DeltaMatchFile *f = map_get(&m->names, name_of(path)); f && seen < CHAIN_MAX;
         f = f->next_named, seen++) {
        const size_t n = common(f->path, path);
        if (!is_near(f->size, size))
            continue;
        if (!best || n > best_common ||
            (n == best_common && distance(f->size, size) < distance(best->size, size))) {
            best = f;
            best_common = n;
        }
    }
    return best;
}

static const DeltaMatchFile *find_beside(const DeltaMatch *m, const char *path, uint64_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    const DeltaMatchFile *best = NULL;
    const char *name = name_of(path);
    size_t best_common = PREFIX_MIN, seen = 0;

    for (const DeltaMatchFile *f = map_get(&m->directories, directory_of(a, path)); f && seen < CHAIN_MAX;
         f = f->next_beside, seen++) {
        const size_t n = common(name_of(f->path), name);
        if (is_near(f->size, size) && 2 * n >= strlen(name) && n > best_common) {
            best = f;
            best_common = n;
        }
    }
    return best;
}

const DeltaMatchFile *delta_match_find(const DeltaMatch *m, const char *path, uint64_t size, bool *ret_same)
{
    const DeltaMatchFile *f = map_get(&m->paths, path);

    *ret_same = f != NULL;
    if (!f)
        f = find_named(m, path, size);
    return f ? f : find_beside(m, path, size);
}
