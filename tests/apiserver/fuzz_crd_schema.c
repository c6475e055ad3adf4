/* A pair [schema, object]: the schema is read or refused with findings; what it made of an object stays so
 * when it is made again. */
#include <stdlib.h>

#include "apiserver/crd_schema.h"
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    Source source = {.name = "fuzz", .text = (const char *)data, .len = size};
    _cleanup_report_ Report syntax = REPORT_INIT(a), r = REPORT_INIT(a);
    JsonLimits limits = {.duplicate_keys = SEVERITY_WARNING, .depth = 64, .values = 10000};
    Node *both;
    CrdSchema *s;
    if (json_read_within(a, &source, &limits, &both, &syntax) < 0 || both->kind != NODE_ARRAY || both->n != 2)
        return 0;
    if (crd_schema_read(a, both->first, &s, &r) < 0) {
        if (!r.errors)
            abort();
        return 0;
    }
    Node *object = node_copy(a, both->last);
    crd_schema_apply(a, s, object);
    Node *again = node_copy(a, object);
    crd_schema_apply(a, s, again);
    if (!node_equal(object, again))
        abort();
    crd_schema_validate(s, object, &r);
    return 0;
}
