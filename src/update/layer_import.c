/* An entry is named (layer_path.h), then goes by its type. A file's attributes are copied, since they are
 * wanted until its end; its object has its name in the repository when the last byte has come, and only then
 * gets one in the tree. What lies in a repository inside is read as any file and kept aside, for links from
 * outside of it to find. */
#include "update/layer_import.h"

#include <string.h>

#include "format/utf8.h"
#include "update/commit_read.h"
#include "update/layer_objects.h"

enum { XATTRS_MAX = 256 };

struct LayerImport {
    ObjectStore *store;
    LayerObjects *objects; /* of the other kind of layers; NULL: of files */
    FileTree *tree, *repository;
    const uint8_t *expected; /* a dirtree's checksum; NULL: none */
    LayerDropped dropped;

    Buf path, link; /* of the present entry */
    LayerPath kind;
    bool skipping; /* its bytes go nowhere */
    ObjectFile file;
    OstreeMeta meta;
    OstreeXattr xattrs[XATTRS_MAX];
    Buf xattr_text;
};

LayerImport *layer_import_new(ObjectStore *store, LayerKind kind)
{
    LayerImport *l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    l->store = store;
    l->file = OBJECT_FILE_INIT;
    if (kind != LAYER_FILES) {
        l->objects = layer_objects_new(store, kind == LAYER_COMMIT);
        return l;
    }
    l->tree = file_tree_new();
    l->repository = file_tree_new();
    return l;
}

void layer_import_free(LayerImport *l)
{
    if (!l)
        return;
    layer_objects_free(l->objects);
    file_tree_free(l->tree);
    file_tree_free(l->repository);
    object_file_done(&l->file);
    buf_done(&l->path);
    buf_done(&l->link);
    buf_done(&l->xattr_text);
    free(l);
}

void layer_import_expect(LayerImport *l, const uint8_t *tree)
{
    l->expected = tree;
}

static int refuse(const LayerImport *l, const char *why, Error *e)
{
    return error_set(e, EBADMSG, "the layer has an entry '%.300s': %s", l->path.data, why);
}

/* What the tree says to a name. */
static int named(const LayerImport *l, int r, Error *e)
{
    switch (r) {
    case -ENOTDIR:
        return refuse(l, "one of its directories is none in this layer", e);
    case -EISDIR:
        return refuse(l, "it is a directory in this layer", e);
    case -EEXIST:
        return refuse(l, "it is no directory in this layer", e);
    case -E2BIG:
        return error_set(e, E2BIG, "the layer has more names than can be taken");
    default:
        return r;
    }
}

/* ---- attributes ---- */

static bool xattr_wanted(const char *name)
{
    return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0 ||
           strcmp(name, "security.ima") == 0;
}

/* Names and values one after the other; the pointers when the text has stopped moving. */
static void xattrs_copy(LayerImport *l, const TarEntry *entry)
{
    size_t n = 0, at = 0;

    l->xattr_text.len = 0;
    for (size_t i = 0; i < entry->n_xattrs; i++) {
        const TarXattr *x = &entry->xattrs[i];
        if (entry->type == TAR_SYMLINK || !xattr_wanted(x->name)) {
            l->dropped.xattrs++;
            continue;
        }
        buf_add(&l->xattr_text, x->name, strlen(x->name) + 1);
        buf_add(&l->xattr_text, x->value, x->n);
        l->xattrs[n++].n = x->n;
    }
    for (size_t i = 0; i < n; i++) {
        l->xattrs[i].name = l->xattr_text.data + at;
        at += strlen(l->xattrs[i].name) + 1;
        l->xattrs[i].value = l->xattr_text.data + at;
        at += l->xattrs[i].n;
    }
    ostree_xattrs_sort(l->xattrs, n);
    l->meta.xattrs = l->xattrs;
    l->meta.n_xattrs = n;
}

static int meta_read(LayerImport *l, const TarEntry *entry, Error *e)
{
    static const uint32_t types[] = {
        [TAR_FILE] = S_IFREG, [TAR_SYMLINK] = S_IFLNK, [TAR_DIRECTORY] = S_IFDIR};

    if (entry->n_xattrs > XATTRS_MAX)
        return refuse(l, "it has too many extended attributes", e);
    xattrs_copy(l, entry);
    l->meta.uid = entry->uid;
    l->meta.gid = entry->gid;
    l->meta.mode = types[entry->type] | (entry->type == TAR_SYMLINK ? 0777 : entry->mode);
    return 0;
}

/* ---- entries of each type ---- */

static FileTree *tree_of(LayerImport *l)
{
    return l->kind == LAYER_PATH_REPOSITORY ? l->repository : l->tree;
}

static int add_directory(LayerImport *l, Error *e)
{
    _cleanup_buf_ Buf meta = BUF_INIT;
    uint8_t checksum[OSTREE_CHECKSUM];
    const char *name = strrchr(l->path.data, '/');

    name = name ? name + 1 : l->path.data;
    if (strncmp(name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)) == 0)
        return refuse(l, "a directory with the name of a whiteout", e);
    ostree_dirmeta_encode(&l->meta, &meta);
    int r = object_store_put(l->store, OBJECT_DIRMETA, meta.data, meta.len, checksum, e);
    return r < 0 ? r : named(l, file_tree_add_directory(tree_of(l), l->path.data, checksum), e);
}

static int add_symlink(LayerImport *l, const char *target, Error *e)
{
    uint8_t checksum[OSTREE_CHECKSUM];

    if (!*target || !utf8_is_valid(target, strlen(target)))
        return refuse(l, "a symlink to nothing, or to what is no UTF-8", e);
    int r = object_store_put_symlink(l->store, &l->meta, target, checksum, e);
    return r < 0 ? r : named(l, file_tree_add_file(tree_of(l), l->path.data, checksum), e);
}

static int add_hard_link(LayerImport *l, const TarEntry *entry, Error *e)
{
    uint8_t checksum[OSTREE_CHECKSUM];
    int kind = layer_path_read(entry->link, &l->link, e);

    if (kind < 0)
        return error_wrap(e, kind, "the target of the link '%.300s'", l->path.data);
    const FileTree *from = kind == LAYER_PATH_REPOSITORY ? l->repository : l->tree;
    FileTreeNode target = file_tree_find(from, l->link.data);
    switch (file_tree_kind(from, target)) {
    case FILE_TREE_DIRECTORY:
        return refuse(l, "a hard link to a directory", e);
    case FILE_TREE_FILE:
        memcpy(checksum, file_tree_checksum(from, target), OSTREE_CHECKSUM);
        return named(l, file_tree_add_file(tree_of(l), l->path.data, checksum), e);
    case FILE_TREE_LINK:
        l->link.len = 0;
        buf_add_str(&l->link, file_tree_target(from, target));
        break;
    case FILE_TREE_NOTHING:
        break;
    }
    return named(l, file_tree_add_link(tree_of(l), l->path.data, l->link.data), e);
}

/* That the earlier one cannot be found is no reason to fail. */
static int add_file(LayerImport *l, uint64_t size, Error *e)
{
    uint8_t checksum[OSTREE_CHECKSUM];
    int r = object_file_begin(&l->file, l->store, &l->meta, e);

    if (r >= 0 && size > OBJECT_IN_MEMORY && l->expected &&
        commit_find_file(l->store, l->expected, l->path.data, checksum, NULL) > 0)
        object_file_expect(&l->file, checksum);
    return r;
}

static uint64_t *count_of(LayerImport *l, const TarEntry *entry)
{
    switch (l->kind) {
    case LAYER_PATH_RUNTIME:
        return &l->dropped.runtime;
    case LAYER_PATH_OTHER:
        return &l->dropped.other;
    case LAYER_PATH_REPOSITORY:
    case LAYER_PATH_KEPT:
        break;
    }
    return entry->type == TAR_FIFO                                                  ? &l->dropped.fifos
           : entry->type == TAR_CHARACTER_DEVICE || entry->type == TAR_BLOCK_DEVICE ? &l->dropped.devices
                                                                                    : NULL;
}

static int entry_take(LayerImport *l, const TarEntry *entry, Error *e)
{
    switch (entry->type) {
    case TAR_HARD_LINK:
        return add_hard_link(l, entry, e);
    case TAR_DIRECTORY:
        return add_directory(l, e);
    case TAR_SYMLINK:
        return add_symlink(l, entry->link, e);
    default:
        return add_file(l, entry->size, e);
    }
}

static int take_entry(void *context, const TarEntry *entry, Error *e)
{
    LayerImport *l = context;

    if (l->objects)
        return layer_objects_entry(l->objects, entry, e);
    int r = layer_path_read(entry->path, &l->path, e);
    if (r < 0)
        return r;
    l->kind = (LayerPath)r;
    uint64_t *dropped = count_of(l, entry);
    l->skipping = dropped != NULL;
    if (dropped) {
        (*dropped)++;
        return 0;
    }
    if (l->path.len == 0 && entry->type != TAR_DIRECTORY)
        return error_set(e, EBADMSG, "the layer has an entry for the root that is no directory");
    if (l->kind == LAYER_PATH_REPOSITORY && entry->type != TAR_DIRECTORY)
        l->dropped.repository++;
    r = entry->type == TAR_HARD_LINK ? 0 : meta_read(l, entry, e);
    return r < 0 ? r : entry_take(l, entry, e);
}

static int take_data(void *context, const void *data, size_t n, Error *e)
{
    LayerImport *l = context;

    if (l->objects)
        return layer_objects_data(l->objects, data, n, e);
    return l->skipping ? 0 : object_file_add(&l->file, data, n, e);
}

static int take_end(void *context, Error *e)
{
    LayerImport *l = context;
    uint8_t checksum[OSTREE_CHECKSUM];

    if (l->objects)
        return layer_objects_end(l->objects, e);
    if (l->skipping)
        return 0;
    int r = object_file_end(&l->file, checksum, e);
    if (r < 0)
        return error_wrap(e, r, "'%.300s'", l->path.data);
    return named(l, file_tree_add_file(tree_of(l), l->path.data, checksum), e);
}

const TarSink layer_import_sink = {.entry = take_entry, .data = take_data, .end = take_end};

int layer_import_finish(LayerImport *l, const char *diff_id, uint8_t ret[OSTREE_CHECKSUM],
                        LayerDropped *dropped, Error *e)
{
    *dropped = l->dropped;
    return l->objects ? layer_objects_finish(l->objects, diff_id, ret, e)
                      : layer_commit_files(l->tree, diff_id, l->store, ret, e);
}
