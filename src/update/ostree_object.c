/* GVariant in the five shapes that OSTree needs; containers are gvariant.h's. */
#include "update/ostree_object.h"

#include <endian.h>
#include <string.h>
#include <sys/stat.h>

#include "update/gvariant.h"

bool ostree_checksum_read(const char *text, uint8_t ret[OSTREE_CHECKSUM])
{
    return strlen(text) == 2 * OSTREE_CHECKSUM && hex_decode(text, 2 * OSTREE_CHECKSUM, ret);
}

/* ---- containers, written ---- */

static void be32_add(Buf *out, uint32_t v)
{
    v = htobe32(v);
    buf_add(out, &v, sizeof(v));
}

/* a(ayay) */
static void xattrs_add(Buf *out, const OstreeMeta *m)
{
    size_t start = out->len;
    _cleanup_free_ size_t *ends = calloc(m->n_xattrs + 1, sizeof(*ends));
    if (!ends)
        abort();
    for (size_t i = 0; i < m->n_xattrs; i++) {
        size_t element = out->len;
        gvariant_text_add(out, m->xattrs[i].name);
        size_t name_end = out->len;
        buf_add(out, m->xattrs[i].value, m->xattrs[i].n);
        gvariant_offsets_add(out, element, &name_end, 1);
        ends[i] = out->len;
    }
    gvariant_offsets_add(out, start, ends, m->n_xattrs);
}

static int xattr_order(const void *a, const void *b)
{
    return strcmp(((const OstreeXattr *)a)->name, ((const OstreeXattr *)b)->name);
}

void ostree_xattrs_sort(OstreeXattr *xattrs, size_t n)
{
    if (n > 1)
        qsort(xattrs, n, sizeof(*xattrs), xattr_order);
}

void ostree_dirmeta_encode(const OstreeMeta *m, Buf *out)
{
    be32_add(out, m->uid);
    be32_add(out, m->gid);
    be32_add(out, m->mode);
    xattrs_add(out, m);
}

/* (uuuusa(ayay)) behind its length and four bytes of padding. */
void ostree_file_header(const OstreeMeta *m, const char *target, Buf *out)
{
    _cleanup_buf_ Buf b = BUF_INIT;

    be32_add(&b, m->uid);
    be32_add(&b, m->gid);
    be32_add(&b, m->mode);
    be32_add(&b, 0); /* rdev */
    gvariant_text_add(&b, target ? target : "");
    size_t target_end = b.len;
    xattrs_add(&b, m);
    gvariant_offsets_add(&b, 0, &target_end, 1);
    be32_add(out, (uint32_t)b.len);
    be32_add(out, 0);
    buf_add(out, b.data, b.len);
}

/* (a(say)a(sayay)) */
void ostree_tree_encode(const OstreeTree *t, Buf *out)
{
    size_t start = out->len, most = t->n_files > t->n_directories ? t->n_files : t->n_directories;
    _cleanup_free_ size_t *ends = calloc(most + 1, sizeof(*ends));
    if (!ends)
        abort();
    for (size_t i = 0; i < t->n_files; i++) {
        size_t element = out->len;
        gvariant_text_add(out, t->files[i].name);
        size_t name_end = out->len;
        buf_add(out, t->files[i].checksum, OSTREE_CHECKSUM);
        gvariant_offsets_add(out, element, &name_end, 1);
        ends[i] = out->len;
    }
    gvariant_offsets_add(out, start, ends, t->n_files);
    size_t files_end = out->len;
    for (size_t i = 0; i < t->n_directories; i++) {
        const OstreeDirectoryRow *d = &t->directories[i];
        size_t element = out->len, inner[2];
        gvariant_text_add(out, d->name);
        inner[1] = out->len;
        buf_add(out, d->tree, OSTREE_CHECKSUM);
        inner[0] = out->len;
        buf_add(out, d->meta, OSTREE_CHECKSUM);
        gvariant_offsets_add(out, element, inner, 2);
        ends[i] = out->len;
    }
    gvariant_offsets_add(out, files_end, ends, t->n_directories);
    gvariant_offsets_add(out, start, &files_end, 1);
}

/* a{sv}, every value a text. */
static void metadata_add(Buf *out, const char *const *metadata)
{
    GvariantDict d;

    gvariant_dict_begin(&d, out);
    for (const char *const *m = metadata; m && *m; m += 2)
        gvariant_dict_add_text(&d, m[0], m[1]);
    gvariant_dict_done(&d);
}

/* (a{sv}aya(say)sstayay) */
void ostree_commit_encode(const OstreeCommit *c, Buf *out)
{
    size_t start = out->len, ends[6];
    uint64_t timestamp = htobe64(c->timestamp);

    metadata_add(out, c->metadata);
    ends[5] = out->len;
    if (c->parent)
        buf_add(out, c->parent, OSTREE_CHECKSUM);
    ends[4] = out->len;
    ends[3] = out->len; /* related objects: none, ever */
    gvariant_text_add(out, c->subject ? c->subject : "");
    ends[2] = out->len;
    gvariant_text_add(out, c->body ? c->body : "");
    ends[1] = out->len;
    gvariant_pad(out, start, 8);
    buf_add(out, &timestamp, sizeof(timestamp));
    buf_add(out, c->tree, OSTREE_CHECKSUM);
    ends[0] = out->len;
    buf_add(out, c->meta, OSTREE_CHECKSUM);
    gvariant_offsets_add(out, start, ends, 6);
}

/* ---- containers, read ---- */

/* Sorted, no name twice. */
int ostree_xattrs_decode(Arena *a, const void *data, size_t n, OstreeMeta *ret)
{
    const GvariantBytes b = {data, n};
    size_t count, offsets, at = 0, name_end;
    GvariantBytes element;

    if (gvariant_array_open(b, &count, &offsets) < 0)
        return -EBADMSG;
    OstreeXattr *list = ARENA_ARRAY(a, OstreeXattr, count + 1);
    for (size_t i = 0; i < count; i++) {
        if (gvariant_array_next(b, offsets, i, &at, &element) < 0 ||
            gvariant_tuple_offset(element, 0, 1, 0, &name_end) < 0)
            return -EBADMSG;
        list[i].name = gvariant_text(a, (GvariantBytes){element.data, name_end});
        list[i].n = element.n - gvariant_width(element.n) - name_end;
        list[i].value = arena_memdup(a, element.data + name_end, list[i].n);
        if (!list[i].name || !list[i].name[0] || (i > 0 && strcmp(list[i - 1].name, list[i].name) >= 0))
            return -EBADMSG;
    }
    ret->xattrs = list;
    ret->n_xattrs = count;
    return 0;
}

static uint32_t be32_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

int ostree_dirmeta_decode(Arena *a, const void *data, size_t n, OstreeMeta *ret)
{
    enum { NUMBERS = 3 * sizeof(uint32_t) };
    const uint8_t *p = data;
    OstreeMeta m = {0};

    if (n < NUMBERS)
        return -EBADMSG;
    m.uid = be32_at(p);
    m.gid = be32_at(p + sizeof(uint32_t));
    m.mode = be32_at(p + 2 * sizeof(uint32_t));
    if (!S_ISDIR(m.mode) || (m.mode & ~(uint32_t)(S_IFMT | 07777)) ||
        ostree_xattrs_decode(a, p + NUMBERS, n - NUMBERS, &m) < 0)
        return -EBADMSG;
    *ret = m;
    return 0;
}

static bool is_file_name(const char *s)
{
    return s && s[0] && !strchr(s, '/') && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

static int file_row_decode(Arena *a, GvariantBytes b, OstreeFileRow *ret)
{
    size_t name_end;

    if (gvariant_tuple_offset(b, 0, 1, 0, &name_end) < 0 ||
        b.n - gvariant_width(b.n) - name_end != OSTREE_CHECKSUM)
        return -EBADMSG;
    ret->name = gvariant_text(a, (GvariantBytes){b.data, name_end});
    memcpy(ret->checksum, b.data + name_end, OSTREE_CHECKSUM);
    return is_file_name(ret->name) ? 0 : -EBADMSG;
}

static int directory_row_decode(Arena *a, GvariantBytes b, OstreeDirectoryRow *ret)
{
    size_t name_end, tree_end;

    if (gvariant_tuple_offset(b, 0, 2, 0, &name_end) < 0 ||
        gvariant_tuple_offset(b, 1, 2, name_end, &tree_end) < 0 || tree_end - name_end != OSTREE_CHECKSUM ||
        b.n - 2 * gvariant_width(b.n) - tree_end != OSTREE_CHECKSUM)
        return -EBADMSG;
    ret->name = gvariant_text(a, (GvariantBytes){b.data, name_end});
    memcpy(ret->tree, b.data + name_end, OSTREE_CHECKSUM);
    memcpy(ret->meta, b.data + tree_end, OSTREE_CHECKSUM);
    return is_file_name(ret->name) ? 0 : -EBADMSG;
}

/* A name stands once in a tree, whatever it is of. */
static bool names_are_apart(const OstreeTree *t)
{
    size_t i = 0, k = 0;

    while (i < t->n_files && k < t->n_directories) {
        int order = strcmp(t->files[i].name, t->directories[k].name);
        if (order == 0)
            return false;
        if (order < 0)
            i++;
        else
            k++;
    }
    return true;
}

int ostree_tree_decode(Arena *a, const void *data, size_t n, OstreeTree *ret)
{
    const GvariantBytes b = {data, n};
    OstreeTree t = {0};
    size_t files_end, offsets, at = 0;
    GvariantBytes element;

    if (gvariant_tuple_offset(b, 0, 1, 0, &files_end) < 0)
        return -EBADMSG;
    const GvariantBytes files = {b.data, files_end};
    const GvariantBytes directories = {b.data + files_end, b.n - gvariant_width(b.n) - files_end};
    if (gvariant_array_open(files, &t.n_files, &offsets) < 0)
        return -EBADMSG;
    t.files = ARENA_ARRAY(a, OstreeFileRow, t.n_files + 1);
    for (size_t i = 0; i < t.n_files; i++)
        if (gvariant_array_next(files, offsets, i, &at, &element) < 0 ||
            file_row_decode(a, element, &t.files[i]) < 0 ||
            (i > 0 && strcmp(t.files[i - 1].name, t.files[i].name) >= 0))
            return -EBADMSG;
    at = 0;
    if (gvariant_array_open(directories, &t.n_directories, &offsets) < 0)
        return -EBADMSG;
    t.directories = ARENA_ARRAY(a, OstreeDirectoryRow, t.n_directories + 1);
    for (size_t i = 0; i < t.n_directories; i++)
        if (gvariant_array_next(directories, offsets, i, &at, &element) < 0 ||
            directory_row_decode(a, element, &t.directories[i]) < 0 ||
            (i > 0 && strcmp(t.directories[i - 1].name, t.directories[i].name) >= 0))
            return -EBADMSG;
    if (!names_are_apart(&t))
        return -EBADMSG;
    *ret = t;
    return 0;
}

static int file_row_order(const void *key, const void *row)
{
    return strcmp(key, ((const OstreeFileRow *)row)->name);
}

static int directory_row_order(const void *key, const void *row)
{
    return strcmp(key, ((const OstreeDirectoryRow *)row)->name);
}

const OstreeFileRow *ostree_tree_file(const OstreeTree *t, const char *name)
{
    return t->n_files > 0 ? bsearch(name, t->files, t->n_files, sizeof(*t->files), file_row_order) : NULL;
}

const OstreeDirectoryRow *ostree_tree_directory(const OstreeTree *t, const char *name)
{
    return t->n_directories > 0
               ? bsearch(name, t->directories, t->n_directories, sizeof(*t->directories), directory_row_order)
               : NULL;
}

/* One entry of a{sv}; 1 when its value is a text. */
static int entry_decode(Arena *a, GvariantBytes b, const char **ret_key, const char **ret_value)
{
    GvariantBytes value;
    const char *type;
    int r = gvariant_entry(a, b, ret_key, &value, &type);

    if (r < 0 || strcmp(type, "s") != 0)
        return r;
    *ret_value = gvariant_text(a, value);
    return *ret_value ? 1 : -EBADMSG;
}

static int metadata_decode(Arena *a, GvariantBytes b, const char *const **ret)
{
    size_t n, offsets, at = 0, k = 0;
    GvariantBytes element;

    if (gvariant_array_open(b, &n, &offsets) < 0)
        return -EBADMSG;
    const char **list = ARENA_ARRAY(a, const char *, 2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        at = (at + 7) & ~(size_t)7;
        int r = gvariant_array_next(b, offsets, i, &at, &element);
        if (r >= 0)
            r = entry_decode(a, element, &list[k], &list[k + 1]);
        if (r < 0)
            return r;
        k += r > 0 ? 2 : 0;
    }
    list[k] = NULL;
    *ret = list;
    return 0;
}

int ostree_commit_decode(Arena *a, const void *data, size_t n, OstreeCommit *ret)
{
    const GvariantBytes b = {data, n};
    size_t ends[6], from = 0, width = gvariant_width(n);
    OstreeCommit c = {0};

    for (size_t i = 0; i < 6; i++) {
        if (gvariant_tuple_offset(b, i, 6, from, &ends[i]) < 0)
            return -EBADMSG;
        from = ends[i];
    }
    size_t timestamp = (ends[4] + 7) & ~(size_t)7, tree = timestamp + sizeof(uint64_t),
           parent = ends[1] - ends[0];
    if (ends[5] < tree || ends[5] - tree != OSTREE_CHECKSUM || n - 6 * width - ends[5] != OSTREE_CHECKSUM ||
        (parent != 0 && parent != OSTREE_CHECKSUM))
        return -EBADMSG;
    if (metadata_decode(a, (GvariantBytes){b.data, ends[0]}, &c.metadata) < 0)
        return -EBADMSG;
    if (parent)
        c.parent = (const uint8_t *)arena_memdup(a, b.data + ends[0], parent);
    c.subject = gvariant_text(a, (GvariantBytes){b.data + ends[2], ends[3] - ends[2]});
    c.body = gvariant_text(a, (GvariantBytes){b.data + ends[3], ends[4] - ends[3]});
    memcpy(&c.timestamp, b.data + timestamp, sizeof(c.timestamp));
    c.timestamp = be64toh(c.timestamp);
    memcpy(c.tree, b.data + tree, OSTREE_CHECKSUM);
    memcpy(c.meta, b.data + ends[5], OSTREE_CHECKSUM);
    if (!c.subject || !c.body)
        return -EBADMSG;
    *ret = c;
    return 0;
}

const char *ostree_commit_text(const OstreeCommit *c, const char *key)
{
    for (const char *const *m = c->metadata; *m; m += 2)
        if (strcmp(m[0], key) == 0)
            return m[1];
    return NULL;
}
