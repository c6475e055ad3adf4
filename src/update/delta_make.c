/* The old image is read with the paths of its files, the new one walked: that makes the plan. Then the head,
 * which says how large the plan is, the plan, and the contents in the order that the plan gives them. An old
 * file of the same path is always taken for one to start from; another only when a quick try shows that it
 * helps, since what starts from none is packed together with its like. */
#include "update/delta_make.h"

#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "format/patch.h"
#include "update/commit_read.h"
#include "update/delta_match.h"
#include "update/file_meta.h"

enum {
    SMALL = 128,     /* not worth a frame of its own */
    LEAST_GAIN = 10, /* percent that another file must save */
    NOT_WORTH = 97,  /* a piece that a quick try leaves so large, in percent, cannot be packed */
};

typedef struct NewFile {
    uint8_t checksum[OSTREE_CHECKSUM];
    uint64_t size;
    uint32_t base; /* 1 + number of the old file; 0: none */
} NewFile;

typedef struct Making {
    const ObjectStore *store;
    const DeltaMakeOptions *options;
    Patcher *patcher;
    Arena *arena;
    DeltaMatch match;
    DeltaSource old;
    DeltaHead head;
    DeltaCounts counts;
    Buf plan, frame, bytes, base;
    NewFile *list;
    size_t n, size;
} Making;

/* ---- files of the repository ---- */

static int file_place(const Making *m, const uint8_t checksum[OSTREE_CHECKSUM], struct stat *ret, Error *e)
{
    return object_store_stat(m->store, checksum, ret, e);
}

static int file_part(const Making *m, const uint8_t checksum[OSTREE_CHECKSUM], DeltaRange range, Buf *ret,
                     Error *e)
{
    _cleanup_close_ int fd = repo_open_file(object_store_directory(m->store), checksum);
    int r = fd < 0 ? fd : 0;

    ret->len = 0;
    if (r >= 0)
        r = file_read_part(fd, buf_reserve(ret, range.n), range.n, range.at);
    if (r < 0)
        return error_errno(e, r, "reading a file of the repository");
    ret->len = range.n;
    return 0;
}

static DeltaRange piece_range(uint64_t size, uint64_t at)
{
    return (DeltaRange){at, size - at < DELTA_PIECE ? (size_t)(size - at) : DELTA_PIECE};
}

/* ---- which file is made out of which ---- */

static int old_file(void *context, const char *path, const uint8_t checksum[OSTREE_CHECKSUM], bool fresh,
                    Error *e)
{
    Making *m = context;
    struct stat st;
    int r = file_place(m, checksum, &st, e);

    (void)fresh;
    if (r < 0)
        return r;
    if (S_ISREG(st.st_mode) && st.st_size > 0)
        delta_match_add(&m->match, path, (uint32_t)checksum_set_find(&m->old.known.files, checksum),
                        (uint64_t)st.st_size);
    return 0;
}

/* The first piece, with it and without. */
static int helps(Making *m, const NewFile *f, const DeltaMatchFile *old, Error *e)
{
    const PatchBytes none = {NULL, 0};
    int r = file_part(m, f->checksum, piece_range(f->size, 0), &m->bytes, e);

    if (r >= 0)
        r = file_part(m, m->old.known.files.rows[old->number], delta_base_range(old->size, f->size, 0),
                      &m->base, e);
    if (r < 0)
        return r;
    const PatchBytes bytes = {m->bytes.data, m->bytes.len}, base = {m->base.data, m->base.len};
    m->frame.len = 0;
    r = patcher_make(m->patcher, PATCH_LEVEL_QUICK, base, bytes, &m->frame, e);
    const size_t with = m->frame.len;
    m->frame.len = 0;
    if (r >= 0)
        r = patcher_make(m->patcher, PATCH_LEVEL_QUICK, none, bytes, &m->frame, e);
    return r < 0 ? r : with * 100 < m->frame.len * (100 - LEAST_GAIN);
}

static int base_find(Making *m, const char *path, NewFile *f, Error *e)
{
    bool same;
    const DeltaMatchFile *old = f->size < SMALL ? NULL : delta_match_find(&m->match, path, f->size, &same);

    if (!old)
        return 0;
    int r = same ? 1 : helps(m, f, old, e);
    if (r > 0)
        f->base = old->number + 1;
    return r;
}

/* ---- the plan ---- */

static void number_add(Buf *out, uint64_t v)
{
    for (; v > 0x7f; v >>= 7)
        buf_add_char(out, (char)(v | 0x80));
    buf_add_char(out, (char)v);
}

static void bytes_add(Buf *out, const void *data, size_t n)
{
    number_add(out, n);
    buf_add(out, data, n);
}

static int too_much(Error *e)
{
    return error_set(e, EFBIG, "the images have more between them than one delta takes");
}

static int new_object(void *context, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], Buf *ret,
                      Error *e)
{
    Making *m = context;
    int r = object_store_read(m->store, kind, checksum, COMMIT_METADATA_MAX, ret, e);

    if (r < 0)
        return r;
    m->counts.objects++;
    bytes_add(&m->plan, ret->data, ret->len);
    return m->plan.len > DELTA_PLAN_MAX ? too_much(e) : 0;
}

static void list_add(Making *m, const NewFile *f)
{
    if (m->n == m->size) {
        m->size = m->size ? 2 * m->size : 256;
        if (!(m->list = reallocarray(m->list, m->size, sizeof(*m->list))))
            abort();
    }
    m->list[m->n++] = *f;
}

static int regular_add(Making *m, const char *path, const uint8_t checksum[OSTREE_CHECKSUM], uint64_t size,
                       Error *e)
{
    NewFile f = {.size = size};

    memcpy(f.checksum, checksum, OSTREE_CHECKSUM);
    int r = base_find(m, path, &f, e);
    if (r < 0)
        return r;
    number_add(&m->plan, f.size);
    number_add(&m->plan, f.base);
    m->head.content += f.size;
    m->counts.files++;
    m->counts.patched += f.base > 0;
    list_add(m, &f);
    return m->head.content > DELTA_CONTENT_MAX ? too_much(e) : 0;
}

static int new_file(void *context, const char *path, const uint8_t checksum[OSTREE_CHECKSUM], bool fresh,
                    Error *e)
{
    Making *m = context;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf meta_bytes = BUF_INIT;
    char name[OBJECT_NAME_SIZE], place[OBJECT_PLACE_SIZE];
    const char *target;
    OstreeMeta meta;
    struct stat st;

    if (!fresh)
        return 0;
    if (m->options->cancelled && m->options->cancelled(m->options->context))
        return error_set(e, ECANCELED, "cancelled");
    object_name(OBJECT_FILE, checksum, name);
    object_place(name, place);
    const char *slash = strrchr(place, '/');
    place[slash - place] = '\0';
    _cleanup_close_ int directory =
        openat(object_store_directory(m->store), place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = directory < 0 ? -errno : file_meta_read(a, directory, slash + 1, &meta, &st);
    if (r >= 0 && S_ISLNK(st.st_mode))
        r = file_target_read(a, directory, slash + 1, &target);
    if (r < 0)
        return error_errno(e, r, "'%.300s'", path);
    ostree_dirmeta_encode(&meta, &meta_bytes); /* owner, mode, attributes: the same of a file */
    if (meta_bytes.len > DELTA_META_MAX || m->head.files == DELTA_FILES_MAX)
        return too_much(e);
    m->head.files++;
    bytes_add(&m->plan, meta_bytes.data, meta_bytes.len);
    if (!S_ISLNK(st.st_mode))
        return regular_add(m, path, checksum, (uint64_t)st.st_size, e);
    bytes_add(&m->plan, target, strlen(target));
    return 0;
}

/* ---- writing ---- */

static int give(Making *m, const void *data, size_t n, Error *e)
{
    m->counts.size += n;
    return m->counts.size > DELTA_SIZE_MAX ? too_much(e) : m->options->write(m->options->context, data, n, e);
}

static int frame_give(Making *m, Error *e)
{
    const uint32_t n = htole32((uint32_t)m->frame.len);
    int r = give(m, &n, sizeof(n), e);
    if (r >= 0)
        r = give(m, m->frame.data, m->frame.len, e);
    if (r >= 0 && m->options->cancelled && m->options->cancelled(m->options->context))
        r = error_set(e, ECANCELED, "cancelled");
    return r;
}

/* What a quick try hardly makes smaller is compressed already: the try will do. */
static int piece_pack(Making *m, PatchBytes base, Error *e)
{
    const PatchBytes bytes = {m->bytes.data, m->bytes.len};

    m->frame.len = 0;
    int r = patcher_make(m->patcher, PATCH_LEVEL_QUICK, base, bytes, &m->frame, e);
    if (r < 0 || m->frame.len * 100 >= bytes.n * NOT_WORTH)
        return r;
    m->frame.len = 0;
    return patcher_make(m->patcher, PATCH_LEVEL_BEST, base, bytes, &m->frame, e);
}

static int run_give(Making *m, Error *e)
{
    int r = piece_pack(m, (PatchBytes){NULL, 0}, e);
    m->bytes.len = 0;
    return r < 0 ? r : frame_give(m, e);
}

/* All files that start from none, one after the other. */
static int give_fresh(Making *m, Error *e)
{
    _cleanup_buf_ Buf part = BUF_INIT;
    int r = 0;

    m->bytes.len = 0;
    for (size_t i = 0; r >= 0 && i < m->n; i++) {
        const NewFile *f = &m->list[i];
        for (uint64_t at = 0; r >= 0 && !f->base && at < f->size; at += part.len) {
            DeltaRange range = piece_range(f->size, at);
            if (range.n > DELTA_PIECE - m->bytes.len)
                range.n = DELTA_PIECE - m->bytes.len;
            r = file_part(m, f->checksum, range, &part, e);
            buf_add(&m->bytes, part.data, part.len);
            if (r >= 0 && m->bytes.len == DELTA_PIECE)
                r = run_give(m, e);
        }
    }
    return r >= 0 && m->bytes.len > 0 ? run_give(m, e) : r;
}

static int give_patched(Making *m, const NewFile *f, Error *e)
{
    const uint8_t *old = m->old.known.files.rows[f->base - 1];
    struct stat st;
    int r = file_place(m, old, &st, e);

    for (uint64_t at = 0; r >= 0 && at < f->size; at += DELTA_PIECE) {
        r = file_part(m, f->checksum, piece_range(f->size, at), &m->bytes, e);
        if (r >= 0)
            r = file_part(m, old, delta_base_range((uint64_t)st.st_size, f->size, at), &m->base, e);
        if (r >= 0)
            r = piece_pack(m, (PatchBytes){m->base.data, m->base.len}, e);
        if (r >= 0)
            r = frame_give(m, e);
    }
    return r;
}

static int give_all(Making *m, Error *e)
{
    const PatchBytes old = {m->old.directories.data, m->old.directories.len},
                     plan = {m->plan.data, m->plan.len};
    _cleanup_buf_ Buf packed = BUF_INIT, head = BUF_INIT;
    int r = plan.n ? patcher_make(m->patcher, PATCH_LEVEL_BEST, old, plan, &packed, e) : 0;

    if (r >= 0 && packed.len > DELTA_PLAN_MAX)
        r = too_much(e);
    if (r < 0)
        return r;
    m->head.plan = (uint32_t)plan.n;
    m->head.plan_packed = (uint32_t)packed.len;
    delta_head_encode(&m->head, &head);
    r = give(m, head.data, head.len, e);
    if (r >= 0 && packed.len)
        r = give(m, packed.data, packed.len, e);
    if (r >= 0)
        r = give_fresh(m, e);
    for (size_t i = 0; r >= 0 && i < m->n; i++)
        if (m->list[i].base)
            r = give_patched(m, &m->list[i], e);
    return r;
}

/* ---- all of it ---- */

static int commit_open(const Making *m, const uint8_t commit[OSTREE_CHECKSUM], uint8_t tree[OSTREE_CHECKSUM],
                       uint8_t meta[OSTREE_CHECKSUM], Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    OstreeCommit c;
    int r = commit_read(m->store, commit, a, &c, e);

    if (r < 0)
        return r;
    memcpy(tree, c.tree, OSTREE_CHECKSUM);
    memcpy(meta, c.meta, OSTREE_CHECKSUM);
    return 0;
}

static int plan_make(Making *m, Error *e)
{
    DeltaHead *h = &m->head;
    const DeltaWalk visit = {.file = old_file, .context = m};
    const DeltaWalk walk = {.known = &m->old.known, .object = new_object, .file = new_file, .context = m};

    h->from = m->options->from.manifest;
    h->to = m->options->to.manifest;
    h->has_base = m->options->base != NULL;
    if (h->has_base)
        memcpy(h->base, m->options->base, OSTREE_CHECKSUM);
    int r = commit_open(m, m->options->from.commit, h->from_tree, h->from_meta, e);
    if (r >= 0)
        r = commit_open(m, m->options->to.commit, h->to_tree, h->to_meta, e);
    if (r >= 0)
        r = delta_source_read(m->store, h->from_tree, h->from_meta, &visit, &m->old, e);
    return r < 0 ? r : delta_walk(&walk, h->to_tree, h->to_meta, e);
}

static void making_done(Making *m)
{
    delta_match_done(&m->match);
    delta_source_done(&m->old);
    patcher_free(m->patcher);
    arena_free(m->arena);
    buf_done(&m->plan);
    buf_done(&m->frame);
    buf_done(&m->bytes);
    buf_done(&m->base);
    free(m->list);
}

int delta_make(const ObjectStore *s, const DeltaMakeOptions *o, DeltaCounts *ret, Error *e)
{
    _cleanup_(making_done)
    Making m = {.store = s, .options = o, .arena = arena_new()};

    m.match = DELTA_MATCH_INIT(m.arena);
    int r = patcher_new(&m.patcher, e);
    if (r >= 0)
        r = plan_make(&m, e);
    if (r >= 0)
        r = give_all(&m, e);
    if (r < 0)
        return r;
    m.counts.content = m.head.content;
    *ret = m.counts;
    return 0;
}
