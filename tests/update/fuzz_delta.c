/* A delta from any bytes, onto a small image. The first byte says in what pieces it comes, and whether it is
 * the stream as it is, or (0x40) what a plan unpacks to, behind its length and the head's counts, so that
 * what is tried need not be a frame with the right checksums first. Where objects cannot be written (only
 * root can give files away) the reading alone is tried. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "format/patch.h"
#include "update/delta_apply.h"
#include "update/file_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COUNTS = 6, CONTENT_MAX = 1 << 20 };

static char top[] = "/tmp/basalt-fuzz.XXXXXX";
static ContentDigest from, to;
static uint8_t tree[OSTREE_CHECKSUM], meta[OSTREE_CHECKSUM];

static void remove_top(void)
{
    (void)tree_remove_at(AT_FDCWD, top);
}

static void image_make(void)
{
    static const OstreeMeta m = {.mode = 0100644};
    static const char text[] = "the contents of an old file, which are there again in the new one\n";
    _cleanup_object_store_ ObjectStore *s = NULL;
    _cleanup_(object_file_done)
    ObjectFile f = OBJECT_FILE_INIT;
    uint8_t checksum[OSTREE_CHECKSUM];
    FileTree *t = file_tree_new();

    if (object_store_open(AT_FDCWD, top, NULL, NULL, &s, NULL) < 0 ||
        object_file_begin(&f, s, &m, NULL) < 0 || object_file_add(&f, text, sizeof(text) - 1, NULL) < 0)
        abort();
    (void)object_file_end(&f, checksum, NULL);
    if (file_tree_add_file(t, "usr/bin/old", checksum) < 0 || file_tree_store(t, s, tree, meta, NULL) < 0 ||
        object_store_commit(s, NULL, NULL) < 0)
        abort();
    file_tree_free(t);
}

static void repository_make(void)
{
    static bool made;
    if (made)
        return;
    if (!mkdtemp(top) || object_store_init(AT_FDCWD, top, NULL) < 0)
        abort();
    atexit(remove_top);
    image_make();
    if (content_digest_of(DIGEST_SHA256, "from", 4, &from, NULL) < 0 ||
        content_digest_of(DIGEST_SHA256, "to", 2, &to, NULL) < 0)
        abort();
    made = true;
}

/* The first object of the plan is the new root, unless it is too short to have one. */
static void root_find(const uint8_t *plan, size_t n, uint8_t ret[OSTREE_CHECKSUM])
{
    ContentDigest d;
    size_t at = n > 0 && plan[0] & 0x80 ? 2 : 1, length = n > at ? plan[0] & 0x7f : 0;

    if (at == 2 && n > at)
        length |= (size_t)(plan[1] & 0x7f) << 7;
    if (n < at || length > n - at)
        length = 0;
    if (content_digest_of(DIGEST_SHA256, n > at ? plan + at : plan, length, &d, NULL) < 0)
        abort();
    (void)hex_decode(content_digest_hex(&d), 2 * OSTREE_CHECKSUM, ret);
}

static void stream_make(const uint8_t *data, size_t size, Buf *out)
{
    _cleanup_(patcher_freep)
    Patcher *p = NULL;
    _cleanup_buf_ Buf packed = BUF_INIT;
    DeltaSource old = DELTA_SOURCE_INIT;
    DeltaHead h = {.from = from, .to = to};
    _cleanup_object_store_ ObjectStore *s = NULL;

    const size_t rest = size - COUNTS, want = (size_t)data[0] | (size_t)data[1] << 8,
                 n = want < rest ? want : rest;
    h.files = data[2];
    h.content = (uint64_t)data[3] | (uint64_t)data[4] << 8;
    data += COUNTS;
    memcpy(h.from_tree, tree, OSTREE_CHECKSUM);
    memcpy(h.from_meta, meta, OSTREE_CHECKSUM);
    memcpy(h.to_meta, meta, OSTREE_CHECKSUM);
    root_find(data, n, h.to_tree);
    if (object_store_open_reading(AT_FDCWD, top, &s, NULL) < 0 || patcher_new(&p, NULL) < 0 ||
        delta_source_read(s, tree, meta, NULL, &old, NULL) < 0 ||
        patcher_make(p, PATCH_LEVEL_QUICK, (PatchBytes){old.directories.data, old.directories.len},
                     (PatchBytes){data, n}, &packed, NULL) < 0)
        abort();
    delta_source_done(&old);
    h.plan = (uint32_t)n;
    h.plan_packed = (uint32_t)packed.len;
    delta_head_encode(&h, out);
    buf_add(out, packed.data, packed.len);
    buf_add(out, data + n, rest - n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_object_store_ ObjectStore *s = NULL;
    _cleanup_(delta_apply_freep)
    DeltaApply *d = NULL;
    _cleanup_buf_ Buf made = BUF_INIT;
    DeltaSource whole = DELTA_SOURCE_INIT;
    DeltaHead head;

    repository_make();
    if (size <= 1 + COUNTS)
        return 0;
    const size_t piece = data[0] & 0x80 ? 7 : SIZE_MAX;
    if (data[0] & 0x40)
        stream_make(data + 1, size - 1, &made);
    else
        buf_add(&made, data + 1, size - 1);
    const DeltaApplyOptions o = {.from = &from, .to = &to, .tree = tree, .meta = meta, .max = CONTENT_MAX};
    if (object_store_open(AT_FDCWD, top, NULL, NULL, &s, NULL) < 0 || delta_apply_new(s, &o, &d, NULL) < 0)
        abort();
    int r = 0;
    for (size_t at = 0, n; r >= 0 && at < made.len; at += n) {
        n = made.len - at < piece ? made.len - at : piece;
        r = delta_apply_feed(d, made.data + at, n, NULL);
    }
    if (r >= 0)
        r = delta_apply_finish(d, &head, NULL);
    /* what was taken is whole */
    if (r >= 0 && delta_source_read(s, head.to_tree, head.to_meta, NULL, &whole, NULL) < 0)
        abort();
    delta_source_done(&whole);
    return 0;
}
