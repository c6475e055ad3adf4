/* A name that could be set has its value then and no other name another one; taken away, it is gone. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "system/grub_env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    _cleanup_arena_ Arena *a = arena_new();
    char *block = arena_memdup(a, data, size);
    const char *other = grub_env_get(a, block, size, "b");
    if (grub_env_set(block, size, "a", "x\\\ny") < 0)
        return 0;
    const char *a_is = grub_env_get(a, block, size, "a"), *b_is = grub_env_get(a, block, size, "b");
    if (!a_is || strcmp(a_is, "x\\\ny") != 0 || (other == NULL) != (b_is == NULL) ||
        (other && strcmp(other, b_is) != 0))
        abort();
    /* It may be there several times. */
    for (size_t i = 0; grub_env_get(a, block, size, "a"); i++)
        if (grub_env_set(block, size, "a", NULL) != 1 || i > size)
            abort();
    return 0;
}
