/* Whatever is read must be written again to the same tree; whatever is refused must say so in every form. */
#include <stdlib.h>
#include <string.h>

#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_reports(const Report *r)
{
    for (ReportFormat f = REPORT_IGNITION; f <= REPORT_SARIF; f++) {
        _cleanup_buf_ Buf out = BUF_INIT;
        report_write(r, f, &out);
    }
}

static void check_round_trip(Arena *a, const Node *tree, JsonStyle style)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    json_write(tree, style, &text);
    Source source = {.name = "again", .text = text.data, .len = text.len};
    _cleanup_report_ Report report = REPORT_INIT(a);
    Node *again;
    if (json_read(a, &source, SEVERITY_ERROR, &again, &report) < 0 || !node_equal(tree, again))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    Source source = {.name = "input", .text = (const char *)data, .len = size};
    Node *tree = NULL;
    int r = json_read(a, &source, SEVERITY_WARNING, &tree, &report);
    if ((r < 0) != (report.errors > 0))
        abort();
    write_reports(&report);
    if (r < 0)
        return 0;
    check_round_trip(a, tree, JSON_COMPACT);
    check_round_trip(a, tree, JSON_PRETTY);
    return 0;
}
