/* A change of the directory, killed before each of its steps in turn: what the next run finds is the old
 * state, untouched, or the whole of the new one. */
#include "../scratch.h"

#include <sys/wait.h>

#include "installer/asset_state.h"

enum { STEPS_MAX = 64, DIED = 42 };

static int steps_left = -1; /* below 0: nothing dies */

static void step(void)
{
    if (steps_left == 0)
        _exit(DIED);
    if (steps_left > 0)
        steps_left--;
}

int __real_file_write_at(int dirfd, const char *path, const void *data, size_t n, const FileWrite *how);
int __wrap_file_write_at(int dirfd, const char *path, const void *data, size_t n, const FileWrite *how);
int __wrap_file_write_at(int dirfd, const char *path, const void *data, size_t n, const FileWrite *how)
{
    step();
    return __real_file_write_at(dirfd, path, data, n, how);
}

int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    step();
    return __real_renameat2(from_dir, from, to_dir, to, flags);
}

int __real_unlinkat(int dirfd, const char *path, int flags);
int __wrap_unlinkat(int dirfd, const char *path, int flags);
int __wrap_unlinkat(int dirfd, const char *path, int flags)
{
    step();
    return __real_unlinkat(dirfd, path, flags);
}

static const char *text_of(Arena *a, int dirfd, const char *path)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    if (file_read_at(dirfd, path, 1 << 20, &text, NULL) < 0)
        return NULL;
    return arena_memdup(a, text.data ? text.data : "", text.len);
}

static void put(int dirfd, const char *path, const char *text)
{
    assert_int_equal(file_write_at(dirfd, path, text, strlen(text), FILE_WRITE(.mode = 0600)), 0);
}

static void prepare(Arena *a, int dirfd)
{
    AssetChange first;
    AssetValue v = {0};
    Node *state = node_new(a, NODE_OBJECT);

    put(dirfd, "input", "old");
    put(dirfd, "output", "old");
    assert_true(dir_make_all_at(dirfd, "many", 0750) >= 0);
    put(dirfd, "many/a", "old");
    put(dirfd, "many/b", "old");
    asset_value_add(a, &v, "f", "old", 3);
    asset_state_put(a, state, "Thing", &v);
    asset_change_init(a, &first, state, ".consumed/0");
    assert_int_equal(asset_change_commit(a, &first, dirfd, NULL), 0);
}

static int change(Arena *a, int dirfd)
{
    AssetChange c;
    AssetValue v = {0};
    Node *state = node_new(a, NODE_OBJECT);

    asset_value_add(a, &v, "f", "new", 3);
    asset_state_put(a, state, "Thing", &v);
    asset_change_init(a, &c, state, ".consumed/1");
    asset_change_move(a, &c, "input");
    asset_change_move(a, &c, "output"); /* gives way to a new one */
    asset_change_move(a, &c, "many/a");
    asset_change_move(a, &c, "many/b");
    asset_change_write(a, &c, &(AssetFile){"output", "new", 3}, 0600);
    asset_change_write(a, &c, &(AssetFile){"auth/key", "new", 3}, 0600);
    return asset_change_commit(a, &c, dirfd, NULL);
}

static const char *state_says(Arena *a, int dirfd)
{
    Node *state;
    AssetValue v;
    assert_int_equal(asset_state_read(a, dirfd, &state, NULL), 0);
    assert_int_equal(asset_state_get(a, state, "Thing", &v, NULL), 1);
    return asset_value_file(&v, "f")->data;
}

static void check(Arena *a, int dirfd, bool is_new)
{
    const char *aside = is_new ? "old" : NULL;
    const struct {
        const char *path, *text;
    } files[] = {
        {"output", is_new ? "new" : "old"}, {"auth/key", is_new ? "new" : NULL},
        {"input", is_new ? NULL : "old"},   {"many/a", is_new ? NULL : "old"},
        {"many/b", is_new ? NULL : "old"},  {".consumed/1/input", aside},
        {".consumed/1/output", aside},      {".consumed/1/many/a", aside},
        {".consumed/1/many/b", aside},      {ASSET_PENDING_FILE, NULL},
    };
    for (size_t i = 0; i < ELEMENTS(files); i++) {
        const char *text = text_of(a, dirfd, files[i].path);
        if (!files[i].text)
            assert_null(text);
        else
            assert_string_equal(text, files[i].text);
    }
    assert_string_equal(state_says(a, dirfd), is_new ? "new" : "old");
    assert_int_equal(faccessat(dirfd, "many", F_OK, 0) == 0, !is_new); /* emptied directories go */
}

/* Runs `what` in a child that dies before its n-th step; did it die? */
static bool dies(int (*what)(Arena *a, int dirfd), int dirfd, int n)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        Arena *a = arena_new();
        steps_left = n;
        _exit(what(a, dirfd) < 0 ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == DIED || WEXITSTATUS(status) == 0));
    return WEXITSTATUS(status) == DIED;
}

static int resume(Arena *a, int dirfd)
{
    return asset_change_resume(a, dirfd, NULL);
}

static void test_killed_before_each_step(void **state _unused_)
{
    bool seen_old = false, seen_new = false, died = true;
    int n;

    for (n = 0; died && n < STEPS_MAX; n++) {
        _cleanup_arena_ Arena *a = arena_new();
        Scratch s = scratch_open();
        prepare(a, s.fd);
        died = dies(change, s.fd, n);
        bool decided = faccessat(s.fd, ASSET_PENDING_FILE, F_OK, 0) == 0;
        /* The completion is killed before each of its steps, too. */
        for (int m = 0; decided && dies(resume, s.fd, m); m++)
            assert_true(m < STEPS_MAX);
        assert_int_equal(asset_change_resume(a, s.fd, NULL), 0);
        bool is_new = decided || !died;
        check(a, s.fd, is_new);
        seen_old |= !is_new;
        seen_new |= is_new && died;
        scratch_close(&s);
    }
    assert_true(n < STEPS_MAX);
    assert_true(seen_old && seen_new);
}

static void test_damaged_files(void **state _unused_)
{
    static const char *const texts[] = {"", "[]", "{\"assets\": 5}", "{\"assets\": {\"Thing\": 5}}",
                                        "{\"assets\": {\"Thing\": {\"f\": \"!\"}}}"};
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        Scratch s = scratch_open();
        Error e = ERROR_INIT;
        Node *assets;
        AssetValue v;
        put(s.fd, ASSET_STATE_FILE, texts[i]);
        int r = asset_state_read(a, s.fd, &assets, &e);
        if (r >= 0)
            r = asset_state_get(a, assets, "Thing", &v, &e);
        assert_int_equal(r, -EUCLEAN);
        assert_non_null(strstr(e.text, "start afresh"));
        scratch_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_before_each_step),
        cmocka_unit_test(test_damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
