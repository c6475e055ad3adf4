/* A word a line, read as options of both kinds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "system/luks_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    const char *words[64];
    size_t n = 0;
    for (char *line = arena_memdup(a, data, size); line && n < ELEMENTS(words);) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        words[n++] = line;
        line = end;
    }
    for (unsigned which = LUKS_FOR_FORMAT; which <= LUKS_FOR_OPEN; which++) {
        _cleanup_(string_list_done)
        StringList problems = {0};
        LuksOptions o = {0};
        luks_options_read(a, which, words, n, &o, &problems);
        if (!problems.n && (o.key_size > 4096 || o.key_slot > 32 || o.sector_size > 4096))
            abort();
    }
    return 0;
}
