/* The store by itself: versions, lists as of a revision, what is undone, and what is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>

#include "apiserver/store.h"
#include "base/buf.h"
#include "base/file.h"

static const StoreKey pods = {.kind = "pods"};

static char directory[64];

static int set_up(void **state)
{
    strcpy(directory, "/tmp/basalt-store-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    Store *s = NULL;
    int r = store_open(directory, true, &s, NULL);
    *state = s;
    return r;
}

static int tear_down(void **state)
{
    store_free(*state);
    return tree_remove_at(AT_FDCWD, directory);
}

static StoreKey key(const char *name)
{
    return (StoreKey){"pods", "a", name};
}

static int put(Store *s, const char *name, int64_t former, const char *json)
{
    StoreKey k = key(name);
    return store_put(s, &k, former, json, strlen(json), NULL);
}

static int collect(void *context, const StoreObject *o)
{
    buf_addf(context, "%s=%.*s@%lld%s%.*s ", o->key.name, (int)o->n, o->json, (long long)o->revision,
             o->former ? "<" : "", (int)o->former_n, o->former ? o->former : "");
    return 0;
}

static void expect_list(Store *s, const StoreList *q, const char *wanted)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    assert_int_equal(store_list(s, q, collect, &b, NULL), 0);
    assert_string_equal(b.data ? b.data : "", wanted);
}

static void test_versions(void **state)
{
    Store *s = *state;
    _cleanup_arena_ Arena *a = arena_new();
    StoreObject o;
    StoreKey k = key("one");
    assert_int_equal(store_get(s, &k, a, &o, NULL), -ENOENT);
    assert_int_equal(put(s, "one", 0, "1"), 0);
    assert_int_equal(put(s, "one", 0, "x"), -EEXIST);
    assert_int_equal(put(s, "two", 0, "2"), 0);
    assert_int_equal(store_revision(s), 2);
    assert_int_equal(put(s, "one", 1, "1b"), 0);
    assert_int_equal(put(s, "one", 1, "1c"), -ESTALE);
    assert_int_equal(store_commit(s, NULL), 0);
    assert_int_equal(store_get(s, &k, a, &o, NULL), 0);
    assert_int_equal(o.revision, 3);
    assert_string_equal(o.json, "1b");
    k = key("two");
    assert_int_equal(store_remove(s, &k, 2, "2end", 4, NULL), 0);
    expect_list(s, &(StoreList){.kind = "pods"}, "one=1b@3 ");
    expect_list(s, &(StoreList){.kind = "pods", .revision = 2}, "one=1@1 two=2@2 ");
    expect_list(s, &(StoreList){.kind = "pods", .namespace = "a", .revision = 3}, "one=1b@3 two=2@2 ");
    expect_list(s, &(StoreList){.kind = "pods", .namespace = "b"}, "");
    expect_list(
        s,
        &(StoreList){.kind = "pods", .revision = 3, .after_namespace = "a", .after_name = "one", .limit = 1},
        "two=2@2 ");
    _cleanup_buf_ Buf b = BUF_INIT;
    assert_int_equal(store_changes(s, &pods, 1, collect, &b, NULL), 0);
    assert_string_equal(b.data, "two=2@2 one=1b@3<1 two=2end@4<2 ");
    b.len = 0;
    assert_int_equal(store_changes(s, &(StoreKey){"pods", NULL, "one"}, 0, collect, &b, NULL), 0);
    assert_string_equal(b.data, "one=1@1 one=1b@3<1 ");
    b.len = 0;
    assert_int_equal(store_changes(s, &(StoreKey){"pods", "b", "one"}, 0, collect, &b, NULL), 0);
    assert_int_equal(b.len, 0);
}

static void test_undo(void **state)
{
    Store *s = *state;
    assert_int_equal(put(s, "one", 0, "1"), 0);
    assert_int_equal(store_begin(s, NULL), 0);
    assert_int_equal(put(s, "two", 0, "2"), 0);
    assert_int_equal(store_end(s, false, NULL), 0);
    assert_int_equal(store_revision(s), 1);
    assert_int_equal(store_begin(s, NULL), 0);
    assert_int_equal(put(s, "three", 0, "3"), 0);
    assert_int_equal(store_end(s, true, NULL), 0);
    assert_int_equal(store_commit(s, NULL), 0);
    expect_list(s, &(StoreList){.kind = "pods"}, "one=1@1 three=3@2 ");
}

/* What was not committed is not there after opening again; a second program is refused meanwhile. */
static void test_reopen(void **state)
{
    Store *s = *state, *other = NULL;
    assert_int_equal(store_open(directory, true, &other, NULL), -EBUSY);
    assert_int_equal(put(s, "one", 0, "1"), 0);
    assert_int_equal(store_commit(s, NULL), 0);
    assert_int_equal(put(s, "two", 0, "2"), 0);
    store_free(s);
    assert_int_equal(store_open(directory, true, &s, NULL), 0);
    *state = s;
    assert_int_equal(store_revision(s), 1);
    expect_list(s, &(StoreList){.kind = "pods"}, "one=1@1 ");
}

static void test_compaction(void **state)
{
    Store *s = *state;
    assert_int_equal(put(s, "still", 0, "s"), 0);
    assert_int_equal(put(s, "one", 0, "1"), 0);
    for (int64_t i = 2; i < STORE_HISTORY + 3 * STORE_COMPACT_EVERY; i++)
        assert_int_equal(put(s, "one", i, "1"), 0);
    assert_int_equal(store_commit(s, NULL), 0);
    assert_true(store_floor(s) > STORE_COMPACT_EVERY);
    _cleanup_buf_ Buf b = BUF_INIT;
    assert_int_equal(store_changes(s, &pods, 1, collect, &b, NULL), -ESTALE);
    assert_int_equal(store_list(s, &(StoreList){.kind = "pods", .revision = 1}, collect, &b, NULL), -ESTALE);
    StoreList then = {.kind = "pods", .revision = store_floor(s)};
    assert_int_equal(store_list(s, &then, collect, &b, NULL), 0);
    assert_non_null(strstr(b.data, "still=s@1"));
    assert_int_equal(store_changes(s, &pods, store_floor(s), collect, &b, NULL), 0);
}

static int count(void *context, const StoreObject *o)
{
    (void)o;
    ++*(unsigned *)context;
    return 0;
}

static void test_owners(void **state)
{
    Store *s = *state;
    StoreKey k = key("one");
    unsigned n = 0;
    assert_int_equal(store_own(s, "u", &k, true, NULL), 0);
    assert_int_equal(store_own(s, "u", &k, true, NULL), 0);
    assert_int_equal(store_owned(s, "u", count, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(store_own(s, "u", &k, false, NULL), 0);
    assert_int_equal(store_owned(s, "u", count, &n, NULL), 0);
    assert_int_equal(n, 1);
}

/* A copy while it is open, and back from it; what is no copy is refused. */
static void test_backup(void **state)
{
    Store *s = *state, *again = NULL;
    char file[128], into[128];
    snprintf(file, sizeof(file), "%s/copy", directory);
    snprintf(into, sizeof(into), "%s/again", directory);
    assert_int_equal(put(s, "one", 0, "1"), 0);
    assert_int_equal(store_commit(s, NULL), 0);
    assert_int_equal(put(s, "two", 0, "2"), 0);
    Error e = ERROR_INIT;
    assert_int_equal(store_backup(directory, file, &e), 0);
    assert_int_equal(store_restore(file, into, &e), 0);
    assert_int_equal(store_restore(file, into, &e), -EEXIST);
    assert_int_equal(store_open(into, true, &again, &e), 0);
    expect_list(again, &(StoreList){.kind = "pods"}, "one=1@1 ");
    store_free(again);
    assert_int_equal(file_write_at(AT_FDCWD, file, "none", 4, FILE_WRITE()), 0);
    snprintf(into, sizeof(into), "%s/other", directory);
    assert_int_equal(store_restore(file, into, &e), -EBADMSG);
    assert_int_equal(store_backup("/nonexistent", file, &e), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_undo, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reopen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_compaction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_owners, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_backup, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
