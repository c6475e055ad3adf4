/* Any text: the reader ends, and a config that it gives can be used. */
#include <stdint.h>
#include <string.h>

#include "installer/install_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source source = {.name = "fuzz", .text = arena_memdup(a, data, size), .len = size, .secret = true};
    InstallConfig *c;

    if (install_config_read(a, &source, SEVERITY_WARNING, &c, &r) == 0 && (!c->cluster_domain || r.errors))
        abort();
    return 0;
}
