/* Any text: what is accepted must come out of every translation as a text that is accepted again, in the
 * version that it says. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ignition/parse.h"
#include "ignition/translate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_parse(const IgnConfig *c, IgnVersion version)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    _cleanup_buf_ Buf text = BUF_INIT, told = BUF_INIT;
    Source source = {.name = "result"};
    IgnConfig *again = NULL;

    json_write(ign_config_to_node(a, c), JSON_COMPACT, &text);
    source.text = text.data;
    source.len = text.len;
    if (ign_config_parse(a, &source, IGN_PARSE_STRICT, &again, &r) == 0 && again->version == version)
        return;
    report_write(&r, REPORT_IGNITION, &told);
    fprintf(stderr, "%s\n%s", text.data, told.data ? told.data : "");
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    const Source source = {.name = "input", .text = arena_memdup(a, data, size), .len = size};
    IgnConfig *c = NULL, *newest = NULL, *lowered = NULL;

    if (ign_config_parse(a, &source, IGN_PARSE_DUPLICATE_KEYS_OK, &c, &r) < 0 ||
        ign_config_lift(a, c, &newest, &r) < 0)
        return 0;
    must_parse(newest, IGN_NEWEST);
    for (int v = IGN_2_2; v <= IGN_NEWEST; v++)
        if (ign_config_lower(a, newest, v, &lowered, &r) == 0)
            must_parse(lowered, v);
    return 0;
}
