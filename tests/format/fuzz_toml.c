/* Whatever is read can be written as JSON and is the same tree again; whatever is refused says so once. */
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "format/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a), second = REPORT_INIT(a);
    _cleanup_buf_ Buf text = BUF_INIT, said = BUF_INIT;
    Source source = {.name = "input", .text = (const char *)data, .len = size};
    Node *tree = NULL, *again = NULL;
    int r = toml_read(a, &source, &tree, &report);
    if ((r < 0) != (report.errors == 1))
        abort();
    report_write(&report, REPORT_TEXT, &said);
    if (r < 0)
        return 0;
    json_write(tree, JSON_COMPACT, &text);
    Source written = {.name = "again", .text = text.data, .len = text.len};
    if (json_read(a, &written, SEVERITY_ERROR, &again, &second) < 0 || !node_equal(tree, again))
        abort();
    return 0;
}
