/* Any bytes as a config: read, lifted, checked by the newest rules, merged with itself and written again.
 * What is written must be readable as the same config. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ignition/merge.h"
#include "ignition/parse.h"
#include "ignition/validate.h"

static const char *config_text(Arena *a, const IgnConfig *c)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    json_write(ign_config_to_node(a, c), JSON_COMPACT, &b);
    return arena_memdup(a, b.data, b.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source source = {.name = "fuzz", .text = (const char *)data, .len = size};
    IgnConfig *c, *again;
    if (ign_config_parse_newest(a, &source, IGN_PARSE_DUPLICATE_KEYS_OK, &c, &r) < 0) {
        if (r.errors == 0)
            abort(); /* a failure that nobody is told of */
        report_sort(&r);
        return 0;
    }
    ign_config_validate(ign_config_merge(a, c, c), NULL, &r);

    Source second = {.name = "again", .text = config_text(a, c)};
    second.len = strlen(second.text);
    if (ign_config_parse(a, &second, IGN_PARSE_STRICT, &again, &r) < 0 ||
        strcmp(config_text(a, again), second.text) != 0)
        abort();
    return 0;
}
