/* An origin file that is read is written back as it was, but for a last line break. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "update/origin.h"
#include "update/os_release.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;
    const char *text = arena_memdup(a, data, size);
    Origin o;

    (void)os_release_parse(a, text, "PRETTY_NAME");
    if (origin_parse(a, "f", text, size, &o, NULL) < 0)
        return 0;
    origin_encode(&o, &b);
    if (b.len < size || b.len > size + 1 || (size && memcmp(b.data, text, size) != 0))
        abort();
    if (strpbrk(text, "\v\f") || origin_set(&o, "g", "k", text) < 0)
        return 0;
    b.len = 0;
    origin_encode(&o, &b);
    const char *value = origin_get(&o, "g", "k");
    Origin again;
    if (origin_parse(a, "f", b.data, b.len, &again, NULL) < 0)
        return 0;
    const char *back = origin_get(&again, "g", "k");
    /* Spaces at the end of a value do not survive, in GLib's files neither. */
    if (!back || strncmp(back, value, strlen(back)) != 0 ||
        strspn(value + strlen(back), " \t\v\f") < strlen(value + strlen(back)))
        abort();
    return 0;
}
