/* A regular file, whole; its findings have no position. */
#include "format/source.h"

#include <string.h>

#include "base/file.h"

int source_load(Arena *a, int root, const char *path, size_t max, const Source **ret, Report *r)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    Source *source = ARENA_NEW(a, Source);
    int k = root_read(root, path, max, &text);

    if (k == -ENOENT)
        return k;
    *source = (Source){.name = arena_printf(a, "/%s", path + (*path == '/'))};
    if (k < 0) {
        report_add_at(r, SEVERITY_ERROR, source, 0, 0, "it cannot be read: %s", strerror(-k));
        return k;
    }
    source->text = arena_memdup(a, text.len ? text.data : "", text.len);
    source->len = text.len;
    *ret = source;
    return 0;
}
