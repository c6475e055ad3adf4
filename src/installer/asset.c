/* Values of assets, and the questions about the table that need no store. */
#include "installer/asset.h"

#include <string.h>

AssetFile *asset_value_add(Arena *a, AssetValue *v, const char *path, const void *data, size_t n)
{
    AssetFile *files = ARENA_ARRAY(a, AssetFile, v->n + 1);
    size_t at = 0;

    while (at < v->n && strcmp(v->files[at].path, path) < 0)
        at++;
    if (v->n) {
        memcpy(files, v->files, at * sizeof(*files));
        memcpy(files + at + 1, v->files + at, (v->n - at) * sizeof(*files));
    }
    files[at] = (AssetFile){.path = arena_strdup(a, path), .data = arena_memdup(a, data, n), .len = n};
    v->files = files;
    v->n++;
    return &files[at];
}

const AssetFile *asset_value_file(const AssetValue *v, const char *path)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->files[i].path, path) == 0)
            return &v->files[i];
    return NULL;
}

bool asset_value_equal(const AssetValue *a, const AssetValue *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->files[i].path, b->files[i].path) != 0 || a->files[i].len != b->files[i].len ||
            memcmp(a->files[i].data, b->files[i].data, a->files[i].len) != 0)
            return false;
    return true;
}

const Asset *asset_find(const char *name)
{
    for (size_t i = 0; i < asset_count(); i++)
        if (strcmp(asset_at(i)->name, name) == 0)
            return asset_at(i);
    return NULL;
}

void asset_graph_write(Buf *out)
{
    buf_add_str(out, "digraph G {\n  rankdir=LR;\n");
    for (const AssetTarget *t = asset_targets; t->name; t++) {
        buf_addf(out, "  \"Target %s\" [shape=box];\n", t->name);
        for (const char *const *name = t->assets; *name; name++)
            buf_addf(out, "  \"Target %s\" -> \"%s\";\n", t->name, *name);
    }
    for (size_t i = 0; i < asset_count(); i++)
        for (const char *const *name = asset_at(i)->parents; name && *name; name++)
            buf_addf(out, "  \"%s\" -> \"%s\";\n", asset_at(i)->name, *name);
    buf_add_str(out, "}\n");
}
