/* The head, the walk that both sides share, and the old image as both see it. Numbers of the head are
 * little-endian; a digest is its text, padded with NULs. */
#include "update/delta.h"

#include <endian.h>
#include <string.h>

#include "update/commit_read.h"
#include "update/tree_path.h"

#define MAGIC "BSLTDLT1"

enum { DIGEST_FIELD = 136, MAGIC_SIZE = 8 };

/* ---- the head ---- */

static void digest_add(Buf *out, const ContentDigest *d)
{
    char field[DIGEST_FIELD] = {0};
    memcpy(field, d->text, strlen(d->text));
    buf_add(out, field, sizeof(field));
}

static void number_add(Buf *out, uint64_t v, size_t size)
{
    v = htole64(v);
    buf_add(out, &v, size);
}

void delta_head_encode(const DeltaHead *h, Buf *out)
{
    static const uint8_t none[OSTREE_CHECKSUM];

    buf_add(out, MAGIC, MAGIC_SIZE);
    digest_add(out, &h->from);
    digest_add(out, &h->to);
    buf_add(out, h->from_tree, OSTREE_CHECKSUM);
    buf_add(out, h->from_meta, OSTREE_CHECKSUM);
    buf_add(out, h->to_tree, OSTREE_CHECKSUM);
    buf_add(out, h->to_meta, OSTREE_CHECKSUM);
    buf_add(out, h->has_base ? h->base : none, OSTREE_CHECKSUM);
    number_add(out, h->content, 8);
    number_add(out, h->files, 4);
    number_add(out, h->plan, 4);
    number_add(out, h->plan_packed, 4);
}

typedef struct Reader {
    const uint8_t *at;
} Reader;

static void take(Reader *r, void *to, size_t n)
{
    memcpy(to, r->at, n);
    r->at += n;
}

static uint64_t take_number(Reader *r, size_t size)
{
    uint64_t v = 0;
    take(r, &v, size);
    return le64toh(v);
}

static int take_digest(Reader *r, ContentDigest *ret, Error *e)
{
    char field[DIGEST_FIELD];
    take(r, field, sizeof(field));
    size_t n = strnlen(field, sizeof(field));
    for (size_t i = n; i < sizeof(field); i++)
        if (field[i])
            return error_set(e, EBADMSG, "a digest with something behind it");
    return content_digest_read(field, n, ret, e) < 0 ? error_set(e, EBADMSG, "no digest of a manifest") : 0;
}

static int head_check(const DeltaHead *h, Error *e)
{
    if (h->plan > DELTA_PLAN_MAX || h->plan_packed > DELTA_PLAN_MAX || h->files > DELTA_FILES_MAX ||
        h->content > DELTA_CONTENT_MAX)
        return error_set(e, EBADMSG, "it is larger than deltas are");
    const bool empty = h->plan == 0;
    if (empty != (h->plan_packed == 0) || (empty && (h->files || h->content)))
        return error_set(e, EBADMSG, "it contradicts itself");
    return 0;
}

int delta_head_decode(const void *data, DeltaHead *ret, Error *e)
{
    static const uint8_t none[OSTREE_CHECKSUM];
    Reader in = {data};
    DeltaHead h = {0};
    char magic[MAGIC_SIZE];

    take(&in, magic, sizeof(magic));
    int r = memcmp(magic, MAGIC, MAGIC_SIZE) == 0 ? 0 : error_set(e, EBADMSG, "of no form that is known");
    if (r >= 0)
        r = take_digest(&in, &h.from, e);
    if (r >= 0)
        r = take_digest(&in, &h.to, e);
    if (r < 0)
        return r;
    take(&in, h.from_tree, OSTREE_CHECKSUM);
    take(&in, h.from_meta, OSTREE_CHECKSUM);
    take(&in, h.to_tree, OSTREE_CHECKSUM);
    take(&in, h.to_meta, OSTREE_CHECKSUM);
    take(&in, h.base, OSTREE_CHECKSUM);
    h.has_base = memcmp(h.base, none, OSTREE_CHECKSUM) != 0;
    h.content = take_number(&in, 8);
    h.files = (uint32_t)take_number(&in, 4);
    h.plan = (uint32_t)take_number(&in, 4);
    h.plan_packed = (uint32_t)take_number(&in, 4);
    if ((r = head_check(&h, e)) < 0)
        return r;
    *ret = h;
    return 0;
}

/* Of a large file what lies around the same relative place: bytes that were put in or taken out spread the
 * rest, and no more than half of the range less half a piece is lost by that. */
DeltaRange delta_base_range(uint64_t old_size, uint64_t new_size, uint64_t piece_at)
{
    if (old_size <= DELTA_BASE_MAX)
        return (DeltaRange){0, (size_t)old_size};
    const unsigned __int128 middle = (unsigned __int128)(piece_at + DELTA_PIECE / 2) * old_size / new_size;
    const uint64_t half = DELTA_BASE_MAX / 2;
    uint64_t at = middle > half ? (uint64_t)(middle - half) : 0;
    if (at > old_size - DELTA_BASE_MAX)
        at = old_size - DELTA_BASE_MAX;
    return (DeltaRange){at, DELTA_BASE_MAX};
}

/* ---- the walk ---- */

void delta_known_done(DeltaKnown *k)
{
    checksum_set_done(&k->trees);
    checksum_set_done(&k->metas);
    checksum_set_done(&k->files);
}

static int walk_files(const DeltaWalk *w, Buf *path, const OstreeTree *t, Error *e)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < t->n_files; i++) {
        const OstreeFileRow *f = &t->files[i];
        size_t length = tree_path_push(path, f->name);
        r = checksum_set_add(&w->known->files, f->checksum);
        r = r < 0 ? error_errno(e, r, "files") : w->file(w->context, path->data, f->checksum, r > 0, e);
        tree_path_pop(path, length);
    }
    return r;
}

static int walk_directory(const DeltaWalk *w, Buf *path, const OstreeDirectoryRow *d, unsigned depth,
                          Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf bytes = BUF_INIT;
    OstreeTree t;

    if (depth > REPO_DEPTH_MAX)
        return error_set(e, ELOOP, "'%.300s' lies deeper than is read", tree_path_text(path));
    int r = checksum_set_add(&w->known->metas, d->meta);
    if (r > 0)
        r = w->object(w->context, OBJECT_DIRMETA, d->meta, &bytes, e);
    if (r >= 0)
        r = checksum_set_add(&w->known->trees, d->tree);
    if (r <= 0)
        return r;
    bytes.len = 0;
    r = w->object(w->context, OBJECT_TREE, d->tree, &bytes, e);
    if (r < 0)
        return r;
    r = ostree_tree_decode(a, bytes.data, bytes.len, &t);
    if (r < 0)
        return error_errno(e, r, "the directory '%.300s'", tree_path_text(path));
    buf_done(&bytes);
    r = walk_files(w, path, &t, e);
    for (size_t i = 0; r >= 0 && i < t.n_directories; i++) {
        size_t length = tree_path_push(path, t.directories[i].name);
        r = walk_directory(w, path, &t.directories[i], depth + 1, e);
        tree_path_pop(path, length);
    }
    return r;
}

int delta_walk(const DeltaWalk *w, const uint8_t tree[OSTREE_CHECKSUM], const uint8_t meta[OSTREE_CHECKSUM],
               Error *e)
{
    _cleanup_buf_ Buf path = BUF_INIT;
    OstreeDirectoryRow root = {.name = ""};

    memcpy(root.tree, tree, OSTREE_CHECKSUM);
    memcpy(root.meta, meta, OSTREE_CHECKSUM);
    int r = walk_directory(w, &path, &root, 0, e);
    return r < 0 ? r : 0;
}

/* ---- the old image ---- */

typedef struct Reading {
    const ObjectStore *store;
    const DeltaWalk *visit;
    DeltaSource *to;
} Reading;

static int read_object(void *context, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], Buf *ret,
                       Error *e)
{
    Reading *g = context;
    int r = object_store_read(g->store, kind, checksum, COMMIT_METADATA_MAX, ret, e);
    if (r < 0 || kind != OBJECT_TREE)
        return r;
    if (ret->len > DELTA_PLAN_MAX - g->to->directories.len)
        return error_set(e, EFBIG, "the image has more than %d bytes of directories", DELTA_PLAN_MAX);
    buf_add(&g->to->directories, ret->data, ret->len);
    return 0;
}

static int read_file(void *context, const char *path, const uint8_t checksum[OSTREE_CHECKSUM], bool fresh,
                     Error *e)
{
    const Reading *g = context;
    if (fresh && !object_store_has(g->store, OBJECT_FILE, checksum))
        return error_set(e, ENOENT, "'%.300s' is not in the repository", path);
    return g->visit ? g->visit->file(g->visit->context, path, checksum, fresh, e) : 0;
}

int delta_source_read(const ObjectStore *s, const uint8_t tree[OSTREE_CHECKSUM],
                      const uint8_t meta[OSTREE_CHECKSUM], const DeltaWalk *visit, DeltaSource *ret, Error *e)
{
    Reading g = {.store = s, .visit = visit, .to = ret};
    const DeltaWalk w = {.known = &ret->known, .object = read_object, .file = read_file, .context = &g};
    int r = delta_walk(&w, tree, meta, e);
    return r < 0 ? error_wrap(e, r, "the image that the delta starts from") : 0;
}

void delta_source_done(DeltaSource *d)
{
    delta_known_done(&d->known);
    buf_done(&d->directories);
}
