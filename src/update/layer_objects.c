/* Only what is below sysroot/ostree/repo/objects counts: the names outside are links to these, and the trees
 * among them say the same. Before a file comes the entry with its attributes, as they are or as a link to
 * some that came earlier. An object's checksum is made of what came and compared with its name; what does not
 * fit ends the import, so that nothing of it is kept. Of a layer with a commit the commit is first; a layer
 * without one has files alone. */
#include "update/layer_objects.h"

#include <string.h>

#include "format/utf8.h"
#include "update/commit_read.h"

#define OBJECTS "sysroot/ostree/repo/objects/"

typedef enum Part {
    PART_NONE,
    PART_FILE,
    PART_XATTRS,
    PART_XATTRS_LINK,
    PART_TREE,
    PART_DIRMETA,
    PART_COMMIT
} Part;

static const struct {
    const char *suffix;
    Part part;
} parts[] = {
    {".file", PART_FILE},       {".file-xattrs", PART_XATTRS}, {".file-xattrs-link", PART_XATTRS_LINK},
    {".dirtree", PART_TREE},    {".dirmeta", PART_DIRMETA},    {".commit", PART_COMMIT},
    {".commitmeta", PART_NONE}, /* not covered by anything: signatures, which are another's business */
};

typedef struct Kept { /* attributes, by their own checksum */
    uint8_t checksum[OSTREE_CHECKSUM];
    const char *data;
    size_t n;
} Kept;

struct LayerObjects {
    ObjectStore *store;
    Arena *arena; /* of what is kept */
    Kept *kept;
    size_t n_kept, size_kept, kept_bytes;
    uint8_t (*files)[OSTREE_CHECKSUM];
    size_t n_files, size_files;
    bool wants_commit, has_commit;
    uint8_t commit[OSTREE_CHECKSUM];

    Part part; /* of the present entry */
    uint8_t name[OSTREE_CHECKSUM];
    Buf data;
    ObjectFile file;
    OstreeMeta meta; /* its attributes are in `entry` */
    Arena *entry;
    bool has_xattrs; /* those that came belong to next */
    uint8_t next[OSTREE_CHECKSUM];
};

LayerObjects *layer_objects_new(ObjectStore *store, bool has_commit)
{
    LayerObjects *l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    l->store = store;
    l->arena = arena_new();
    l->wants_commit = has_commit;
    l->file = OBJECT_FILE_INIT;
    return l;
}

void layer_objects_free(LayerObjects *l)
{
    if (!l)
        return;
    arena_free(l->arena);
    arena_free(l->entry);
    free(l->kept);
    free(l->files);
    buf_done(&l->data);
    object_file_done(&l->file);
    free(l);
}

static int refuse(const LayerObjects *l, const char *why, Error *e)
{
    char hex[OSTREE_CHECKSUM_TEXT];

    hex_encode(l->name, OSTREE_CHECKSUM, hex);
    return error_set(e, EBADMSG, "the layer's object %s: %s", hex, why);
}

/* ---- names ---- */

/* "XX/REST.SUFFIX", at the end of a path. */
static bool part_parse(const char *p, Part *ret_part, uint8_t ret[OSTREE_CHECKSUM])
{
    size_t n = strlen(p);

    if (n < OSTREE_CHECKSUM_TEXT || p[2] != '/')
        return false;
    for (const char *c = p; c < p + OSTREE_CHECKSUM_TEXT; c++)
        if (*c >= 'A' && *c <= 'F')
            return false;
    if (!hex_decode(p, 2, ret) || !hex_decode(p + 3, OSTREE_CHECKSUM_TEXT - 3, ret + 1))
        return false;
    for (size_t i = 0; i < ELEMENTS(parts); i++)
        if (strcmp(p + OSTREE_CHECKSUM_TEXT, parts[i].suffix) == 0) {
            *ret_part = parts[i].part;
            return true;
        }
    return false;
}

static const char *below_objects(const char *path)
{
    if (path[0] == '.' && path[1] == '/')
        path += 2;
    return strncmp(path, OBJECTS, strlen(OBJECTS)) == 0 ? path + strlen(OBJECTS) : NULL;
}

/* ---- attributes ---- */

static int kept_add(LayerObjects *l, Error *e)
{
    uint8_t is[OSTREE_CHECKSUM];
    int r = digest_bytes(DIGEST_SHA256, l->data.data, l->data.len, is, e);

    if (r < 0)
        return r;
    if (memcmp(is, l->name, OSTREE_CHECKSUM) != 0)
        return refuse(l, "its attributes do not have the checksum of their name", e);
    l->kept_bytes += l->data.len + sizeof(Kept);
    if (l->kept_bytes > LAYER_XATTRS_KEPT_MAX)
        return refuse(l, "the layer has more attributes than are taken", e);
    if (l->n_kept == l->size_kept) {
        l->size_kept = l->size_kept ? 2 * l->size_kept : 64;
        if (!(l->kept = reallocarray(l->kept, l->size_kept, sizeof(*l->kept))))
            abort();
    }
    Kept *k = &l->kept[l->n_kept++];
    memcpy(k->checksum, is, OSTREE_CHECKSUM);
    k->data = arena_memdup(l->arena, l->data.data, l->data.len);
    k->n = l->data.len;
    return 0;
}

/* Those for the file that comes next. */
static int xattrs_set(LayerObjects *l, const void *data, size_t n, Error *e)
{
    arena_free(l->entry);
    l->entry = arena_new();
    l->meta = (OstreeMeta){0};
    if (l->has_xattrs)
        return refuse(l, "its attributes come before another's file", e);
    if (ostree_xattrs_decode(l->entry, data, n, &l->meta) < 0)
        return refuse(l, "its attributes cannot be read", e);
    l->has_xattrs = true;
    memcpy(l->next, l->name, OSTREE_CHECKSUM);
    return 0;
}

static int xattrs_link(LayerObjects *l, const char *target, Error *e)
{
    size_t n = strlen(target), tail = OSTREE_CHECKSUM_TEXT + strlen(".file-xattrs");
    uint8_t checksum[OSTREE_CHECKSUM];
    Part part = PART_NONE;

    if (n < tail || !part_parse(target + n - tail, &part, checksum) || part != PART_XATTRS)
        return refuse(l, "its attributes are a link to something else", e);
    for (size_t i = l->n_kept; i-- > 0;)
        if (memcmp(l->kept[i].checksum, checksum, OSTREE_CHECKSUM) == 0)
            return xattrs_set(l, l->kept[i].data, l->kept[i].n, e);
    return refuse(l, "its attributes are not in the layer", e);
}

/* ---- entries ---- */

static int check_name(const LayerObjects *l, const uint8_t is[OSTREE_CHECKSUM], Error *e)
{
    return memcmp(is, l->name, OSTREE_CHECKSUM) == 0
               ? 0
               : refuse(l, "what came does not have the checksum of its name", e);
}

static int files_add(LayerObjects *l, Error *e)
{
    if (l->n_files == LAYER_OBJECTS_MAX)
        return refuse(l, "the layer has more objects than are taken", e);
    if (l->n_files == l->size_files) {
        l->size_files = l->size_files ? l->size_files + l->size_files / 2 : 1024;
        if (!(l->files = reallocarray(l->files, l->size_files, sizeof(*l->files))))
            abort();
    }
    memcpy(l->files[l->n_files++], l->name, OSTREE_CHECKSUM);
    return 0;
}

static int file_begin(LayerObjects *l, const TarEntry *entry, Error *e)
{
    uint8_t is[OSTREE_CHECKSUM];

    if (!l->has_xattrs || memcmp(l->next, l->name, OSTREE_CHECKSUM) != 0)
        return refuse(l, "no attributes came before it", e);
    l->has_xattrs = false;
    l->meta.uid = entry->uid;
    l->meta.gid = entry->gid;
    l->meta.mode = entry->type == TAR_FILE ? S_IFREG | entry->mode : S_IFLNK | 0777;
    int r = files_add(l, e);
    if (r < 0)
        return r;
    if (entry->type == TAR_FILE)
        return object_file_begin(&l->file, l->store, &l->meta, e);
    if (!utf8_is_valid(entry->link, strlen(entry->link)) || !*entry->link)
        return refuse(l, "a symlink to nothing, or to what is no UTF-8", e);
    r = object_store_put_symlink(l->store, &l->meta, entry->link, is, e);
    return r < 0 ? r : check_name(l, is, e);
}

static int entry_begin(LayerObjects *l, const TarEntry *entry, Error *e)
{
    const size_t max = l->part == PART_XATTRS || l->part == PART_XATTRS_LINK ? (size_t)LAYER_XATTRS_MAX
                                                                             : (size_t)COMMIT_METADATA_MAX;

    if (l->part == PART_FILE && (entry->type == TAR_FILE || entry->type == TAR_SYMLINK))
        return file_begin(l, entry, e);
    if (l->part == PART_XATTRS_LINK && entry->type == TAR_HARD_LINK)
        return xattrs_link(l, entry->link, e);
    if (entry->type != TAR_FILE)
        return refuse(l, "it is of a type that objects are not", e);
    if (entry->size > max)
        return refuse(l, "it is larger than is taken", e);
    l->data.len = 0;
    buf_add(&l->data, "", 0);
    return 0;
}

int layer_objects_entry(LayerObjects *l, const TarEntry *entry, Error *e)
{
    const char *object = below_objects(entry->path);

    l->part = PART_NONE;
    if (!object || entry->type == TAR_DIRECTORY)
        return 0;
    if (!part_parse(object, &l->part, l->name))
        return error_set(e, EBADMSG, "the layer has an entry '%.300s': no name of an object", entry->path);
    if (l->part == PART_NONE)
        return 0;
    if (l->part == PART_COMMIT ? !l->wants_commit || l->has_commit : l->wants_commit && !l->has_commit)
        return refuse(
            l, l->part == PART_COMMIT ? "a commit that is not expected" : "it comes before the commit", e);
    if (!l->wants_commit && (l->part == PART_TREE || l->part == PART_DIRMETA))
        return refuse(l, "a layer without a commit has files alone", e);
    return entry_begin(l, entry, e);
}

int layer_objects_data(LayerObjects *l, const void *data, size_t n, Error *e)
{
    if (l->part == PART_NONE)
        return 0;
    if (l->part == PART_FILE)
        return object_file_add(&l->file, data, n, e);
    buf_add(&l->data, data, n);
    return 0;
}

static int metadata_end(LayerObjects *l, Error *e)
{
    static const ObjectKind kinds[] = {
        [PART_TREE] = OBJECT_TREE, [PART_DIRMETA] = OBJECT_DIRMETA, [PART_COMMIT] = OBJECT_COMMIT};
    _cleanup_arena_ Arena *a = arena_new();
    uint8_t is[OSTREE_CHECKSUM];
    OstreeCommit commit;
    OstreeTree tree;
    OstreeMeta meta;

    int r = l->part == PART_TREE      ? ostree_tree_decode(a, l->data.data, l->data.len, &tree)
            : l->part == PART_DIRMETA ? ostree_dirmeta_decode(a, l->data.data, l->data.len, &meta)
                                      : ostree_commit_decode(a, l->data.data, l->data.len, &commit);
    if (r < 0)
        return refuse(l, "it cannot be read", e);
    r = object_store_put(l->store, kinds[l->part], l->data.data, l->data.len, is, e);
    if (r < 0 || (r = check_name(l, is, e)) < 0)
        return r;
    if (l->part == PART_COMMIT) {
        memcpy(l->commit, is, OSTREE_CHECKSUM);
        l->has_commit = true;
    }
    return 0;
}

int layer_objects_end(LayerObjects *l, Error *e)
{
    uint8_t is[OSTREE_CHECKSUM];
    int r;

    switch (l->part) {
    case PART_NONE:
        return 0;
    case PART_FILE:
        r = object_file_end(&l->file, is, e);
        return r < 0 ? r : check_name(l, is, e);
    case PART_XATTRS:
        return kept_add(l, e);
    case PART_XATTRS_LINK:
        return xattrs_set(l, l->data.data, l->data.len, e);
    default:
        return metadata_end(l, e);
    }
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, OSTREE_CHECKSUM);
}

int layer_objects_finish(LayerObjects *l, const char *diff_id, uint8_t ret[OSTREE_CHECKSUM], Error *e)
{
    if (l->has_xattrs)
        return error_set(e, EBADMSG, "the layer ends with attributes of no file");
    if (l->wants_commit && !l->has_commit)
        return error_set(e, EBADMSG, "the layer has no commit, and should");
    if (l->wants_commit) {
        memcpy(ret, l->commit, OSTREE_CHECKSUM);
        return 0;
    }
    if (l->n_files > 1)
        qsort(l->files, l->n_files, sizeof(*l->files), by_bytes);
    for (size_t i = 1; i < l->n_files; i++)
        if (memcmp(l->files[i - 1], l->files[i], OSTREE_CHECKSUM) == 0) {
            memcpy(l->name, l->files[i], OSTREE_CHECKSUM);
            return refuse(l, "it comes twice", e);
        }
    return layer_commit_objects((const uint8_t(*)[OSTREE_CHECKSUM])l->files, l->n_files, diff_id, l->store,
                                ret, e);
}
