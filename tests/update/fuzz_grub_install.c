/* moddep.lst out of somebody's image: refused, or names that are names, each once, with nothing missing. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "update/grub_install.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    const char *text = arena_memdup(a, data, size), **names;
    size_t n;

    (void)grub_console_text(a, text);
    if (grub_module_needs(a, text, "linux", &names, &n, NULL) < 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (!*names[i] || strpbrk(names[i], "/. \t\n"))
            abort();
        for (size_t k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0)
                abort();
    }
    return 0;
}
