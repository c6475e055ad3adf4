/* The same small tree as `ostree commit` made it (libostree 2022.7, --timestamp=@1700000000), object by
 * object: a and empty and a symlink and sub/b, attributes on a, sub of other owners. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "update/ostree_object.h"

#define A     "b1cd117f434737d79a33f64bf23aa14f51586b25af9b091faad3d728303be3f4"
#define EMPTY "cc700d46f407c6c5ab2d5dde474366a928b7398277e61162e7f8ec06f469f07e"
#define LINK  "6bf149f093047a43e07a147ec06f0251fa2dfcc5c3056e4db6207e83fbb37fe4"
#define B     "7d717115482fe64a4b1180eba011f283ad2961f7e3333cf1823538c57c50084a"
#define SUB   "b7855ab4f0eda52cc8a19e82ba67a0fde92d62a012197e2df3f6508da238c806"
#define META  "446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488"
#define META5 "3b841db9e29b0f0edce6f7a5828a1660bf4c35ce55dfc0410056e3bd433a4952"
#define ROOT  "43edefb846a090368ba8bc8bc9187f7733e4f7e8b9efc741756ab9b073fbd320"
#define WHOLE "676c7b072651e5a3b52cea60c14d9954e88efb45e3c10c4bf3e8d077b5a16353"

static void assert_sha256(const Buf *b, const char *wanted)
{
    char hex[2 * DIGEST_SIZE_MAX + 1];
    assert_int_equal(digest_hex(DIGEST_SHA256, b->data, b->len, hex, NULL), 0);
    assert_string_equal(hex, wanted);
}

static void assert_file(OstreeMeta m, const char *target, const char *contents, const char *wanted)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    ostree_file_header(&m, target, &b);
    buf_add_str(&b, contents);
    assert_sha256(&b, wanted);
}

static void test_files(void **state)
{
    OstreeXattr xattrs[] = {{"user.z", "1", 1}, {"user.b", "two", 3}};

    (void)state;
    ostree_xattrs_sort(xattrs, 2);
    assert_file((OstreeMeta){0, 0, S_IFREG | 0644, xattrs, 2}, NULL, "hello", A);
    assert_file((OstreeMeta){0, 0, S_IFREG | 0644, NULL, 0}, NULL, "", EMPTY);
    assert_file((OstreeMeta){0, 0, S_IFREG | 04755, NULL, 0}, NULL, "deep", B);
    assert_file((OstreeMeta){0, 0, S_IFLNK | 0777, NULL, 0}, "../x", "", LINK);
}

static void test_dirmeta(void **state)
{
    _cleanup_buf_ Buf b = BUF_INIT;

    (void)state;
    ostree_dirmeta_encode(&(OstreeMeta){0, 0, S_IFDIR | 0755, NULL, 0}, &b);
    assert_sha256(&b, META);
    b.len = 0;
    ostree_dirmeta_encode(&(OstreeMeta){5, 6, S_IFDIR | 0755, NULL, 0}, &b);
    assert_sha256(&b, META5);
}

static void root_tree(OstreeFileRow files[3], OstreeDirectoryRow *sub, OstreeTree *ret)
{
    static const char *const names[] = {"a", "empty", "link"}, *const sums[] = {A, EMPTY, LINK};

    for (size_t i = 0; i < 3; i++) {
        files[i].name = names[i];
        hex_decode(sums[i], OSTREE_CHECKSUM_TEXT - 1, files[i].checksum);
    }
    sub->name = "sub";
    hex_decode(SUB, OSTREE_CHECKSUM_TEXT - 1, sub->tree);
    hex_decode(META5, OSTREE_CHECKSUM_TEXT - 1, sub->meta);
    *ret = (OstreeTree){files, 3, sub, 1};
}

static void test_trees(void **state)
{
    OstreeFileRow files[3];
    OstreeDirectoryRow sub;
    OstreeTree t, again;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;

    (void)state;
    root_tree(files, &sub, &t);
    ostree_tree_encode(&t, &b);
    assert_sha256(&b, ROOT);
    assert_int_equal(ostree_tree_decode(a, b.data, b.len, &again), 0);
    assert_int_equal(again.n_files, 3);
    assert_string_equal(again.files[2].name, "link");
    assert_memory_equal(again.files[2].checksum, files[2].checksum, OSTREE_CHECKSUM);
    assert_int_equal(again.n_directories, 1);
    assert_memory_equal(again.directories[0].meta, sub.meta, OSTREE_CHECKSUM);

    b.len = 0;
    ostree_tree_encode(&(OstreeTree){0}, &b); /* of an empty directory */
    assert_int_equal(ostree_tree_decode(a, b.data, b.len, &again), 0);
    assert_int_equal(again.n_files + again.n_directories, 0);
}

static void test_wrong_trees(void **state)
{
    OstreeFileRow files[3];
    OstreeDirectoryRow sub;
    OstreeTree t, again;
    _cleanup_arena_ Arena *a = arena_new();

    (void)state;
    for (int i = 0; i < 6; i++) {
        _cleanup_buf_ Buf b = BUF_INIT;
        static const char *const names[] = {"..", "a/b", "", ".", "empty" /* stands twice */,
                                            "z" /* no order */};
        root_tree(files, &sub, &t);
        files[0].name = names[i];
        ostree_tree_encode(&t, &b);
        assert_int_equal(ostree_tree_decode(a, b.data, b.len, &again), -EBADMSG);
    }
    _cleanup_buf_ Buf b = BUF_INIT;
    root_tree(files, &sub, &t);
    sub.name = "a"; /* a file and a directory */
    ostree_tree_encode(&t, &b);
    assert_int_equal(ostree_tree_decode(a, b.data, b.len, &again), -EBADMSG);
    for (size_t n = 0; n < b.len; n++)
        assert_int_equal(ostree_tree_decode(a, b.data, n, &again), -EBADMSG);
}

static void test_commits(void **state)
{
    static const char *const metadata[] = {"k", "value", "longer.key", "some text", NULL};
    OstreeCommit c = {.metadata = metadata, .subject = "subject", .body = "body", .timestamp = 1700000000},
                 again;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;

    (void)state;
    hex_decode(ROOT, OSTREE_CHECKSUM_TEXT - 1, c.tree);
    hex_decode(META, OSTREE_CHECKSUM_TEXT - 1, c.meta);
    ostree_commit_encode(&c, &b);
    assert_sha256(&b, WHOLE);
    assert_int_equal(ostree_commit_decode(a, b.data, b.len, &again), 0);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(again.metadata[i], metadata[i]);
    assert_null(again.metadata[4]);
    assert_null(again.parent);
    assert_string_equal(again.body, "body");
    assert_int_equal(again.timestamp, 1700000000);
    assert_memory_equal(again.tree, c.tree, OSTREE_CHECKSUM);

    c.parent = c.tree;
    b.len = 0;
    ostree_commit_encode(&c, &b);
    assert_int_equal(ostree_commit_decode(a, b.data, b.len, &again), 0);
    assert_memory_equal(again.parent, c.tree, OSTREE_CHECKSUM);
    for (size_t n = 0; n < b.len; n++)
        assert_int_equal(ostree_commit_decode(a, b.data, n, &again), -EBADMSG);
}

/* Where offsets become two and four bytes wide. */
static void test_wide_offsets(void **state)
{
    (void)state;
    for (size_t n = 1; n < 3000; n = n * 3 + 1) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_buf_ Buf b = BUF_INIT;
        OstreeTree t = {.files = ARENA_ARRAY(a, OstreeFileRow, n), .n_files = n}, again;
        for (size_t i = 0; i < n; i++)
            t.files[i].name = arena_printf(a, "%06zu", i);
        ostree_tree_encode(&t, &b);
        assert_int_equal(ostree_tree_decode(a, b.data, b.len, &again), 0);
        assert_int_equal(again.n_files, n);
        assert_string_equal(again.files[n - 1].name, t.files[n - 1].name);
    }
}

static void test_dirmeta_read(void **state)
{
    OstreeXattr xattrs[] = {{"security.x", "\0binary\0", 8}, {"user.b", "two", 3}};
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;
    OstreeMeta m;

    (void)state;
    ostree_dirmeta_encode(&(OstreeMeta){5, 6, S_IFDIR | 02750, xattrs, 2}, &b);
    assert_int_equal(ostree_dirmeta_decode(a, b.data, b.len, &m), 0);
    assert_int_equal(m.uid, 5);
    assert_int_equal(m.gid, 6);
    assert_int_equal(m.mode, S_IFDIR | 02750);
    assert_int_equal(m.n_xattrs, 2);
    assert_string_equal(m.xattrs[0].name, "security.x");
    assert_int_equal(m.xattrs[0].n, 8);
    assert_memory_equal(m.xattrs[0].value, "\0binary\0", 8);
    for (size_t n = 13; n < b.len; n++) /* 12: without attributes */
        assert_int_equal(ostree_dirmeta_decode(a, b.data, n, &m), -EBADMSG);
    b.len = 0;
    ostree_dirmeta_encode(&(OstreeMeta){0, 0, S_IFREG | 0644, NULL, 0}, &b);
    assert_int_equal(ostree_dirmeta_decode(a, b.data, b.len, &m), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dirmeta_read), cmocka_unit_test(test_files),
        cmocka_unit_test(test_dirmeta),      cmocka_unit_test(test_trees),
        cmocka_unit_test(test_wrong_trees),  cmocka_unit_test(test_commits),
        cmocka_unit_test(test_wide_offsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
