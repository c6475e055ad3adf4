/* A file of registries.d: what it says of an image is a URL that can be put together. */
#include <stdlib.h>
#include <string.h>

#include "oci/registries_d.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_buf_ Buf said = BUF_INIT;
    Source source = {.name = "input", .text = (const char *)data, .len = size};
    RegistriesD from = {0};
    ImageName name;
    int r = registries_d_read(a, &source, &from, &report);
    if ((r < 0) != (report.errors > 0))
        abort();
    report_write(&report, REPORT_TEXT, &said);
    if (r < 0)
        return 0;
    if (image_name_read(a, "quay.io/a/os:1", &name, NULL) < 0)
        abort();
    const char *url = registries_d_lookaside(a, &from, &name);
    if (!strstr(url, "://") || strpbrk(url, "\r\n ?#"))
        abort();
    (void)registries_d_attachments(a, &from, &name);
    return 0;
}
