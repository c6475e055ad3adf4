/* What is read is written to a normal form that reads back to itself, and none of its parts leads out of a
 * path or a URL. */
#include <stdlib.h>
#include <string.h>

#include "oci/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const ImageName *n)
{
    if (strpbrk(n->registry, "/@?#%\\ ") || strpbrk(n->repository, ":@?#%\\ ") ||
        strstr(n->repository, "..") || strstr(n->repository, "//") ||
        (n->tag && strpbrk(n->tag, "/:@?#%\\ ")) || (!n->tag && !n->digest))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    const char *text = arena_memdup(a, data, size);
    ImageReference r, again;
    Error e = ERROR_INIT;
    if (image_reference_read(a, text, &r, &e) < 0) {
        if (!e.code || !e.text[0])
            abort();
        return 0;
    }
    if (r.transport == TRANSPORT_REGISTRY)
        check_name(&r.name);
    const char *normal = image_reference_text(a, &r);
    if (image_reference_read(a, normal, &again, NULL) < 0 ||
        strcmp(image_reference_text(a, &again), normal) || again.transport != r.transport ||
        again.scheme != r.scheme)
        abort();
    return 0;
}
