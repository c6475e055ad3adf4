/* What is read must come back the same through both writers. */
#include <stdlib.h>
#include <string.h>

#include "format/json.h"
#include "format/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(Arena *a, const Node *tree, bool as_json)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    if (as_json)
        json_write(tree, JSON_COMPACT, &text);
    else
        yaml_write(tree, false, &text);
    Source source = {.name = "again", .text = text.data, .len = text.len};
    _cleanup_report_ Report report = REPORT_INIT(a);
    Node *again;
    int r = (as_json ? json_read : yaml_read)(a, &source, SEVERITY_ERROR, &again, &report);
    if (r < 0 || !node_equal(tree, again)) {
        fprintf(stderr, "%s:\n%.*s\n", as_json ? "JSON" : "YAML", (int)text.len, text.data);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    Source source = {.name = "input", .text = (const char *)data, .len = size};
    Node *list = NULL;
    _cleanup_buf_ Buf out = BUF_INIT;
    int r = yaml_read_all(a, &source, SEVERITY_WARNING, &list, &report);
    if ((r < 0) != (report.errors > 0))
        abort();
    report_write(&report, REPORT_TEXT, &out);
    if (r < 0)
        return 0;
    NODE_EACH (tree, list) {
        check_round_trip(a, tree, true);
        check_round_trip(a, tree, false);
    }
    return 0;
}
