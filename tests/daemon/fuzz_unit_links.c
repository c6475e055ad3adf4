/* The text of a unit, as anybody's config has it. */
#include <stddef.h>
#include <stdint.h>

#include "daemon/unit_links.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const units[] = {"a.service", "t@.service", "t@x.service", "@", "x@.", "."};
    _cleanup_arena_ Arena *a = arena_new();
    const char *text = arena_memdup(a, data, size);
    for (size_t i = 0; i < ELEMENTS(units); i++) {
        _cleanup_(string_list_done)
        StringList also = {0};
        UnitLinks links;
        Error e = ERROR_INIT;
        (void)unit_links_wanted(a, units[i], "/f", text, &links, &also, &e);
    }
    return 0;
}
