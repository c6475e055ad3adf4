/* Arena, buffer, map and error: what the rest stands on. */
#include "../scratch.h"

#include "base/map.h"

#include "base/arena.h"

static void test_arena(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    char *kept[3000];
    for (size_t i = 0; i < ELEMENTS(kept); i++) {
        size_t size = i % 97 == 0 ? 100000 : i % 50 + 1;
        kept[i] = arena_alloc(a, size);
        size_t align = size & -size; /* no type of this size wants more */
        assert_int_equal((uintptr_t)kept[i] % (align < _Alignof(max_align_t) ? align : _Alignof(max_align_t)),
                         0);
        for (size_t j = 0; j < size; j++)
            assert_int_equal(kept[i][j], 0);
        memset(kept[i], (int)(i & 0x7f), size);
    }
    for (size_t i = 0; i < ELEMENTS(kept); i++) /* nobody wrote over another */
        assert_int_equal(kept[i][i % 97 == 0 ? 99999 : i % 50], (int)(i & 0x7f));
    assert_string_equal(arena_printf(a, "%s-%d", "x", 7), "x-7");
    assert_null(arena_strdup(a, NULL));
    assert_memory_equal(arena_memdup(a, "a\0b", 3), "a\0b", 4);
    assert_true(arena_used(a) >= 100000 * (ELEMENTS(kept) / 97));
}

static void test_buf(void **state)
{
    (void)state;
    _cleanup_buf_ Buf b = BUF_INIT;
    for (int i = 0; i < 1000; i++)
        buf_addf(&b, "%03d", i);
    assert_int_equal(b.len, 3000);
    assert_int_equal(strlen(b.data), 3000);
    assert_memory_equal(b.data + 2997, "999", 4);
    buf_add_char(&b, '\0');
    buf_add_str(&b, "z");
    assert_int_equal(b.len, 3002);
    buf_done(&b);
    _cleanup_free_ char *empty = buf_take(&b);
    assert_string_equal(empty, "");
    assert_null(b.data);
}

static void test_map(void **state)
{
    (void)state;
    _cleanup_map_ Map m = MAP_INIT;
    static char keys[5000][8];
    assert_null(map_get(&m, "none"));
    for (size_t i = 0; i < ELEMENTS(keys); i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        assert_int_equal(map_put(&m, keys[i], keys[i]), 1);
    }
    assert_int_equal(m.n, ELEMENTS(keys));
    for (size_t i = 0; i < ELEMENTS(keys); i++)
        assert_ptr_equal(map_get(&m, keys[i]), keys[i]);
    assert_false(map_has(&m, "k5000"));
    assert_int_equal(map_put(&m, "k1", keys[2]), 0);
    assert_ptr_equal(map_get(&m, "k1"), keys[2]);
    void *old = NULL;
    assert_int_equal(map_put_new(&m, "k1", keys[3], &old), 0);
    assert_ptr_equal(old, keys[2]);
    assert_int_equal(map_put(&m, "null", NULL), 1);
    assert_true(map_has(&m, "null"));
}

static void test_error(void **state)
{
    (void)state;
    Error e = ERROR_INIT;
    assert_int_equal(error_set(&e, ENOENT, "no %s", "disk"), -ENOENT);
    assert_int_equal(error_wrap(&e, -ENOENT, "planning"), -ENOENT);
    assert_string_equal(e.text, "planning: no disk");
    assert_int_equal(e.code, ENOENT);
    assert_int_equal(error_errno(&e, -EACCES, "file"), -EACCES);
    assert_string_equal(e.text, "file: Permission denied");
    assert_int_equal(error_set(NULL, EIO, "x"), -EIO);
    assert_int_equal(error_wrap(NULL, 5, "x"), 5);
    static char wide[ERROR_TEXT_MAX + 10];
    memset(wide, 'w', sizeof(wide) - 1);
    error_set(&e, EIO, "%s", wide);
    assert_int_equal(strlen(e.text), ERROR_TEXT_MAX - 1);
    assert_string_equal(e.text + ERROR_TEXT_MAX - 1 - strlen("…"), "…");
    error_wrap(&e, -EIO, "front");
    assert_int_equal(strncmp(e.text, "front: www", 10), 0);
    assert_string_equal(e.text + ERROR_TEXT_MAX - 1 - strlen("…"), "…");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_arena), cmocka_unit_test(test_buf),
                                       cmocka_unit_test(test_map), cmocka_unit_test(test_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
