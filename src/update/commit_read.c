/* Nothing is kept from one call to the next. */
#include "update/commit_read.h"

#include <string.h>

int commit_read(const ObjectStore *s, const uint8_t commit[OSTREE_CHECKSUM], Arena *a, OstreeCommit *ret,
                Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = object_store_read(s, OBJECT_COMMIT, commit, COMMIT_OBJECT_MAX, &text, e);

    if (r < 0)
        return r;
    r = ostree_commit_decode(a, text.data, text.len, ret);
    return r < 0 ? error_errno(e, r, "a commit of the repository") : 0;
}

int commit_read_tree(const ObjectStore *s, const uint8_t tree[OSTREE_CHECKSUM], Arena *a, OstreeTree *ret,
                     Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    int r = object_store_read(s, OBJECT_TREE, tree, COMMIT_METADATA_MAX, &text, e);

    if (r < 0)
        return r;
    r = ostree_tree_decode(a, text.data, text.len, ret);
    return r < 0 ? error_errno(e, r, "a directory of the repository") : 0;
}

int commit_find_file(const ObjectStore *s, const uint8_t tree[OSTREE_CHECKSUM], const char *path,
                     uint8_t ret[OSTREE_CHECKSUM], Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();

    for (;;) {
        OstreeTree t;
        size_t n = strcspn(path, "/");
        int r = commit_read_tree(s, tree, a, &t, e);
        if (r < 0)
            return r;
        if (!path[n]) {
            const OstreeFileRow *file = ostree_tree_file(&t, path);
            if (file)
                memcpy(ret, file->checksum, OSTREE_CHECKSUM);
            return file != NULL;
        }
        const OstreeDirectoryRow *row = ostree_tree_directory(&t, arena_memdup(a, path, n));
        if (!row)
            return 0;
        tree = row->tree;
        path += n + 1;
    }
}
