/* Users and groups of a root: what counts, what is skipped, what stays inside. */
#include "../scratch.h"

#include "system/user_db.h"

static void test_lookup(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    scratch_write(&s, "/etc/passwd",
                  "root:x:0:0:root:/root:/bin/bash\n"
                  "core:x:1000:1001::/var/home/core:/bin/sh\n"
                  "core:x:5:5::/other:/bin/sh\n"
                  "+nis:x:7:7:::\n"
                  "short:x:8:8\n"
                  "long:x:8:8:a:b:c:d\n"
                  "neg:x:-1:8:a:b:c\n"
                  "huge:x:4294967295:8:a:b:c\n"
                  ":x:9:9:a:b:c\n"
                  "last:x:4294967294:10:a:/l:c");
    scratch_write(&s, "/etc/group", "wheel:x:10:core,root\nbad:x:ten:\nother:x:11:\n");
    _cleanup_user_db_ UserDb db = {0};
    assert_int_equal(user_db_load(a, s.fd, &db, NULL), 0);
    const UserRecord *u = user_db_user(&db, "core");
    assert_non_null(u);
    assert_int_equal(u->uid, 1000);
    assert_int_equal(u->gid, 1001);
    assert_string_equal(u->home, "/var/home/core");
    assert_string_equal(u->shell, "/bin/sh");
    assert_int_equal(user_db_user(&db, "last")->uid, 4294967294u);
    static const char *const skipped[] = {"+nis", "short", "long", "neg", "huge", "", "wheel"};
    for (size_t i = 0; i < ELEMENTS(skipped); i++)
        assert_null(user_db_user(&db, skipped[i]));
    assert_int_equal(user_db_group(&db, "wheel")->gid, 10);
    assert_int_equal(user_db_group(&db, "other")->gid, 11);
    assert_null(user_db_group(&db, "bad"));
    scratch_close(&s);
}

static void test_missing_files_are_empty(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    _cleanup_user_db_ UserDb db = {0};
    assert_int_equal(user_db_load(a, s.fd, &db, NULL), 0);
    assert_null(user_db_user(&db, "root")); /* the running system has one */
    scratch_close(&s);
}

static void test_link_stays_in_the_root(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    scratch_write(&s, "/usr/lib/passwd", "inside:x:7:7::/:/\n");
    assert_int_equal(mkdirat(s.fd, "etc", 0755), 0);
    assert_int_equal(symlinkat("/usr/lib/passwd", s.fd, "etc/passwd"), 0);
    assert_int_equal(symlinkat("../../../../../../etc/group", s.fd, "etc/group"), 0);
    _cleanup_user_db_ UserDb db = {0};
    Error e = ERROR_INIT;
    assert_int_equal(user_db_load(a, s.fd, &db, &e), -ELOOP); /* etc/group is itself, in the root */
    assert_non_null(strstr(e.text, "/etc/group"));
    assert_int_equal(unlinkat(s.fd, "etc/group", 0), 0);
    assert_int_equal(user_db_load(a, s.fd, &db, NULL), 0);
    assert_int_equal(user_db_user(&db, "inside")->uid, 7);
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lookup),
                                       cmocka_unit_test(test_missing_files_are_empty),
                                       cmocka_unit_test(test_link_stays_in_the_root)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
