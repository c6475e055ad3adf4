/* The staged record: ours back, and libostree's (made by a program with GLib, byte for byte). */
#include "../scratch.h"

#include "update/gvariant.h"
#include "update/staged_record.h"

#define C1 "1111111111111111111111111111111111111111111111111111111111111111"
#define C2 "2222222222222222222222222222222222222222222222222222222222222222"
#define B1 "3333333333333333333333333333333333333333333333333333333333333333"

static const StagedRecord full = {
    .target = {.stateroot = "os",
               .checksum = C1,
               .serial = 3,
               .boot_checksum = B1,
               .options = "root=LABEL=x \"a b\" quiet",
               .finalization_locked = true},
    .merge_stateroot = "os",
    .merge_checksum = C2,
    .merge_boot_checksum = B1,
};

static void comes_back(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;
    StagedRecord r;

    staged_record_encode(&full, &b);
    assert_int_equal(staged_record_decode(a, b.data, b.len, &r), 0);
    assert_string_equal(r.target.path, "ostree/deploy/os/deploy/" C1 ".3");
    assert_string_equal(r.target.options, full.target.options);
    assert_string_equal(r.target.boot_checksum, B1);
    assert_true(r.target.finalization_locked && r.target.staged);
    assert_string_equal(r.merge_checksum, C2);
    assert_int_equal(r.merge_serial, 0);

    b.len = 0;
    staged_record_encode(&(StagedRecord){.target = {.stateroot = "os", .checksum = C1, .boot_checksum = B1}},
                         &b);
    assert_int_equal(staged_record_decode(a, b.data, b.len, &r), 0);
    assert_null(r.target.options);
    assert_null(r.merge_checksum);
    assert_false(r.target.finalization_locked);
}

/* Every cut and every changed byte is refused or a record whose names are names. */
static void damaged(void **state)
{
    (void)state;
    _cleanup_buf_ Buf b = BUF_INIT;

    staged_record_encode(&full, &b);
    for (size_t i = 0; i < 2 * b.len; i++) {
        _cleanup_arena_ Arena *a = arena_new();
        char *copy = malloc(b.len + 1);
        StagedRecord r;
        memcpy(copy, b.data, b.len);
        if (i >= b.len)
            copy[i - b.len] ^= 0x2f;
        if (staged_record_decode(a, copy, i < b.len ? i : b.len, &r) >= 0) {
            assert_null(strchr(r.target.stateroot, '/'));
            assert_int_equal(strlen(r.target.checksum), 64);
        }
        free(copy);
    }
}

static void assert_same(const char *name, const Buf *ours)
{
    _cleanup_buf_ Buf theirs = BUF_INIT;
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", getenv("STAGED_GOLDEN"), name);
    assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 16, &theirs, NULL), 0);
    assert_int_equal(theirs.len, ours->len);
    assert_memory_equal(theirs.data, ours->data, ours->len);
}

static void as_glib(void **state)
{
    (void)state;
    _cleanup_buf_ Buf b = BUF_INIT;

    staged_record_encode(&full, &b);
    assert_same("full", &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_back), cmocka_unit_test(damaged),
                                       cmocka_unit_test(as_glib)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
