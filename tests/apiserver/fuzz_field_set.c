/* A FieldsV1 is read or refused; what was read is written to a form that reads to itself, and is what is left
 * of it and another one put together. */
#include <stdlib.h>

#include "apiserver/field_set.h"
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *context, const char *path)
{
    (void)path;
    (*(size_t *)context)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    Source source = {.name = "fuzz", .text = (const char *)data, .len = size};
    _cleanup_report_ Report r = REPORT_INIT(a);
    JsonLimits limits = {.duplicate_keys = SEVERITY_ERROR, .depth = 300, .values = 10000};
    Node *n;
    FieldSet *s, *again;
    Error e = ERROR_INIT;
    size_t paths = 0;
    if (json_read_within(a, &source, &limits, &n, &r) < 0 || r.errors)
        return 0;
    if (field_set_read(a, n, &s, &e) < 0) {
        if (!e.text[0])
            abort();
        return 0;
    }
    Node *written = field_set_write(a, s);
    if (field_set_read(a, written, &again, NULL) < 0 || !node_equal(field_set_write(a, again), written))
        abort();
    if (!field_set_empty(field_set_without(a, s, again)) ||
        !node_equal(field_set_write(a, field_set_both(a, s, again)), written) ||
        !node_equal(field_set_write(a, field_set_union(a, s, again)), written))
        abort();
    field_set_each(a, s, count, &paths);
    if (!paths != field_set_empty(s))
        abort();
    return 0;
}
