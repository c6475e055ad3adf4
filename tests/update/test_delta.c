/* A delta between two systems makes of the first what the second is, and of anything else nothing: the
 * repository stays as it was. */
#include "../scratch.h"

#include "update/delta_apply.h"
#include "update/delta_make.h"
#include "update/file_tree.h"

enum { LARGE = 9 << 20, MIDDLE = 300000, PIECE = 7001 };

static uint8_t *noise(size_t n, unsigned seed)
{
    uint8_t *p = malloc(n);
    uint64_t x = seed * 2654435761U + 1;
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) {
        x = x * 6364136223846793005U + 1442695040888963407U;
        p[i] = (uint8_t)(x >> 56);
    }
    return p;
}

typedef struct System {
    ObjectStore *store;
    FileTree *tree;
    ObjectFile file;
} System;

static void add_as(System *s, const char *path, const OstreeMeta *m, const void *data, size_t n)
{
    uint8_t checksum[OSTREE_CHECKSUM];
    assert_int_equal(object_file_begin(&s->file, s->store, m, NULL), 0);
    assert_int_equal(object_file_add(&s->file, data, n, NULL), 0);
    assert_true(object_file_end(&s->file, checksum, NULL) >= 0);
    assert_int_equal(file_tree_add_file(s->tree, path, checksum), 0);
}

static void add(System *s, const char *path, const void *data, size_t n)
{
    add_as(s, path, &(OstreeMeta){.mode = S_IFREG | 0644}, data, n);
}

static void add_text(System *s, const char *path, const char *text)
{
    add(s, path, text, strlen(text));
}

static void add_link(System *s, const char *path, const char *target)
{
    uint8_t checksum[OSTREE_CHECKSUM];
    const OstreeMeta m = {.mode = S_IFLNK | 0777};
    assert_true(object_store_put_symlink(s->store, &m, target, checksum, NULL) >= 0);
    assert_int_equal(file_tree_add_file(s->tree, path, checksum), 0);
}

/* Bytes put into the middle, some changed. */
static void add_edited(System *s, const char *path, size_t n, unsigned seed, bool edited)
{
    _cleanup_free_ uint8_t *bytes = noise(n + 100, seed);
    if (edited) {
        memmove(bytes + n / 2 + 100, bytes + n / 2, n - n / 2);
        bytes[n / 3] ^= 1;
    }
    add(s, path, bytes, edited ? n + 100 : n);
}

static void fill(System *s, unsigned version)
{
    static const OstreeXattr xattrs[] = {{"user.a", "1", 1}};
    const OstreeMeta special = {.uid = 3, .gid = 4, .mode = S_IFREG | 04755, .xattrs = xattrs, .n_xattrs = 1};
    char name[64], text[64];

    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "usr/share/%u/file%u", i % 10, i);
        snprintf(text, sizeof(text), "file %u of version %u\n", i, i == 17 ? version : 0);
        add_text(s, name, text);
    }
    add_edited(s, "usr/lib/large", LARGE, 1, version == 2);
    add_edited(s, "usr/lib/middle", MIDDLE, 2, version == 2);
    add_edited(s, version == 1 ? "usr/lib/libx.so.1.2.3" : "usr/lib/libx.so.1.2.4", MIDDLE, 3, version == 2);
    add_edited(s, version == 1 ? "usr/lib/modules/1/ext4.ko" : "usr/lib/modules/2/ext4.ko", MIDDLE, 4,
               version == 2);
    add_edited(s, version == 1 ? "usr/lib/large.old" : "usr/lib/unlike", LARGE / 3, 5 + version, false);
    add(s, "usr/empty", "", 0);
    if (version == 1)
        add_text(s, "usr/removed", "removed");
    else {
        add(s, "usr/empty.new", "", 0);
        add_as(s, "usr/empty.special", &special, "", 0);
        for (unsigned i = 0; i < 50; i++) {
            snprintf(name, sizeof(name), "usr/share/new/of%u", i);
            add_text(s, name, name);
        }
    }
    add_as(s, "usr/bin/suid", version == 1 ? &(OstreeMeta){.mode = S_IFREG | 0755} : &special, "program", 7);
    add_link(s, "usr/bin/sh", version == 1 ? "dash" : "bash");
    add_link(s, "usr/bin/same", "dash");
}

/* Into a repository; the checksum of its commit. */
static void system_make(const char *repo, unsigned version, uint8_t ret[OSTREE_CHECKSUM])
{
    System s = {.tree = file_tree_new(), .file = OBJECT_FILE_INIT};
    _cleanup_buf_ Buf commit = BUF_INIT;
    const char *const metadata[] = {NULL};
    OstreeCommit c = {.metadata = metadata, .timestamp = version};

    assert_int_equal(object_store_open(AT_FDCWD, repo, NULL, NULL, &s.store, NULL), 0);
    fill(&s, version);
    assert_int_equal(file_tree_store(s.tree, s.store, c.tree, c.meta, NULL), 0);
    ostree_commit_encode(&c, &commit);
    assert_true(object_store_put(s.store, OBJECT_COMMIT, commit.data, commit.len, ret, NULL) >= 0);
    assert_int_equal(object_store_commit(s.store, NULL, NULL), 0);
    object_file_done(&s.file);
    file_tree_free(s.tree);
    object_store_free(s.store);
}

static int add_to(void *context, const void *data, size_t n, Error *e _unused_)
{
    buf_add(context, data, n);
    return 0;
}

typedef struct Fixture {
    Scratch scratch;
    char both[96], one[96]; /* repositories with both systems, and with the first */
    ContentDigest from, to;
    OstreeCommit a, b;
    Arena *arena;
    Buf delta;
    DeltaCounts counts;
    unsigned objects; /* of `one` */
} Fixture;

static unsigned count_objects(const char *repo)
{
    char command[256];
    unsigned n = 0;
    snprintf(command, sizeof(command), "find %s/objects %s/tmp ! -type d | wc -l", repo, repo);
    FILE *f = popen(command, "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%u", &n), 1);
    pclose(f);
    return n;
}

static int setup(void **state)
{
    static Fixture f;
    uint8_t a[OSTREE_CHECKSUM], b[OSTREE_CHECKSUM];

    f.scratch = scratch_open();
    f.arena = arena_new();
    snprintf(f.both, sizeof(f.both), "%s/both", f.scratch.path);
    snprintf(f.one, sizeof(f.one), "%s/one", f.scratch.path);
    assert_int_equal(object_store_init(AT_FDCWD, f.both, NULL), 0);
    assert_int_equal(object_store_init(AT_FDCWD, f.one, NULL), 0);
    system_make(f.both, 1, a);
    system_make(f.both, 2, b);
    system_make(f.one, 1, a);
    f.objects = count_objects(f.one);
    assert_int_equal(content_digest_of(DIGEST_SHA256, "from", 4, &f.from, NULL), 0);
    assert_int_equal(content_digest_of(DIGEST_SHA512, "to", 2, &f.to, NULL), 0);
    _cleanup_object_store_ ObjectStore *s = NULL;
    assert_int_equal(object_store_open_reading(AT_FDCWD, f.both, &s, NULL), 0);
    assert_int_equal(repo_read_commit(object_store_directory(s), f.arena, a, &f.a, NULL), 0);
    assert_int_equal(repo_read_commit(object_store_directory(s), f.arena, b, &f.b, NULL), 0);
    DeltaMakeOptions o = {.from.manifest = f.from, .to.manifest = f.to, .write = add_to, .context = &f.delta};
    memcpy(o.from.commit, a, OSTREE_CHECKSUM);
    memcpy(o.to.commit, b, OSTREE_CHECKSUM);
    Error e = ERROR_INIT;
    int r = delta_make(s, &o, &f.counts, &e);
    if (r < 0)
        fail_msg("%s", e.text);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    buf_done(&f->delta);
    arena_free(f->arena);
    scratch_close(&f->scratch);
    return 0;
}

/* Of a copy of the delta, as large as it is; the session is given up unless `keep`. */
static int apply(const Fixture *f, const void *data, size_t n, bool keep, Error *e)
{
    _cleanup_object_store_ ObjectStore *s = NULL;
    _cleanup_(delta_apply_freep)
    DeltaApply *d = NULL;
    const DeltaApplyOptions o = {
        .from = &f->from, .to = &f->to, .tree = f->a.tree, .meta = f->a.meta, .max = 1 << 30};
    DeltaHead head;

    assert_int_equal(object_store_open(AT_FDCWD, f->one, NULL, NULL, &s, NULL), 0);
    assert_int_equal(delta_apply_new(s, &o, &d, NULL), 0);
    int r = 0;
    const char *p = data;
    for (size_t take; r >= 0 && n > 0; p += take, n -= take) {
        take = n < PIECE ? n : PIECE;
        r = delta_apply_feed(d, p, take, e);
    }
    if (r >= 0)
        r = delta_apply_finish(d, &head, e);
    if (r >= 0)
        assert_memory_equal(head.to_tree, f->b.tree, OSTREE_CHECKSUM);
    if (r >= 0 && keep)
        r = object_store_commit(s, NULL, e);
    return r;
}

static void test_small(void **state)
{
    const Fixture *f = *state;
    /* what is new by itself, and little more */
    assert_true(f->counts.size == f->delta.len);
    assert_true(f->delta.len > LARGE / 3);
    assert_true(f->delta.len < LARGE / 3 + 20000);
    assert_int_equal(f->counts.patched, 4);
}

static void test_refused(void **state)
{
    Fixture *f = *state;
    Error e = ERROR_INIT;
    const ContentDigest to = f->to;

    f->to = f->from;
    assert_int_equal(apply(f, f->delta.data, f->delta.len, false, &e), -EBADMSG);
    assert_non_null(strstr(e.text, "it leads from "));
    f->to = to;
    f->a.tree[0] ^= 1;
    assert_int_equal(apply(f, f->delta.data, f->delta.len, false, &e), -EBADMSG);
    assert_non_null(strstr(e.text, "another tree here"));
    f->a.tree[0] ^= 1;
    _cleanup_buf_ Buf longer = BUF_INIT;
    buf_add(&longer, f->delta.data, f->delta.len);
    buf_add(&longer, "x", 1);
    assert_int_equal(apply(f, longer.data, longer.len, false, &e), -EBADMSG);
    assert_string_equal(e.text, "something follows its end");
    assert_int_equal(count_objects(f->one), f->objects);
}

static void test_truncated(void **state)
{
    const Fixture *f = *state;
    Error e;
    for (size_t n = 0; n < f->delta.len; n += n < 600 ? 31 : n / 3) {
        e = ERROR_INIT;
        assert_int_equal(apply(f, f->delta.data, n, false, &e), -EBADMSG);
        assert_string_equal(e.text, "it is cut off");
    }
    assert_int_equal(count_objects(f->one), f->objects);
}

/* One byte is another. A bit of zstd that nothing depends on may be any. */
static void test_damaged(void **state)
{
    const Fixture *f = *state;
    _cleanup_buf_ Buf copy = BUF_INIT;
    unsigned good = 0, bad = 0;

    buf_add(&copy, f->delta.data, f->delta.len);
    for (size_t at = 0; at < copy.len; at += at < 700 ? 13 : copy.len / 40) {
        Error e = ERROR_INIT;
        copy.data[at] ^= 0x21;
        int r = apply(f, copy.data, copy.len, false, &e);
        copy.data[at] ^= 0x21;
        good += r >= 0;
        bad += r < 0;
        if (r < 0)
            assert_true(e.text[0]);
    }
    assert_true(bad > 20);
    assert_true(good < 3);
    assert_int_equal(count_objects(f->one), f->objects);
}

static void test_applied(void **state)
{
    const Fixture *f = *state;
    Error e = ERROR_INIT;
    if (apply(f, f->delta.data, f->delta.len, true, &e) < 0)
        fail_msg("%s", e.text);
    /* all of it is there now: the same system as a source */
    _cleanup_object_store_ ObjectStore *s = NULL;
    DeltaSource all = DELTA_SOURCE_INIT;
    assert_int_equal(object_store_open_reading(AT_FDCWD, f->one, &s, NULL), 0);
    assert_int_equal(delta_source_read(s, f->b.tree, f->b.meta, NULL, &all, &e), 0);
    assert_true(all.known.files.n > 250);
    delta_source_done(&all);
}

static void test_range(void **state)
{
    (void)state;
    const uint64_t old = (uint64_t)100 << 20, new = (uint64_t)110 << 20;
    for (uint64_t at = 0; at < new; at += DELTA_PIECE) {
        const DeltaRange r = delta_base_range(old, new, at);
        assert_int_equal(r.n, DELTA_BASE_MAX);
        assert_true(r.at + r.n <= old);
    }
    assert_int_equal(delta_base_range(old, new, 0).at, 0);
    assert_int_equal(delta_base_range(old, new, new - 1).at, old - DELTA_BASE_MAX);
    assert_int_equal(delta_base_range(5, new, 77 << 20).n, 5);
    assert_int_equal(delta_base_range(0, 1, 0).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_range),   cmocka_unit_test(test_small),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_truncated),
                                       cmocka_unit_test(test_damaged), cmocka_unit_test(test_applied)};
    if (geteuid() != 0) {
        print_message("only root can give files away\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
