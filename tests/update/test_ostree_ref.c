/* Names as ostree-ext has them (the rows are those of its own tests, and some more), and files as libostree.
 */
#include "../scratch.h"

#include "update/object_store.h"
#include "update/ostree_ref.h"

static void test_escape(void **state)
{
    static const char *const rows[][2] = {
        {"foo", "p/foo"},
        {"foo/bar/baz-blah/foo", "p/foo/bar/baz-blah/foo"},
        {"localhost:5000/foo:latest", "p/localhost_3A_5000/foo_3A_latest"},
        {"fedora/x86_64/coreos", "p/fedora/x86__64/coreos"},
        {"/foo/bar/foo.oci-archive", "p/_2F_foo/bar/foo_2E_oci-archive"},
        {"docker://quay.io/exampleos/blah:latest", "p/docker_3A__2F__2F_quay_2E_io/exampleos/blah_3A_latest"},
        {"/", "p/_2F_"},
        {"blah/", "p/blah_2F_"},
        {"/foo/", "p/_2F_foo_2F_"},
        {"a-/b", "p/a-_2F_b"},
        {"a_/b", "p/a___2F_b"},
        {"a//b", "p/a/_2F_b"},
        {"\xc3\xa9", "p/_E9_"},
        {"\xf0\x9f\x98\x80", "p/_1F600_"},
        {"\xe2\x82\xac", "p/_20AC_"},
    };
    _cleanup_arena_ Arena *a = arena_new();
    (void)state;

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        assert_string_equal(ostree_ref_escape(a, "p", rows[i][0]), rows[i][1]);
        assert_string_equal(ostree_ref_unescape(a, "p", rows[i][1]), rows[i][0]);
        assert_true(ostree_ref_valid(rows[i][1]));
    }
    assert_null(ostree_ref_escape(a, "p", ""));
    assert_null(ostree_ref_escape(a, "p", "\xff"));
    static const char *const bad[] = {"p",     "p/",     "q/x",        "px",       "p/a_",
                                      "p/a_3", "p/_zz_", "p/_3a_",     "p/_D800_", "p/_110000_",
                                      "p/_0_", "p/a.b",  "p/_1234567_"};
    for (size_t i = 0; i < ELEMENTS(bad); i++)
        assert_null(ostree_ref_unescape(a, "p", bad[i]));
}

static void test_valid(void **state)
{
    static const char *const bad[] = {"",     "/",  "a/",  "/a", "a//b",   ".a",
                                      "a/.b", "-a", "a b", "..", "a/../b", "a:b"};
    static const char *const good[] = {"a", "a/b", "a.b/c-d_e", "_x", "0"};
    (void)state;

    for (size_t i = 0; i < ELEMENTS(bad); i++)
        assert_false(ostree_ref_valid(bad[i]));
    for (size_t i = 0; i < ELEMENTS(good); i++)
        assert_true(ostree_ref_valid(good[i]));
}

static void test_files(void **state)
{
    Scratch s = scratch_open();
    _cleanup_arena_ Arena *a = arena_new();
    uint8_t one[OSTREE_CHECKSUM], two[OSTREE_CHECKSUM], is[OSTREE_CHECKSUM];
    OstreeRef *list;
    size_t n;
    (void)state;

    memset(one, 0x11, sizeof(one));
    memset(two, 0x2a, sizeof(two));
    assert_int_equal(object_store_init(s.fd, ".", NULL), 0);
    assert_int_equal(ostree_ref_read(s.fd, "a/b", is, NULL), -ENOENT);
    assert_int_equal(ostree_ref_write(s.fd, "a/b", one, NULL), 1);
    assert_int_equal(ostree_ref_write(s.fd, "a/b", one, NULL), 0);
    assert_int_equal(ostree_ref_write(s.fd, "a/b", two, NULL), 1);
    assert_int_equal(ostree_ref_read(s.fd, "a/b", is, NULL), 0);
    assert_memory_equal(is, two, sizeof(two));
    scratch_expect(&s, "refs/heads/a/b",
                   "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a\n");

    assert_int_equal(ostree_ref_read(s.fd, "a", is, NULL), -ENOENT); /* a directory */
    assert_true(ostree_ref_write(s.fd, "a", one, NULL) < 0);
    assert_true(ostree_ref_write(s.fd, "a/b/c", one, NULL) < 0);
    assert_int_equal(ostree_ref_write(s.fd, "../x", one, NULL), -EINVAL);
    assert_int_equal(ostree_ref_read(s.fd, "../../config", is, NULL), -EINVAL);

    scratch_write(&s, "refs/heads/a/bad", "no checksum\n");
    assert_int_equal(ostree_ref_read(s.fd, "a/bad", is, NULL), -EBADMSG);
    assert_int_equal(ostree_ref_write(s.fd, "a/c/d", one, NULL), 1);
    assert_int_equal(ostree_ref_write(s.fd, "z", one, NULL), 1);
    assert_int_equal(ostree_ref_list(s.fd, "a", a, &list, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_string_equal(list[0].name, "a/b");
    assert_string_equal(list[1].name, "a/c/d");
    assert_null(list[2].name);
    assert_int_equal(ostree_ref_list(s.fd, "", a, &list, &n, NULL), 0);
    assert_int_equal(n, 3);
    assert_int_equal(ostree_ref_list(s.fd, "none", a, &list, &n, NULL), 0);
    assert_int_equal(n, 0);

    assert_int_equal(ostree_ref_delete(s.fd, "a/c/d", NULL), 1);
    assert_int_equal(ostree_ref_delete(s.fd, "a/c/d", NULL), 0);
    assert_int_equal(faccessat(s.fd, "refs/heads/a/c", F_OK, 0), -1); /* nor its directory */
    assert_int_equal(ostree_ref_delete(s.fd, "a", NULL), 0);
    assert_int_equal(ostree_ref_delete(s.fd, "z", NULL), 1);
    assert_int_equal(faccessat(s.fd, "refs/heads", F_OK, 0), 0);
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
