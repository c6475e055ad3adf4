/* What is read of either file can be used: names that have a checksum, tries within bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "update/boot_counting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    const char *text = arena_memdup(a, data, size);
    BootFailures *f = ARENA_NEW(a, BootFailures);
    BootTrial t;

    if (boot_trial_parse(a, text, &t) == 0 &&
        (t.tries == 0 || t.tries > BOOT_TRIES_MAX || !strchr(t.deployment, '/')))
        abort();
    boot_failures_parse(a, text, f);
    for (size_t i = 0; i < f->n; i++)
        if (strlen(f->items[i].checksum) != 64 || !strstr(f->items[i].deployment, f->items[i].checksum) ||
            f->items[i].tries > BOOT_TRIES_MAX || !f->items[i].instead[0])
            abort();
    return 0;
}
