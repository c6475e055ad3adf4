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

const char *commit_metadata(const OstreeCommit *c, const char *key)
{
    for (const char *const *m = c->metadata; *m; m += 2)
        if (strcmp(m[0], key) == 0)
            return m[1];
    return NULL;
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

static bool is_name(const char *name, const char *s, size_t n)
{
    return strncmp(name, s, n) == 0 && !name[n];
}

const OstreeDirectoryRow *commit_directory_in(const OstreeTree *t, const char *name, size_t n)
{
    for (size_t i = 0; i < t->n_directories; i++)
        if (is_name(t->directories[i].name, name, n))
            return &t->directories[i];
    return NULL;
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
            for (size_t i = 0; i < t.n_files; i++)
                if (is_name(t.files[i].name, path, n)) {
                    memcpy(ret, t.files[i].checksum, OSTREE_CHECKSUM);
                    return 1;
                }
            return 0;
        }
        const OstreeDirectoryRow *row = commit_directory_in(&t, path, n);
        if (!row)
            return 0;
        tree = row->tree;
        path += n + 1;
    }
}
