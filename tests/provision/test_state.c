/* The state file: what is saved comes back, keys can be forgotten, broken ones are refused, modes are
 * private. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "provision/state.h"

static char dir[] = "/tmp/basalt-state.XXXXXX";

static const char *path_in(Arena *a, const char *name)
{
    return arena_printf(a, "%s/%s", dir, name);
}

static void put(Arena *a, const char *name, const char *text)
{
    assert_int_equal(file_write_at(AT_FDCWD, path_in(a, name), text, strlen(text), FILE_WRITE(.mode = 0600)),
                     0);
}

static void test_round_trip(void **unused _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    const char *path = path_in(a, "deep/er/state");
    State s = {.arena = a}, t;
    struct stat st;
    Error e = ERROR_INIT;

    put(a, "files",
        "{\"providerOutputFiles\":[{\"path\":\"/etc/x\",\"mode\":384,"
        "\"contents\":{\"source\":\"data:,x\"}}]}");
    assert_int_equal(state_load(a, path_in(a, "files"), &s, &e), 0);
    state_add_config(&s, "base", "system", false);
    state_add_config(&s, "user", "/a\"b", true);
    state_add_directory(&s, "var/home/core");
    state_add_directory(&s, "var/lib");
    state_add_key(&s, "data", "data:;base64,AAAA");
    for (int i = 0; i < 2; i++) { /* over itself too */
        assert_int_equal(state_save(&s, path, &e), 0);
        assert_int_equal(state_load(a, path, &t, &e), 0);
        s = t;
    }
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(path_in(a, "deep/er"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(t.n_fetched_configs, 2);
    assert_string_equal(t.fetched_configs[1].source, "/a\"b");
    assert_true(t.fetched_configs[1].referenced);
    assert_false(t.fetched_configs[0].referenced);
    assert_int_equal(t.n_notated_directories, 2);
    assert_string_equal(t.notated_directories[0], "var/home/core");
    assert_int_equal(t.n_luks_key_files, 1);
    assert_string_equal(t.luks_key_files[0].contents, "data:;base64,AAAA");
    assert_int_equal(t.provider_output_files.n, 1);
    const IgnFile *f = IGN_AT(t.provider_output_files, IgnFile, 0);
    assert_string_equal(f->base.path, "/etc/x");
    assert_int_equal(f->mode.value, 0600);

    state_forget_keys(&t);
    assert_int_equal(state_save(&t, path, &e), 0);
    _cleanup_buf_ Buf text = BUF_INIT;
    assert_int_equal(file_read_at(AT_FDCWD, path, 65536, &text, NULL), 0);
    assert_null(strstr(text.data, "AAAA"));
}

static void test_missing_and_broken(void **unused _unused_)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "5",
        "{\"fetchedConfigs\":{}}",
        "{\"fetchedConfigs\":[5]}",
        "{\"notatedDirectories\":[1]}",
        "{\"luksPersistKeyFiles\":[]}",
        "{\"luksPersistKeyFiles\":{\"a\":1}}",
        "{\"providerOutputFiles\":[{\"path\":5}]}",
    };
    _cleanup_arena_ Arena *a = arena_new();
    State s;

    assert_int_equal(state_load(a, path_in(a, "none"), &s, NULL), 0);
    assert_int_equal(s.n_fetched_configs, 0);
    put(a, "peer",
        "{\"fetchedConfigs\":null,\"luksPersistKeyFiles\":null,\"notatedDirectories\":null,\"later\":{}}");
    assert_int_equal(state_load(a, path_in(a, "peer"), &s, NULL), 0);
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        Error e = ERROR_INIT;
        put(a, "bad", bad[i]);
        assert_true(state_load(a, path_in(a, "bad"), &s, &e) < 0);
        assert_non_null(strstr(e.text, "state file"));
    }
    assert_true(state_load(a, dir, &s, NULL) < 0);
    put(a, "file", "");
    s = (State){.arena = a};
    assert_true(state_save(&s, path_in(a, "file/state"), NULL) < 0);
}

static int setup(void **unused _unused_)
{
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **unused _unused_)
{
    return tree_remove_at(AT_FDCWD, dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_missing_and_broken)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
