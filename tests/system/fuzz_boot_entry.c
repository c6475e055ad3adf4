/* What can be parsed keeps its meaning when its options are written back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "system/boot_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > BOOT_ENTRY_SIZE_MAX)
        return 0;
    _cleanup_arena_ Arena *a = arena_new();
    BootEntry b, again;
    if (boot_entry_parse(a, "f.conf", (const char *)data, size, &b, NULL) < 0)
        return 0;
    const char *text = boot_entry_with_options(a, &b, "x=\"1 2\" y");
    if (boot_entry_parse(a, "f.conf", text, strlen(text), &again, NULL) < 0 ||
        strcmp(again.options, "x=\"1 2\" y") != 0 || strcmp(again.linux_image, b.linux_image) != 0)
        abort();
    _cleanup_buf_ Buf out = BUF_INIT;
    boot_entry_encode(&b, &out);
    if (boot_entry_parse(a, "f.conf", out.data, out.len, &again, NULL) < 0 ||
        strcmp(again.options, b.options) != 0 || strcmp(again.rest, b.rest) != 0 ||
        strcmp(again.linux_image, b.linux_image) != 0)
        abort();
    return 0;
}
