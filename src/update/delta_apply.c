/* What arrives is gathered until a whole part is there: the head, the plan, then of each frame its length and
 * its bytes. The plan is walked at once: directories and links are put, regular files listed. Frames come in
 * the order of that list, so that where a frame's bytes belong is known before it is read. */
#include "update/delta_apply.h"

#include <endian.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "format/patch.h"
#include "format/utf8.h"

enum { LENGTH_SIZE = 4, FRAME_MAX = DELTA_PIECE + (DELTA_PIECE >> 8) + 1024, LEB_BITS = 63, NO_BASE = 0 };

typedef enum Part { PART_HEAD, PART_PLAN, PART_LENGTH, PART_FRAME, PART_END } Part;

typedef struct NewFile {
    OstreeMeta meta;
    uint8_t checksum[OSTREE_CHECKSUM];
    uint64_t size;
    uint32_t base; /* 1 + number of the old file, or NO_BASE */
} NewFile;

struct DeltaApply {
    ObjectStore *store;
    const DeltaApplyOptions *options;
    Arena *arena;
    Patcher *patcher; /* or */
    PatchApart *apart;
    DeltaSource old;
    size_t n_old; /* files of it: the walk adds the new ones */
    DeltaHead head;

    Part part;
    size_t want; /* bytes of the part */
    Buf gathered;

    Buf plan;
    size_t plan_at;
    uint32_t files;   /* met so far */
    uint64_t content; /* of them */

    NewFile *list;
    size_t n, size;
    bool patched; /* of the two runs over the list the second */
    size_t next;  /* file of the list */
    ObjectFile file;
    bool open;           /* the file has begun */
    uint64_t done;       /* bytes of it */
    uint64_t run, given; /* bytes of all files made out of none; those that came */
    char *piece;
    Buf base;
    int base_fd;
    uint64_t base_size;
};

int delta_apply_new(ObjectStore *s, const DeltaApplyOptions *o, DeltaApply **ret, Error *e)
{
    _cleanup_(delta_apply_freep)
    DeltaApply *d = calloc(1, sizeof(*d));
    if (!d || !(d->piece = malloc(DELTA_PIECE)))
        abort();
    d->store = s;
    d->options = o;
    d->arena = arena_new();
    d->file = OBJECT_FILE_INIT;
    d->base_fd = -EBADF;
    d->want = DELTA_HEAD_SIZE;
    int r = o->workers ? patch_apart_new(o->workers, &d->apart, e) : patcher_new(&d->patcher, e);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(d);
    return 0;
}

void delta_apply_free(DeltaApply *d)
{
    if (!d)
        return;
    object_file_done(&d->file);
    closep(&d->base_fd);
    delta_source_done(&d->old);
    buf_done(&d->gathered);
    buf_done(&d->plan);
    buf_done(&d->base);
    patcher_free(d->patcher);
    patch_apart_free(d->apart);
    arena_free(d->arena);
    free(d->list);
    free(d->piece);
    free(d);
}

static int refuse(const char *why, Error *e)
{
    return error_set(e, EBADMSG, "%s", why);
}

/* ---- the head ---- */

static int head_take(DeltaApply *d, Error *e)
{
    const DeltaApplyOptions *o = d->options;
    const DeltaHead *h = &d->head;
    int r = delta_head_decode(d->gathered.data, &d->head, e);

    if (r < 0)
        return r;
    if (!content_digest_equal(&h->from, o->from) || !content_digest_equal(&h->to, o->to))
        return error_set(e, EBADMSG, "it leads from %s to %s", h->from.text, h->to.text);
    if (memcmp(h->from_tree, o->tree, OSTREE_CHECKSUM) != 0 ||
        memcmp(h->from_meta, o->meta, OSTREE_CHECKSUM) != 0)
        return refuse("the image that it starts from has another tree here", e);
    if (h->has_base != o->has_base)
        return refuse("it is of an image of another kind", e);
    if (h->content > o->max)
        return error_set(e, EFBIG, "it unpacks to %llu MiB, more than is taken",
                         (unsigned long long)(h->content >> 20));
    if (o->room && !o->room(o->context, h->content, e))
        return -ENOSPC;
    r = delta_source_read(d->store, o->tree, o->meta, NULL, &d->old, e);
    if (r < 0)
        return r;
    d->n_old = d->old.known.files.n;
    d->part = h->plan ? PART_PLAN : PART_END;
    d->want = h->plan_packed;
    return 0;
}

static int patch(DeltaApply *d, PatchBytes base, void *to, size_t n, Error *e)
{
    const PatchBytes frame = {d->gathered.data, d->gathered.len};
    return d->apart ? patch_apart_apply(d->apart, base, frame, to, n, e)
                    : patcher_apply(d->patcher, base, frame, to, n, e);
}

/* ---- the plan ---- */

static int plan_number(DeltaApply *d, uint64_t *ret, Error *e)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < LEB_BITS; shift += 7) {
        if (d->plan_at == d->plan.len)
            return refuse("its plan is cut off", e);
        const uint8_t byte = (uint8_t)d->plan.data[d->plan_at++];
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = v;
            return 0;
        }
    }
    return refuse("its plan has a number that is too long", e);
}

static int plan_bytes(DeltaApply *d, size_t max, const char **ret, size_t *ret_n, Error *e)
{
    uint64_t n;
    int r = plan_number(d, &n, e);
    if (r < 0)
        return r;
    if (n > max || n > d->plan.len - d->plan_at)
        return refuse("its plan has something that is too long", e);
    *ret = d->plan.data + d->plan_at;
    *ret_n = (size_t)n;
    d->plan_at += (size_t)n;
    return 0;
}

static int plan_object(void *context, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM], Buf *ret,
                       Error *e)
{
    DeltaApply *d = context;
    uint8_t is[OSTREE_CHECKSUM];
    const char *bytes;
    OstreeMeta meta;
    size_t n;

    int r = plan_bytes(d, DELTA_PLAN_MAX, &bytes, &n, e);
    if (r < 0)
        return r;
    if (kind == OBJECT_DIRMETA) {
        _cleanup_arena_ Arena *a = arena_new();
        if (ostree_dirmeta_decode(a, bytes, n, &meta) < 0)
            return refuse("a directory's metadata cannot be read", e);
    }
    r = object_store_put(d->store, kind, bytes, n, is, e);
    if (r < 0)
        return r;
    if (memcmp(is, checksum, OSTREE_CHECKSUM) != 0)
        return refuse("a directory does not have the checksum of its name", e);
    buf_add(ret, bytes, n);
    return 0;
}

static int plan_meta(DeltaApply *d, OstreeMeta *ret, Error *e)
{
    enum { NUMBERS = 3 * sizeof(uint32_t) };
    uint32_t numbers[3];
    const char *bytes;
    size_t n;

    int r = plan_bytes(d, DELTA_META_MAX, &bytes, &n, e);
    if (r < 0)
        return r;
    if (n < NUMBERS)
        return refuse("a file has no owner", e);
    memcpy(numbers, bytes, NUMBERS);
    *ret = (OstreeMeta){.uid = be32toh(numbers[0]), .gid = be32toh(numbers[1]), .mode = be32toh(numbers[2])};
    if ((!S_ISREG(ret->mode) && !S_ISLNK(ret->mode)) || (ret->mode & ~(uint32_t)(S_IFMT | 07777)))
        return refuse("a file is neither a file nor a link", e);
    return ostree_xattrs_decode(d->arena, bytes + NUMBERS, n - NUMBERS, ret) < 0
               ? refuse("the attributes of a file cannot be read", e)
               : 0;
}

static int plan_symlink(DeltaApply *d, const OstreeMeta *meta, const uint8_t checksum[OSTREE_CHECKSUM],
                        Error *e)
{
    enum { TARGET_MAX = 4095 };
    uint8_t is[OSTREE_CHECKSUM];
    char target[TARGET_MAX + 1];
    const char *bytes;
    size_t n;

    int r = plan_bytes(d, TARGET_MAX, &bytes, &n, e);
    if (r < 0)
        return r;
    if (n == 0 || memchr(bytes, '\0', n) || !utf8_is_valid(bytes, n))
        return refuse("a symlink to nothing, or to what is no UTF-8", e);
    memcpy(target, bytes, n);
    target[n] = '\0';
    r = object_store_put_symlink(d->store, meta, target, is, e);
    if (r < 0)
        return r;
    return memcmp(is, checksum, OSTREE_CHECKSUM) == 0
               ? 0
               : refuse("a symlink does not have the checksum of its name", e);
}

static void list_add(DeltaApply *d, const NewFile *f)
{
    if (d->n == d->size) {
        d->size = d->size ? 2 * d->size : 256;
        if (!(d->list = reallocarray(d->list, d->size, sizeof(*d->list))))
            abort();
    }
    d->list[d->n++] = *f;
}

static int plan_file(void *context, const char *path, const uint8_t checksum[OSTREE_CHECKSUM], bool fresh,
                     Error *e)
{
    DeltaApply *d = context;
    NewFile f = {0};
    uint64_t base;

    if (!fresh)
        return 0;
    if (d->files == d->head.files)
        return refuse("it has more files than it says", e);
    d->files++;
    int r = plan_meta(d, &f.meta, e);
    if (r < 0 || S_ISLNK(f.meta.mode))
        return r < 0 ? error_wrap(e, r, "'%.300s'", path) : plan_symlink(d, &f.meta, checksum, e);
    r = plan_number(d, &f.size, e);
    if (r >= 0)
        r = plan_number(d, &base, e);
    if (r < 0)
        return r;
    if (f.size > d->head.content - d->content || base > d->n_old)
        return error_set(e, EBADMSG, "'%.300s': larger than it says, or made out of nothing", path);
    d->content += f.size;
    d->run += base == NO_BASE ? f.size : 0;
    f.base = (uint32_t)base;
    memcpy(f.checksum, checksum, OSTREE_CHECKSUM);
    list_add(d, &f);
    return 0;
}

/* The walk of the new tree knows what the old one has. */
static int plan_walk(DeltaApply *d, Error *e)
{
    const DeltaWalk w = {.known = &d->old.known, .object = plan_object, .file = plan_file, .context = d};
    int r = delta_walk(&w, d->head.to_tree, d->head.to_meta, e);

    if (r < 0)
        return r;
    if (d->plan_at != d->plan.len || d->files != d->head.files || d->content != d->head.content)
        return refuse("it has less in it than it says", e);
    buf_done(&d->plan);
    buf_done(&d->old.directories);
    return 0;
}

static int contents_next(DeltaApply *d, Error *e);

static int plan_take(DeltaApply *d, Error *e)
{
    const PatchBytes old = {d->old.directories.data, d->old.directories.len};
    char *to = buf_reserve(&d->plan, d->head.plan);

    int r = patch(d, old, to, d->head.plan, e);
    if (r < 0)
        return error_wrap(e, r, "its plan");
    d->plan.len = d->head.plan;
    d->plan.data[d->plan.len] = '\0';
    r = plan_walk(d, e);
    return r < 0 ? r : contents_next(d, e);
}

/* ---- contents ---- */

static bool of_this_run(const DeltaApply *d, const NewFile *f)
{
    return (f->base != NO_BASE) == d->patched;
}

static int base_open(DeltaApply *d, const NewFile *f, Error *e)
{
    struct stat st;

    closep(&d->base_fd);
    d->base_fd = repo_open_file(object_store_directory(d->store), d->old.known.files.rows[f->base - 1]);
    if (d->base_fd < 0 || fstat(d->base_fd, &st) < 0)
        return refuse("a file is made out of one that cannot be read", e);
    d->base_size = (uint64_t)st.st_size;
    return 0;
}

static int file_begin(DeltaApply *d, Error *e)
{
    const NewFile *f = &d->list[d->next];
    int r = object_file_begin(&d->file, d->store, &f->meta, e);

    if (r >= 0 && d->patched)
        r = base_open(d, f, e);
    d->open = true;
    d->done = 0;
    return r;
}

static int file_end(DeltaApply *d, Error *e)
{
    uint8_t is[OSTREE_CHECKSUM];
    int r = object_file_end(&d->file, is, e);

    if (r < 0)
        return r;
    if (memcmp(is, d->list[d->next].checksum, OSTREE_CHECKSUM) != 0)
        return refuse("a file does not have the checksum of its name", e);
    d->open = false;
    d->next++;
    return 0;
}

/* Ends what has all its bytes and begins what has some to come; 1: a frame is wanted; 0: nothing is. */
static int file_advance(DeltaApply *d, Error *e)
{
    for (;;) {
        if (d->next == d->n && d->patched)
            return 0;
        if (d->next == d->n) {
            d->patched = true;
            d->next = 0;
            continue;
        }
        if (!of_this_run(d, &d->list[d->next])) {
            d->next++;
            continue;
        }
        int r = d->open ? 0 : file_begin(d, e);
        if (r >= 0 && d->done < d->list[d->next].size)
            return 1;
        if (r >= 0)
            r = file_end(d, e);
        if (r < 0)
            return r;
    }
}

static int contents_next(DeltaApply *d, Error *e)
{
    int r = file_advance(d, e);
    d->part = r > 0 ? PART_LENGTH : PART_END;
    d->want = LENGTH_SIZE;
    return r < 0 ? r : 0;
}

static int length_take(DeltaApply *d, Error *e)
{
    uint32_t n;
    memcpy(&n, d->gathered.data, sizeof(n));
    d->want = le32toh(n);
    d->part = PART_FRAME;
    return d->want && d->want <= FRAME_MAX ? 0 : refuse("a frame is larger than frames are", e);
}

static int base_read(DeltaApply *d, Error *e)
{
    const DeltaRange range = delta_base_range(d->base_size, d->list[d->next].size, d->done);
    d->base.len = 0;
    int r = file_read_part(d->base_fd, buf_reserve(&d->base, range.n), range.n, range.at);
    d->base.len = r < 0 ? 0 : range.n;
    return r < 0 ? error_errno(e, r, "an old file") : 0;
}

/* A frame of the first run may be of many files. */
static int piece_give(DeltaApply *d, const char *p, size_t n, Error *e)
{
    while (n > 0) {
        const uint64_t left = d->list[d->next].size - d->done;
        const size_t take = left < n ? (size_t)left : n;
        int r = object_file_add(&d->file, p, take, e);
        d->done += take;
        p += take;
        n -= take;
        if (r >= 0 && n > 0)
            r = file_advance(d, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int frame_take(DeltaApply *d, Error *e)
{
    const uint64_t left = d->patched ? d->list[d->next].size - d->done : d->run - d->given;
    const size_t n = left < DELTA_PIECE ? (size_t)left : DELTA_PIECE;
    PatchBytes base = {NULL, 0};
    int r = d->patched ? base_read(d, e) : 0;

    if (d->patched)
        base = (PatchBytes){d->base.data, d->base.len};
    if (r >= 0)
        r = patch(d, base, d->piece, n, e);
    if (r < 0)
        return r;
    d->given += d->patched ? 0 : n;
    r = piece_give(d, d->piece, n, e);
    return r < 0 ? r : contents_next(d, e);
}

/* ---- the stream ---- */

static int part_take(DeltaApply *d, Error *e)
{
    switch (d->part) {
    case PART_HEAD:
        return head_take(d, e);
    case PART_PLAN:
        return plan_take(d, e);
    case PART_LENGTH:
        return length_take(d, e);
    case PART_FRAME:
        return frame_take(d, e);
    case PART_END:
        break;
    }
    return 0;
}

int delta_apply_feed(DeltaApply *d, const void *data, size_t n, Error *e)
{
    const char *p = data;

    while (n > 0) {
        if (d->part == PART_END)
            return refuse("something follows its end", e);
        const size_t lacks = d->want - d->gathered.len, take = n < lacks ? n : lacks;
        buf_add(&d->gathered, p, take);
        p += take;
        n -= take;
        if (d->gathered.len < d->want)
            return 0;
        int r = part_take(d, e);
        if (r < 0)
            return r;
        d->gathered.len = 0;
    }
    return 0;
}

int delta_apply_finish(DeltaApply *d, DeltaHead *ret, Error *e)
{
    if (d->part != PART_END)
        return refuse("it is cut off", e);
    *ret = d->head;
    return 0;
}
