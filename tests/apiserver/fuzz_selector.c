/* Selectors of both kinds are read, or refused with a message; what was read can be matched. */
#include <stdlib.h>

#include "apiserver/selector.h"
#include "kube/kube_kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    const char *text = arena_memdup(a, data, size);
    Node *labels = node_new(a, NODE_OBJECT);
    Selector *s;
    FieldSelector *f;
    Error e = ERROR_INIT;

    node_set_string(a, labels, "a", "1");
    if (selector_read(a, text, &s, &e) == 0)
        (void)selector_matches(s, labels);
    else if (!e.text[0])
        abort();
    e = ERROR_INIT;
    if (field_selector_read(a, &kube_pod, text, &f, &e) == 0)
        (void)field_selector_matches(f, labels);
    else if (!e.text[0])
        abort();
    return 0;
}
