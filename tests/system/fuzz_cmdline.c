/* The input's first line is edited with its second and third: doing it twice changes nothing more. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "system/cmdline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    char *save = NULL, *text = arena_memdup(a, data, size);
    const char *parts[3];
    for (size_t i = 0; i < ELEMENTS(parts); i++) {
        parts[i] = strtok_r(i ? NULL : text, "\n", &save);
        if (!parts[i])
            return 0;
    }
    const CmdlineEdit edit = {&parts[1], 1, &parts[2], 1};
    const CmdlineEdit drop = {NULL, 0, &parts[2], 1};
    const char *once, *twice;
    cmdline_edit(a, parts[0], &drop, &once);
    if (cmdline_edit(a, once, &drop, &twice) != 0)
        abort();
    cmdline_edit(a, parts[0], &edit, &once);
    cmdline_last(a, once, CMDLINE_QUOTED, parts[1]);
    cmdline_last(a, once, CMDLINE_PLAIN, parts[1]);
    return 0;
}
