/* A registries.conf, and what it makes of some names: every place is a name again. */
#include <stdlib.h>
#include <string.h>

#include "oci/registries.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(Arena *a, const Registries *from, const char *text)
{
    ImageName name, again;
    ImagePlace *places;
    size_t n = 0;
    if (image_name_read(a, text, &name, NULL) < 0)
        abort();
    if (registries_resolve(a, from, &name, &places, &n, NULL) < 0)
        return;
    if (!n)
        abort();
    for (size_t i = 0; i < n; i++)
        if (image_name_read(a, image_name_text(a, &places[i].name), &again, NULL) < 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_buf_ Buf said = BUF_INIT;
    Source source = {.name = "input", .text = (const char *)data, .len = size};
    Registries from = {0};
    int r = registries_read(a, &source, &from, &report);
    if ((r < 0) != (report.errors > 0))
        abort();
    report_write(&report, REPORT_TEXT, &said);
    if (r < 0)
        return 0;
    check_name(a, &from, "example.com/foo/image:latest");
    check_name(a, &from, "a.b/c/d@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_name(a, &from, "x.example.org/p/q");
    return 0;
}
