/* A layer of each kind from any bytes, over a small image: the archive is read, what it made is merged. The
 * first byte says which kind and in what pieces it comes. Where objects cannot be written (only root can give
 * files away) the reading alone is tried. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "update/layer_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[] = "/tmp/basalt-fuzz.XXXXXX";

static void remove_top(void)
{
    (void)tree_remove_at(AT_FDCWD, top);
}

static void repository_make(void)
{
    static bool made;
    if (made)
        return;
    if (!mkdtemp(top) || object_store_init(AT_FDCWD, top, NULL) < 0)
        abort();
    atexit(remove_top);
    made = true;
}

static void check_names(const FileTree *t)
{
    for (FileTreeNode n = file_tree_walk(t, FILE_TREE_ROOT); n != FILE_TREE_NONE; n = file_tree_walk(t, n)) {
        const char *name = file_tree_name(t, n);
        if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            strncmp(name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)) == 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_object_store_ ObjectStore *s = NULL;
    _cleanup_(layer_import_freep)
    LayerImport *l = NULL;
    _cleanup_(tar_reader_freep)
    TarReader *reader = NULL;
    uint8_t commit[OSTREE_CHECKSUM];
    LayerDropped dropped;

    if (size == 0)
        return 0;
    repository_make();
    if (object_store_open(AT_FDCWD, top, NULL, NULL, &s, NULL) < 0)
        abort();
    const LayerKind kind = (LayerKind)(data[0] % 3);
    const size_t piece = data[0] & 0x80 ? 1000 : SIZE_MAX;
    l = layer_import_new(s, kind);
    reader = tar_reader_new(&layer_import_sink, l);
    int r = 0;
    data++;
    size--;
    for (size_t n; r >= 0 && size > 0; data += n, size -= n) {
        n = size < piece ? size : piece;
        r = tar_reader_feed(reader, data, n, NULL);
    }
    if (r >= 0)
        r = tar_reader_finish(reader, NULL);
    if (r >= 0)
        r = layer_import_finish(l, "sha256:x", commit, &dropped, NULL);
    if (r >= 0 && kind != LAYER_OBJECTS) {
        FileTree *t = file_tree_new();
        r = file_tree_add_file(t, "usr/bin/sh", commit);
        if (r >= 0)
            r = layer_commit_merge(t, s, commit, false, NULL);
        if (r >= 0)
            check_names(t);
        file_tree_free(t);
    }
    return 0;
}
