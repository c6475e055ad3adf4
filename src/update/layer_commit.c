/* The record is read whole before the tree is touched: links are looked up in what was there before the layer
 * came, and placed when it has. */
#include "update/layer_commit.h"

#include <string.h>

#include "base/map.h"
#include "format/json.h"
#include "update/commit_read.h"

#define RECORD_KEY "basalt.layer"

enum { DEPTH_MAX = 2100 /* of directories: half a path's bytes */ };

/* ---- writing ---- */

static int record_full(Error *e)
{
    return error_set(e, E2BIG,
                     "the layer has too many links to other layers, or directories that it does not "
                     "describe");
}

/* Walks all names; what the record needs is appended. */
static int record_collect(const FileTree *t, Arena *a, Node *links, Node *implied, Error *e)
{
    _cleanup_buf_ Buf path = BUF_INIT;
    FileTreeNode n = FILE_TREE_ROOT;
    size_t total = 0;

    for (; n != FILE_TREE_NONE; n = file_tree_walk(t, n)) {
        FileTreeKind kind = file_tree_kind(t, n);
        if (kind != FILE_TREE_LINK && !(kind == FILE_TREE_DIRECTORY && file_tree_implied(t, n)))
            continue;
        path.len = 0;
        buf_add(&path, "", 0);
        file_tree_path(t, n, &path);
        total += path.len + (kind == FILE_TREE_LINK ? strlen(file_tree_target(t, n)) : 0) + 16;
        if (total > LAYER_RECORD_MAX / 2)
            return record_full(e);
        const char *text = path.len ? path.data : "";
        if (kind == FILE_TREE_LINK)
            node_set_string(a, node_append(links, node_new(a, NODE_OBJECT)), text, file_tree_target(t, n));
        else
            node_append(implied, node_new_string(a, text));
    }
    return 0;
}

static int commit_put(ObjectStore *s, const OstreeCommit *c, uint8_t ret[OSTREE_CHECKSUM], Error *e)
{
    _cleanup_buf_ Buf out = BUF_INIT;

    ostree_commit_encode(c, &out);
    int r = object_store_put(s, OBJECT_COMMIT, out.data, out.len, ret, e);
    return r < 0 ? r : 0;
}

static int commit_layer(ObjectStore *s, const Node *record, const OstreeCommit *trees,
                        uint8_t ret[OSTREE_CHECKSUM], Error *e)
{
    _cleanup_buf_ Buf json = BUF_INIT;
    OstreeCommit c = *trees;

    json_write(record, JSON_COMPACT, &json);
    if (json.len > LAYER_RECORD_MAX)
        return record_full(e);
    c.metadata = (const char *[]){RECORD_KEY, json.data, NULL};
    return commit_put(s, &c, ret, e);
}

int layer_commit_files(const FileTree *t, const char *diff_id, ObjectStore *s, uint8_t ret[OSTREE_CHECKSUM],
                       Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *record = node_new(a, NODE_OBJECT);
    OstreeCommit c = {0};

    node_set_string(a, record, "diff_id", diff_id);
    Node *links = node_set(a, record, "links", node_new(a, NODE_ARRAY));
    Node *implied = node_set(a, record, "implied", node_new(a, NODE_ARRAY));
    int r = record_collect(t, a, links, implied, e);
    if (r >= 0)
        r = file_tree_store(t, s, c.tree, c.meta, e);
    return r < 0 ? r : commit_layer(s, record, &c, ret, e);
}

int layer_commit_objects(const uint8_t (*objects)[OSTREE_CHECKSUM], size_t n, const char *diff_id,
                         ObjectStore *s, uint8_t ret[OSTREE_CHECKSUM], Error *e)
{
    static const OstreeMeta plain = {.mode = S_IFDIR | 0755};
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf tree = BUF_INIT, meta = BUF_INIT;
    OstreeTree t = {.files = ARENA_ARRAY(a, OstreeFileRow, n + 1), .n_files = n};
    Node *record = node_new(a, NODE_OBJECT);
    OstreeCommit c = {0};

    for (size_t i = 0; i < n; i++) {
        char *name = arena_alloc(a, OSTREE_CHECKSUM_TEXT);
        hex_encode(objects[i], OSTREE_CHECKSUM, name);
        t.files[i].name = name;
        memcpy(t.files[i].checksum, objects[i], OSTREE_CHECKSUM);
    }
    ostree_tree_encode(&t, &tree);
    ostree_dirmeta_encode(&plain, &meta);
    node_set_string(a, record, "diff_id", diff_id);
    node_set(a, record, "objects", node_new_bool(a, true));
    int r = object_store_put(s, OBJECT_TREE, tree.data, tree.len, c.tree, e);
    if (r >= 0)
        r = object_store_put(s, OBJECT_DIRMETA, meta.data, meta.len, c.meta, e);
    return r < 0 ? r : commit_layer(s, record, &c, ret, e);
}

/* ---- reading ---- */

/* *ret stays NULL where there is no record. */
static int record_read(const OstreeCommit *c, Arena *a, const Node **ret, Error *e)
{
    static const JsonLimits limits = {.duplicate_keys = SEVERITY_ERROR, .depth = 4, .values = 1 << 20};
    _cleanup_report_ Report report = REPORT_INIT(a);
    const char *text = ostree_commit_text(c, RECORD_KEY);
    Node *root = NULL;

    *ret = NULL;
    if (!text)
        return 0;
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = RECORD_KEY, .text = text, .len = strlen(text)};
    if (source->len > LAYER_RECORD_MAX || json_read_within(a, source, &limits, &root, &report) < 0 ||
        root->kind != NODE_OBJECT)
        return error_set(e, EBADMSG, "the record of a layer of the repository is damaged");
    *ret = root;
    return 0;
}

int layer_commit_record(const ObjectStore *s, const uint8_t commit[OSTREE_CHECKSUM], Arena *a,
                        LayerRecord *ret, Error *e)
{
    OstreeCommit c;
    const Node *record;
    int r = commit_read(s, commit, a, &c, e);

    if (r >= 0)
        r = record_read(&c, a, &record, e);
    if (r < 0)
        return r;
    const Node *objects = record ? node_get(record, "objects") : NULL;
    *ret = (LayerRecord){.diff_id = record ? node_string(node_get(record, "diff_id")) : NULL,
                         .objects = objects && objects->kind == NODE_BOOL && objects->boolean};
    return 0;
}

/* ---- merging ---- */

typedef struct Link {
    const char *path;
    uint8_t checksum[OSTREE_CHECKSUM];
} Link;

typedef struct Merge {
    FileTree *into;
    const ObjectStore *store;
    bool plain;
    Arena *arena;
    Map implied;
    Link *links;
    size_t n_links;
    Buf path; /* of the directory that is merged */
    unsigned depth;
} Merge;

static int tree_fault(const Merge *m, int r, Error *e)
{
    return error_errno(e, r, "merging '/%.300s' of a layer", m->path.len ? m->path.data : "");
}

/* A name of the merged tree, or that of an object, in a layer over an encapsulated commit. */
static bool target_find(const Merge *m, const char *target, uint8_t ret[OSTREE_CHECKSUM])
{
    FileTreeNode at = file_tree_find(m->into, target);

    if (file_tree_kind(m->into, at) != FILE_TREE_FILE)
        return layer_path_object(target, ret) && object_store_has(m->store, OBJECT_FILE, ret);
    memcpy(ret, file_tree_checksum(m->into, at), OSTREE_CHECKSUM);
    return true;
}

static int links_resolve(Merge *m, const Node *record, Error *e)
{
    const Node *list = node_get(record, "links");

    if (!list || list->kind != NODE_ARRAY)
        return 0;
    m->links = ARENA_ARRAY(m->arena, Link, list->n + 1);
    NODE_EACH (n, list) {
        const char *target = n->kind == NODE_OBJECT && n->n == 1 ? node_string(n->first) : NULL;
        if (!target)
            return error_set(e, EBADMSG, "the record of a layer of the repository is damaged");
        Link *link = &m->links[m->n_links++];
        link->path = n->first->key;
        if (!target_find(m, target, link->checksum))
            return error_set(e, EBADMSG, "'%.300s' is a link to '%.300s', which is no file of a lower layer",
                             link->path, target);
    }
    return 0;
}

static void implied_read(Merge *m, const Node *record)
{
    const Node *list = node_get(record, "implied");

    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (n, list)
            if (node_string(n))
                map_put(&m->implied, n->string, (void *)n);
}

static bool is_whiteout(const Merge *m, const char *name)
{
    return !m->plain && strncmp(name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)) == 0;
}

static void whiteouts_apply(Merge *m, FileTreeNode at, const OstreeTree *t)
{
    for (size_t i = 0; i < t->n_files; i++)
        if (strcmp(t->files[i].name, WHITEOUT_OPAQUE) == 0 && !m->plain)
            file_tree_empty(m->into, at);
    for (size_t i = 0; i < t->n_files; i++) {
        if (!is_whiteout(m, t->files[i].name))
            continue;
        FileTreeNode gone = file_tree_child(m->into, at, t->files[i].name + strlen(WHITEOUT_PREFIX));
        if (gone != FILE_TREE_NONE)
            file_tree_remove(m->into, gone);
    }
}

static int files_merge(Merge *m, FileTreeNode at, const OstreeTree *t, Error *e)
{
    for (size_t i = 0; i < t->n_files; i++) {
        if (is_whiteout(m, t->files[i].name))
            continue;
        if (!object_store_has(m->store, OBJECT_FILE, t->files[i].checksum))
            return error_set(e, ENOENT, "the repository lacks the contents of '/%.300s/%s'",
                             m->path.len ? m->path.data : "", t->files[i].name);
        int r = file_tree_put_file(m->into, at, t->files[i].name, t->files[i].checksum);
        if (r < 0)
            return tree_fault(m, r, e);
    }
    return 0;
}

static int directory_merge(Merge *m, FileTreeNode at, const uint8_t tree[OSTREE_CHECKSUM], Error *e);

static int child_merge(Merge *m, FileTreeNode at, const OstreeDirectoryRow *row, Error *e)
{
    const size_t before = m->path.len;
    FileTreeNode child;

    if (!object_store_has(m->store, OBJECT_DIRMETA, row->meta))
        return error_set(e, ENOENT, "the repository lacks the attributes of '/%.300s/%s'",
                         m->path.len ? m->path.data : "", row->name);
    if (before > 0)
        buf_add_char(&m->path, '/');
    buf_add_str(&m->path, row->name);
    bool implied = map_has(&m->implied, m->path.data);
    int r = file_tree_put_directory(m->into, at, row->name, implied ? NULL : row->meta, &child);
    r = r < 0 ? tree_fault(m, r, e) : directory_merge(m, child, row->tree, e);
    m->path.len = before;
    if (m->path.data)
        m->path.data[before] = '\0';
    return r;
}

static int directory_merge(Merge *m, FileTreeNode at, const uint8_t tree[OSTREE_CHECKSUM], Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeTree t;

    if (m->depth == DEPTH_MAX)
        return tree_fault(m, -ELOOP, e);
    int r = commit_read_tree(m->store, tree, a, &t, e);
    if (r < 0)
        return r;
    if (!m->plain)
        whiteouts_apply(m, at, &t);
    r = files_merge(m, at, &t, e);
    m->depth++;
    for (size_t i = 0; r >= 0 && i < t.n_directories; i++)
        r = child_merge(m, at, &t.directories[i], e);
    m->depth--;
    return r;
}

/* Its directory is one of the layer's, so it is there by now. */
static int link_place(const Merge *m, const Link *link, Error *e)
{
    const char *slash = strrchr(link->path, '/');
    FileTreeNode parent = FILE_TREE_ROOT;

    if (slash)
        parent = file_tree_find(m->into, arena_memdup(m->arena, link->path, (size_t)(slash - link->path)));
    int r = file_tree_kind(m->into, parent) == FILE_TREE_DIRECTORY
                ? file_tree_put_file(m->into, parent, slash ? slash + 1 : link->path, link->checksum)
                : -ENOTDIR;
    return r < 0 ? error_errno(e, r, "the link '%.300s' of a layer", link->path) : 0;
}

static int merge_prepare(Merge *m, const OstreeCommit *c, Error *e)
{
    const Node *record;
    int r = record_read(c, m->arena, &record, e);

    if (r < 0 || !record)
        return r;
    implied_read(m, record);
    return links_resolve(m, record, e);
}

int layer_commit_merge(FileTree *into, const ObjectStore *s, const uint8_t commit[OSTREE_CHECKSUM],
                       bool plain, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Merge m = {.into = into, .store = s, .plain = plain, .arena = a};
    OstreeCommit c;
    int r = commit_read(s, commit, a, &c, e);

    if (r >= 0 && !plain)
        r = merge_prepare(&m, &c, e);
    if (r >= 0 && !map_has(&m.implied, "")) {
        if (object_store_has(s, OBJECT_DIRMETA, c.meta))
            file_tree_set_root(into, c.meta);
        else
            r = error_set(e, ENOENT, "the repository lacks the attributes of '/'");
    }
    if (r >= 0)
        r = directory_merge(&m, FILE_TREE_ROOT, c.tree, e);
    for (size_t i = 0; r >= 0 && i < m.n_links; i++)
        r = link_place(&m, &m.links[i], e);
    map_done(&m.implied);
    buf_done(&m.path);
    return r;
}
