/* Nodes are numbers into one array, children a list, names offsets into one text; a hash of parent and name
 * finds a child. Nothing is ever taken out: a name that goes becomes one that stands for nothing, and gets
 * its life back when the name comes again, so that neither list nor hash needs mending. Memory is bounded by
 * the two maxima and grows by halves. */
#include "update/file_tree.h"

#include <string.h>
#include <sys/random.h>

typedef struct Node {
    uint32_t parent, next,
        first; /* next of the parent's children; first child, also of what was a directory */
    uint32_t name;
    uint8_t kind; /* FileTreeKind */
    bool implied;
    union {
        uint8_t checksum[OSTREE_CHECKSUM];
        uint32_t target; /* of a link */
    };
} Node;

struct FileTree {
    Node *nodes;
    uint32_t n, size;
    char *names;
    uint32_t names_n, names_size;
    uint32_t *slots; /* node numbers, FILE_TREE_NONE: free; n_slots is a power of two */
    uint32_t n_slots;
    uint64_t seed; /* of the hash: who makes an image does not know it */
};

FileTree *file_tree_new(void)
{
    FileTree *t = calloc(1, sizeof(*t));
    if (!t)
        abort();
    t->size = 64;
    t->names_size = 1024;
    if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) < 0)
        t->seed = (uintptr_t)t;
    t->n_slots = 128;
    t->nodes = calloc(t->size, sizeof(*t->nodes));
    t->names = calloc(1, t->names_size);
    t->slots = malloc(t->n_slots * sizeof(*t->slots));
    if (!t->nodes || !t->names || !t->slots)
        abort();
    memset(t->slots, 0xff, t->n_slots * sizeof(*t->slots));
    t->nodes[FILE_TREE_ROOT] = (Node){.parent = FILE_TREE_NONE,
                                      .next = FILE_TREE_NONE,
                                      .first = FILE_TREE_NONE,
                                      .kind = FILE_TREE_DIRECTORY,
                                      .implied = true};
    t->n = 1;
    t->names_n = 1; /* offset 0 is the empty name */
    return t;
}

void file_tree_free(FileTree *t)
{
    if (!t)
        return;
    free(t->nodes);
    free(t->names);
    free(t->slots);
    free(t);
}

/* ---- finding ---- */

static uint32_t hash_of(const FileTree *t, uint32_t parent, const char *name, size_t n)
{
    uint64_t h = t->seed ^ parent * UINT64_C(0x9e3779b97f4a7c15);

    for (size_t i = 0; i < n; i++) {
        h = (h ^ (unsigned char)name[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return (uint32_t)(h ^ h >> 32);
}

static bool is_named(const FileTree *t, uint32_t node, uint32_t parent, const char *name, size_t n)
{
    const Node *x = &t->nodes[node];
    return x->parent == parent && strncmp(t->names + x->name, name, n) == 0 && !t->names[x->name + n];
}

/* The slot of the name, or the free one where it would be. */
static uint32_t slot_of(const FileTree *t, uint32_t parent, const char *name, size_t n)
{
    uint32_t i = hash_of(t, parent, name, n) & (t->n_slots - 1);

    while (t->slots[i] != FILE_TREE_NONE && !is_named(t, t->slots[i], parent, name, n))
        i = (i + 1) & (t->n_slots - 1);
    return i;
}

static FileTreeNode child_of(const FileTree *t, FileTreeNode parent, const char *name, size_t n)
{
    FileTreeNode x = t->slots[slot_of(t, parent, name, n)];
    return x != FILE_TREE_NONE && t->nodes[x].kind == FILE_TREE_NOTHING ? FILE_TREE_NONE : x;
}

FileTreeNode file_tree_child(const FileTree *t, FileTreeNode parent, const char *name)
{
    return child_of(t, parent, name, strlen(name));
}

FileTreeNode file_tree_find(const FileTree *t, const char *path)
{
    FileTreeNode x = FILE_TREE_ROOT;

    while (*path && x != FILE_TREE_NONE) {
        size_t n = strcspn(path, "/");
        x = child_of(t, x, path, n);
        path += n + (path[n] == '/');
    }
    return x;
}

static FileTreeNode living(const FileTree *t, uint32_t n)
{
    while (n != FILE_TREE_NONE && t->nodes[n].kind == FILE_TREE_NOTHING)
        n = t->nodes[n].next;
    return n;
}

FileTreeNode file_tree_first(const FileTree *t, FileTreeNode parent)
{
    return t->nodes[parent].kind == FILE_TREE_DIRECTORY ? living(t, t->nodes[parent].first) : FILE_TREE_NONE;
}

FileTreeNode file_tree_next(const FileTree *t, FileTreeNode n)
{
    return living(t, t->nodes[n].next);
}

FileTreeNode file_tree_walk(const FileTree *t, FileTreeNode n)
{
    FileTreeNode x = file_tree_first(t, n);

    while (x == FILE_TREE_NONE && n != FILE_TREE_ROOT) {
        x = file_tree_next(t, n);
        n = t->nodes[n].parent;
    }
    return x;
}

FileTreeKind file_tree_kind(const FileTree *t, FileTreeNode n)
{
    return n == FILE_TREE_NONE ? FILE_TREE_NOTHING : (FileTreeKind)t->nodes[n].kind;
}

const char *file_tree_name(const FileTree *t, FileTreeNode n)
{
    return t->names + t->nodes[n].name;
}

const uint8_t *file_tree_checksum(const FileTree *t, FileTreeNode n)
{
    return t->nodes[n].checksum;
}

const char *file_tree_target(const FileTree *t, FileTreeNode n)
{
    return t->names + t->nodes[n].target;
}

bool file_tree_implied(const FileTree *t, FileTreeNode n)
{
    return t->nodes[n].implied;
}

void file_tree_path(const FileTree *t, FileTreeNode n, Buf *out)
{
    if (n == FILE_TREE_ROOT)
        return;
    if (t->nodes[n].parent != FILE_TREE_ROOT) {
        file_tree_path(t, t->nodes[n].parent, out);
        buf_add_char(out, '/');
    }
    buf_add_str(out, file_tree_name(t, n));
}

/* ---- changing ---- */

static void *grow(void *p, uint32_t *size, uint32_t most, size_t element)
{
    uint32_t larger = *size + *size / 2 > most ? most : *size + *size / 2;
    void *q = reallocarray(p, larger, element);
    if (!q)
        abort();
    *size = larger;
    return q;
}

static void rehash(FileTree *t)
{
    uint32_t n = 2 * t->n_slots;

    free(t->slots);
    t->slots = malloc(n * sizeof(*t->slots));
    if (!t->slots)
        abort();
    memset(t->slots, 0xff, n * sizeof(*t->slots));
    t->n_slots = n;
    for (uint32_t i = 1; i < t->n; i++) {
        const char *name = t->names + t->nodes[i].name;
        t->slots[slot_of(t, t->nodes[i].parent, name, strlen(name))] = i;
    }
}

/* Keeps a text; -E2BIG. */
static int text_keep(FileTree *t, const char *s, size_t n, uint32_t *ret)
{
    if (n >= FILE_TREE_NAMES_MAX - t->names_n)
        return -E2BIG;
    while (t->names_size - t->names_n < n + 1)
        t->names = grow(t->names, &t->names_size, FILE_TREE_NAMES_MAX, 1);
    memcpy(t->names + t->names_n, s, n);
    t->names[t->names_n + n] = '\0';
    *ret = t->names_n;
    t->names_n += (uint32_t)n + 1;
    return 0;
}

/* The node of the name, which may stand for nothing. */
static int node_of(FileTree *t, FileTreeNode parent, const char *name, size_t n, FileTreeNode *ret)
{
    uint32_t slot = slot_of(t, parent, name, n);
    Node x = {.parent = parent, .first = FILE_TREE_NONE, .kind = FILE_TREE_NOTHING};

    if (t->slots[slot] != FILE_TREE_NONE) {
        *ret = t->slots[slot];
        return 0;
    }
    if (t->n == FILE_TREE_NODES_MAX)
        return -E2BIG;
    int r = text_keep(t, name, n, &x.name);
    if (r < 0)
        return r;
    if (t->n == t->size)
        t->nodes = grow(t->nodes, &t->size, FILE_TREE_NODES_MAX, sizeof(*t->nodes));
    if (4 * (uint64_t)t->n >= 3 * (uint64_t)t->n_slots) {
        rehash(t);
        slot = slot_of(t, parent, name, n);
    }
    x.next = t->nodes[parent].first;
    t->nodes[parent].first = t->n;
    t->nodes[t->n] = x;
    t->slots[slot] = t->n;
    *ret = t->n++;
    return 0;
}

/* Below a name that stands for nothing all does: who takes one away takes its children first, by walking down
 * and up again without a call, however deep it is. */
void file_tree_empty(FileTree *t, FileTreeNode top)
{
    FileTreeNode x = file_tree_first(t, top);
    FileTreeNode at = top;

    for (;;) {
        if (x == FILE_TREE_NONE) {
            if (at == top)
                return;
            t->nodes[at].kind = FILE_TREE_NOTHING;
            x = file_tree_next(t, at);
            at = t->nodes[at].parent;
        } else if (t->nodes[x].kind == FILE_TREE_DIRECTORY) {
            at = x;
            x = file_tree_first(t, x);
        } else {
            t->nodes[x].kind = FILE_TREE_NOTHING;
            x = file_tree_next(t, x);
        }
    }
}

void file_tree_remove(FileTree *t, FileTreeNode n)
{
    if (t->nodes[n].kind == FILE_TREE_DIRECTORY)
        file_tree_empty(t, n);
    t->nodes[n].kind = FILE_TREE_NOTHING;
}

int file_tree_put_file(FileTree *t, FileTreeNode parent, const char *name,
                       const uint8_t checksum[OSTREE_CHECKSUM])
{
    FileTreeNode n;
    int r = node_of(t, parent, name, strlen(name), &n);

    if (r < 0)
        return r;
    file_tree_remove(t, n);
    t->nodes[n].kind = FILE_TREE_FILE;
    memcpy(t->nodes[n].checksum, checksum, OSTREE_CHECKSUM);
    return 0;
}

static void make_directory(FileTree *t, FileTreeNode n)
{
    file_tree_remove(t, n);
    t->nodes[n].kind = FILE_TREE_DIRECTORY;
    t->nodes[n].implied = true;
}

static void set_meta(FileTree *t, FileTreeNode n, const uint8_t dirmeta[OSTREE_CHECKSUM])
{
    memcpy(t->nodes[n].checksum, dirmeta, OSTREE_CHECKSUM);
    t->nodes[n].implied = false;
}

void file_tree_set_root(FileTree *t, const uint8_t dirmeta[OSTREE_CHECKSUM])
{
    set_meta(t, FILE_TREE_ROOT, dirmeta);
}

int file_tree_put_directory(FileTree *t, FileTreeNode parent, const char *name,
                            const uint8_t dirmeta[OSTREE_CHECKSUM], FileTreeNode *ret)
{
    FileTreeNode n;
    int r = node_of(t, parent, name, strlen(name), &n);

    if (r < 0)
        return r;
    if (t->nodes[n].kind != FILE_TREE_DIRECTORY)
        make_directory(t, n);
    if (dirmeta)
        set_meta(t, n, dirmeta);
    *ret = n;
    return 0;
}

/* The node of a path, its parents made. */
static int node_of_path(FileTree *t, const char *path, FileTreeNode *ret)
{
    FileTreeNode at = FILE_TREE_ROOT;
    int r;

    for (;;) {
        size_t n = strcspn(path, "/");
        if ((r = node_of(t, at, path, n, ret)) < 0 || !path[n])
            return r;
        at = *ret;
        if (t->nodes[at].kind == FILE_TREE_NOTHING)
            make_directory(t, at);
        if (t->nodes[at].kind != FILE_TREE_DIRECTORY)
            return -ENOTDIR;
        path += n + 1;
    }
}

int file_tree_add_file(FileTree *t, const char *path, const uint8_t checksum[OSTREE_CHECKSUM])
{
    FileTreeNode n;
    int r = *path ? node_of_path(t, path, &n) : -EISDIR;

    if (r < 0)
        return r;
    if (t->nodes[n].kind == FILE_TREE_DIRECTORY)
        return -EISDIR;
    t->nodes[n].kind = FILE_TREE_FILE;
    memcpy(t->nodes[n].checksum, checksum, OSTREE_CHECKSUM);
    return 0;
}

int file_tree_add_link(FileTree *t, const char *path, const char *target)
{
    FileTreeNode n;
    uint32_t text;
    int r = *path ? node_of_path(t, path, &n) : -EISDIR;

    if (r >= 0 && t->nodes[n].kind == FILE_TREE_DIRECTORY)
        r = -EISDIR;
    if (r >= 0)
        r = text_keep(t, target, strlen(target), &text);
    if (r < 0)
        return r;
    t->nodes[n].kind = FILE_TREE_LINK;
    t->nodes[n].target = text;
    return 0;
}

int file_tree_add_directory(FileTree *t, const char *path, const uint8_t dirmeta[OSTREE_CHECKSUM])
{
    FileTreeNode n = FILE_TREE_ROOT;
    int r = *path ? node_of_path(t, path, &n) : 0;

    if (r < 0)
        return r;
    if (t->nodes[n].kind == FILE_TREE_NOTHING)
        make_directory(t, n);
    if (t->nodes[n].kind != FILE_TREE_DIRECTORY)
        return -EEXIST;
    set_meta(t, n, dirmeta);
    return 0;
}

/* ---- storing ---- */

typedef struct Store {
    const FileTree *tree;
    ObjectStore *store;
    uint8_t implied[OSTREE_CHECKSUM]; /* dirmeta */
} Store;

static int file_order(const void *a, const void *b)
{
    return strcmp(((const OstreeFileRow *)a)->name, ((const OstreeFileRow *)b)->name);
}

static int directory_order(const void *a, const void *b)
{
    return strcmp(((const OstreeDirectoryRow *)a)->name, ((const OstreeDirectoryRow *)b)->name);
}

static void rows_allocate(const FileTree *t, FileTreeNode n, OstreeTree *rows)
{
    for (FileTreeNode x = file_tree_first(t, n); x != FILE_TREE_NONE; x = file_tree_next(t, x)) {
        rows->n_files += t->nodes[x].kind == FILE_TREE_FILE;
        rows->n_directories += t->nodes[x].kind == FILE_TREE_DIRECTORY;
    }
    rows->files = calloc(rows->n_files + 1, sizeof(*rows->files));
    rows->directories = calloc(rows->n_directories + 1, sizeof(*rows->directories));
    if (!rows->files || !rows->directories)
        abort();
    rows->n_files = rows->n_directories = 0;
}

/* As deep as paths may be, TAR_PATH_MAX / 2. */
static int store_directory(const Store *s, FileTreeNode n, uint8_t ret[OSTREE_CHECKSUM], Error *e)
{
    const FileTree *t = s->tree;
    _cleanup_buf_ Buf out = BUF_INIT;
    OstreeTree rows = {0};
    int r = 0;

    rows_allocate(t, n, &rows);
    for (FileTreeNode x = file_tree_first(t, n); r >= 0 && x != FILE_TREE_NONE; x = file_tree_next(t, x)) {
        const Node *node = &t->nodes[x];
        if (node->kind == FILE_TREE_FILE) {
            OstreeFileRow *row = &rows.files[rows.n_files++];
            row->name = t->names + node->name;
            memcpy(row->checksum, node->checksum, OSTREE_CHECKSUM);
        } else if (node->kind == FILE_TREE_DIRECTORY) {
            OstreeDirectoryRow *row = &rows.directories[rows.n_directories++];
            row->name = t->names + node->name;
            memcpy(row->meta, node->implied ? s->implied : node->checksum, OSTREE_CHECKSUM);
            r = store_directory(s, x, row->tree, e);
        }
    }
    if (rows.n_files > 1)
        qsort(rows.files, rows.n_files, sizeof(*rows.files), file_order);
    if (rows.n_directories > 1)
        qsort(rows.directories, rows.n_directories, sizeof(*rows.directories), directory_order);
    if (r >= 0) {
        ostree_tree_encode(&rows, &out);
        r = object_store_put(s->store, OBJECT_TREE, out.data, out.len, ret, e);
    }
    free(rows.files);
    free(rows.directories);
    return r < 0 ? r : 0;
}

int file_tree_store(const FileTree *t, ObjectStore *store, uint8_t ret_tree[OSTREE_CHECKSUM],
                    uint8_t ret_meta[OSTREE_CHECKSUM], Error *e)
{
    static const OstreeMeta plain = {.mode = S_IFDIR | 0755};
    Store s = {.tree = t, .store = store};
    _cleanup_buf_ Buf meta = BUF_INIT;

    ostree_dirmeta_encode(&plain, &meta);
    int r = object_store_put(store, OBJECT_DIRMETA, meta.data, meta.len, s.implied, e);
    if (r >= 0)
        r = store_directory(&s, FILE_TREE_ROOT, ret_tree, e);
    if (r < 0)
        return r;
    memcpy(ret_meta, t->nodes[FILE_TREE_ROOT].implied ? s.implied : t->nodes[FILE_TREE_ROOT].checksum,
           OSTREE_CHECKSUM);
    return 0;
}
