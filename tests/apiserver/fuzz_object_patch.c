/* A pair of documents [target, patch]: each kind of patch applies or is refused with a message, and the
 * target stays as it was. */
#include <stdlib.h>

#include "apiserver/object_patch.h"
#include "format/json.h"
#include "kube/kube_kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int r, const Error *e, const Node *made, const Node *target, const Node *before)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (r < 0 && !e->text[0])
        abort();
    if (r == 0)
        json_write(made, JSON_COMPACT, &b);
    if (!node_equal(target, before))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    Source source = {.name = "fuzz", .text = (const char *)data, .len = size};
    _cleanup_report_ Report report = REPORT_INIT(a);
    JsonLimits limits = {.duplicate_keys = SEVERITY_WARNING, .depth = 64, .values = 10000};
    Node *both, *made;
    if (json_read_within(a, &source, &limits, &both, &report) < 0 || both->kind != NODE_ARRAY || both->n != 2)
        return 0;
    const Node *target = both->first, *patch = both->last, *before = node_copy(a, target);
    for (int i = 0; i < 3; i++) {
        Error e = ERROR_INIT;
        int r = i == 0   ? object_patch_merge(a, target, patch, &made, &e)
                : i == 1 ? object_patch_json(a, target, patch, &made, &e)
                         : object_patch_strategic(a, &kube_pod, target, patch, &made, &e);
        check(r, &e, made, target, before);
    }
    return 0;
}
