/* GRUB's environment block, against what grub-editenv writes where that is installed. */
#include "../scratch.h"

#include "base/process.h"
#include "system/grub_env.h"

static void sets_and_gets(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    char block[GRUB_ENV_SIZE];

    grub_env_make(block);
    assert_null(grub_env_get(a, block, sizeof(block), "a"));
    assert_int_equal(grub_env_set(block, sizeof(block), "a", NULL), 0);
    assert_int_equal(grub_env_set(block, sizeof(block), "a", "1"), 1);
    assert_int_equal(grub_env_set(block, sizeof(block), "a", "1"), 0);
    assert_int_equal(grub_env_set(block, sizeof(block), "ab", "x\\y\nz="), 1);
    assert_int_equal(grub_env_set(block, sizeof(block), "c", ""), 1);
    assert_string_equal(grub_env_get(a, block, sizeof(block), "a"), "1");
    assert_string_equal(grub_env_get(a, block, sizeof(block), "ab"), "x\\y\nz=");
    assert_string_equal(grub_env_get(a, block, sizeof(block), "c"), "");
    assert_null(grub_env_get(a, block, sizeof(block), "z")); /* it is in a value */
    assert_int_equal(grub_env_set(block, sizeof(block), "ab", "longer than it was before"), 1);
    assert_int_equal(grub_env_set(block, sizeof(block), "a", NULL), 1);
    assert_null(grub_env_get(a, block, sizeof(block), "a"));
    assert_string_equal(grub_env_get(a, block, sizeof(block), "ab"), "longer than it was before");
    assert_int_equal(grub_env_set(block, sizeof(block), "ab", NULL), 1);
    assert_int_equal(grub_env_set(block, sizeof(block), "c", NULL), 1);
    char fresh[GRUB_ENV_SIZE];
    grub_env_make(fresh);
    assert_memory_equal(block, fresh, sizeof(fresh));
}

static void refuses(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    char block[GRUB_ENV_SIZE], before[GRUB_ENV_SIZE], large[GRUB_ENV_SIZE];

    grub_env_make(block);
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    memcpy(before, block, sizeof(before));
    assert_int_equal(grub_env_set(block, sizeof(block), "a", large), -ENOSPC);
    assert_int_equal(grub_env_set(block, sizeof(block), "a=b", "c"), -EINVAL);
    assert_int_equal(grub_env_set(block, sizeof(block), "", "c"), -EINVAL);
    assert_memory_equal(block, before, sizeof(before));
    const char *filling = strchr(strchr(block, '\n') + 1, '\n') + 1;
    const size_t room = (size_t)(block + sizeof(block) - filling);
    large[room - 3] = '\0'; /* "a=", the value and its line break fill it */
    assert_int_equal(grub_env_set(block, sizeof(block), "a", large), 1);
    assert_string_equal(grub_env_get(a, block, sizeof(block), "a"), large);
    assert_int_equal(grub_env_set(block, sizeof(block), "b", ""), -ENOSPC);
    memset(block, 0, sizeof(block));
    assert_int_equal(grub_env_set(block, sizeof(block), "a", "b"), -EBADMSG);
    assert_null(grub_env_get(a, block, sizeof(block), "a"));
    memcpy(block, "# GRUB Environment Block\na=b", 28); /* no end of the line */
    assert_int_equal(grub_env_set(block, 28, "a", "c"), -EBADMSG);
}

static void files(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;
    char block[GRUB_ENV_SIZE];
    struct stat before, after;
    Error e = ERROR_INIT;

    assert_int_equal(grub_env_read(s.fd, "grubenv", &b, &e), -ENOENT);
    scratch_write(&s, "grubenv", "text\n");
    assert_int_equal(grub_env_read(s.fd, "grubenv", &b, &e), -EBADMSG);
    grub_env_make(block);
    assert_int_equal(file_write_at(s.fd, "grubenv", block, sizeof(block), FILE_WRITE()), 0);
    b.len = 0;
    assert_int_equal(grub_env_read(s.fd, "grubenv", &b, &e), 0);
    assert_int_equal(grub_env_set(b.data, b.len, "left", "3"), 1);
    assert_int_equal(fstatat(s.fd, "grubenv", &before, 0), 0);
    assert_int_equal(grub_env_write(s.fd, "grubenv", &b, &e), 0);
    assert_int_equal(fstatat(s.fd, "grubenv", &after, 0), 0);
    assert_true(before.st_ino == after.st_ino && after.st_size == GRUB_ENV_SIZE);
    b.len = 0;
    assert_int_equal(grub_env_read(s.fd, "grubenv", &b, &e), 0);
    assert_string_equal(grub_env_get(a, b.data, b.len, "left"), "3");
    assert_int_equal(truncate(arena_printf(a, "%s/grubenv", s.path), 512), 0);
    assert_int_equal(grub_env_write(s.fd, "grubenv", &b, &e), -EINVAL);
    scratch_close(&s);
}

static int editenv(const char *path, const char *verb, const char *word)
{
    Error e = ERROR_INIT;
    return process_run(&(ProcessRun){.argv = (const char *const[]){"grub-editenv", path, verb, word, NULL}},
                       &e);
}

/* What it writes is read, and what is written it reads and writes on. */
static void agrees_with_grub(void **state)
{
    (void)state;
    Scratch s = scratch_open();
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;
    const char *path = arena_printf(a, "%s/grubenv", s.path);
    char block[GRUB_ENV_SIZE];

    if (editenv(path, "create", NULL) != 0) {
        scratch_close(&s);
        skip();
    }
    grub_env_make(block);
    assert_int_equal(grub_env_read(s.fd, "grubenv", &b, NULL), 0);
    assert_int_equal(b.len, GRUB_ENV_SIZE);
    assert_memory_equal(b.data, block, sizeof(block));
    assert_int_equal(editenv(path, "set", "one=a\\b\nc"), 0);
    b.len = 0;
    assert_int_equal(grub_env_read(s.fd, "grubenv", &b, NULL), 0);
    assert_string_equal(grub_env_get(a, b.data, b.len, "one"), "a\\b\nc");
    assert_int_equal(grub_env_set(b.data, b.len, "two", "\\"), 1);
    assert_int_equal(grub_env_set(b.data, b.len, "one", "changed"), 1);
    assert_int_equal(grub_env_write(s.fd, "grubenv", &b, NULL), 0);
    assert_int_equal(editenv(path, "set", "three=3"), 0);
    assert_int_equal(editenv(path, "unset", "one"), 0);
    b.len = 0;
    assert_int_equal(grub_env_read(s.fd, "grubenv", &b, NULL), 0);
    assert_null(grub_env_get(a, b.data, b.len, "one"));
    assert_string_equal(grub_env_get(a, b.data, b.len, "two"), "\\");
    assert_string_equal(grub_env_get(a, b.data, b.len, "three"), "3");
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sets_and_gets), cmocka_unit_test(refuses),
                                       cmocka_unit_test(files), cmocka_unit_test(agrees_with_grub)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
