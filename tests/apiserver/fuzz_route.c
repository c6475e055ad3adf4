/* The path of a URL. */
#include <stddef.h>
#include <stdint.h>

#include "apiserver/discovery.h"
#include "apiserver/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static KindTable *kinds;
    _cleanup_arena_ Arena *a = arena_new();
    if (!kinds)
        kinds = kind_table_new();
    const char *path = arena_memdup(a, data, size);
    Route route;
    (void)route_read(a, kinds, path, &route);
    (void)discovery_answer(a, kinds, path);
    return 0;
}
