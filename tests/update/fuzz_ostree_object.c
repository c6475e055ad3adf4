/* Trees, commits and metadata of directories from a repository: refused, or written again as they were read.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "update/ostree_object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeTree t, t2;
    OstreeCommit c, c2;
    OstreeMeta m, m2;

    if (ostree_tree_decode(a, data, size, &t) >= 0) {
        _cleanup_buf_ Buf b = BUF_INIT;
        ostree_tree_encode(&t, &b);
        if (ostree_tree_decode(a, b.data, b.len, &t2) < 0 || t2.n_files != t.n_files ||
            t2.n_directories != t.n_directories)
            abort();
    }
    if (ostree_commit_decode(a, data, size, &c) >= 0) {
        _cleanup_buf_ Buf b = BUF_INIT;
        ostree_commit_encode(&c, &b);
        if (ostree_commit_decode(a, b.data, b.len, &c2) < 0 || c2.timestamp != c.timestamp ||
            strcmp(c2.subject, c.subject) != 0)
            abort();
    }
    if (ostree_dirmeta_decode(a, data, size, &m) >= 0) {
        _cleanup_buf_ Buf b = BUF_INIT;
        ostree_dirmeta_encode(&m, &b);
        if (ostree_dirmeta_decode(a, b.data, b.len, &m2) < 0 || m2.mode != m.mode ||
            m2.n_xattrs != m.n_xattrs)
            abort();
    }
    return 0;
}
