/* A path on the first line, a document behind it: read or refused with a message, and walked. */
#include <stdlib.h>
#include <string.h>

#include "apiserver/json_path.h"
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    char *text = arena_memdup(a, data, size), *line = strchr(text, '\n');
    JsonPath *p;
    Error e = ERROR_INIT;
    Node *root = node_new(a, NODE_OBJECT);
    _cleanup_report_ Report r = REPORT_INIT(a);
    if (line) {
        Source source = {.name = "fuzz", .text = line + 1, .len = strlen(line + 1)};
        *line = '\0';
        (void)json_read(a, &source, SEVERITY_WARNING, &root, &r);
    }
    if (json_path_read(a, text, &p, &e) == 0)
        (void)json_path_first(p, root);
    else if (!e.text[0])
        abort();
    return 0;
}
