/* Containers in image files, made, looked at and changed by us, and looked at by cryptsetup, whose format it
 * is. Opening them needs a device mapper, which tests/vm has. */
#include "../scratch.h"

#include <libcryptsetup.h>

#include "base/process.h"
#include "format/json.h"
#include "system/luks_device.h"
#include "system/luks_header.h"

enum { IMAGE_SIZE = 20 << 20 };

static const char *image(Arena *a, const Scratch *s, const char *name)
{
    const char *path = arena_printf(a, "%s/%s", s->path, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, IMAGE_SIZE), 0);
    close(fd);
    return path;
}

static Buf key_of(const char *text)
{
    return (Buf){.data = (char *)text, .len = strlen(text)};
}

static void must(int r, const Error *e)
{
    if (r < 0)
        fail_msg("%s", e->text);
}

/* The JSON of its metadata, as cryptsetup reads it. */
static Node *dump(Arena *a, const char *path)
{
    Buf out = BUF_INIT;
    Error e = ERROR_INIT;
    const char *argv[] = {"cryptsetup", "luksDump", "--dump-json-metadata", path, NULL};
    must(-process_run(&(ProcessRun){.argv = argv, .output = &out}, &e), &e);
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = "dump", .text = arena_memdup(a, out.data, out.len), .len = out.len};
    buf_done(&out);
    _cleanup_report_ Report r = REPORT_INIT(a);
    Node *root;
    assert_int_equal(json_read(a, source, SEVERITY_ERROR, &root, &r), 0);
    return root;
}

static const char *text(const Node *root, const char *path)
{
    const Node *n = node_get_path(root, path);
    return n ? n->string : "absent";
}

static int opens(const char *path, const char *key_file)
{
    _cleanup_buf_ Buf errors = BUF_INIT;
    const char *argv[] = {"cryptsetup", "open", "--test-passphrase", "--key-file", key_file, path, NULL};
    return process_run(&(ProcessRun){.argv = argv, .errors = &errors}, NULL);
}

static void test_format(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    Error e = ERROR_INIT;
    const char *path = image(a, &s, "i");
    Buf key = key_of("a\nkey"), other = key_of("other");
    LuksFacts f;
    must(luks_header_look(a, path, &f, &e), &e);
    assert_int_equal(f.version, 0);

    LuksOptions o = {.label = "data",
                     .uuid = "a1a1a1a1-0000-4000-8000-000000000001",
                     .subsystem = LUKS_UNFINISHED,
                     .flags = LUKS_ALLOW_DISCARDS | LUKS_NO_READ_WORKQUEUE};
    must(luks_device_format(path, &o, &key, true, &e), &e);
    must(luks_header_look(a, path, &f, &e), &e);
    assert_int_equal(f.version, 2);
    assert_string_equal(f.label, o.label);
    assert_string_equal(f.uuid, o.uuid);
    assert_string_equal(f.subsystem, LUKS_UNFINISHED);
    assert_true(f.discard);
    assert_false(f.opened);
    assert_null(f.tokens[0]);

    const Node *d = dump(a, path);
    assert_string_equal(text(d, "segments.0.encryption"), "aes-xts-plain64");
    assert_string_equal(text(d, "keyslots.0.key_size"), "64");
    assert_string_equal(text(d, "keyslots.0.kdf.type"), "pbkdf2");
    assert_string_equal(text(d, "keyslots.0.kdf.iterations"), "1000");
    assert_string_equal(text(d, "config.flags.1"), "no-read-workqueue");

    assert_int_equal(luks_device_key_fits(path, &key, &e), 1);
    assert_int_equal(luks_device_key_fits(path, &other, &e), 0);
    scratch_write(&s, "key", "a\nkey");
    assert_int_equal(opens(path, arena_printf(a, "%s/key", s.path)), 0);

    assert_int_equal(luks_device_set_subsystem(path, NULL, &e), 1);
    assert_int_equal(luks_device_set_subsystem(path, NULL, &e), 0);
    assert_int_equal(luks_device_set_flags(path, LUKS_NO_READ_WORKQUEUE, &e), 1);
    assert_int_equal(luks_device_set_flags(path, LUKS_NO_READ_WORKQUEUE, &e), 0);
    must(luks_header_look(a, path, &f, &e), &e);
    assert_null(f.subsystem);
    assert_string_equal(f.label, o.label);
    assert_false(f.discard);
    scratch_close(&s);
}

static void test_format_options(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    Error e = ERROR_INIT;
    const char *path = image(a, &s, "i");
    Buf key = key_of("k");
    LuksOptions o = {.cipher = "aes-cbc-essiv:sha256",
                     .key_size = 256,
                     .hash = "sha512",
                     .pbkdf = "argon2id",
                     .iterations = 4,
                     .memory_kib = 32,
                     .parallel = 1,
                     .sector_size = 512,
                     .metadata_size = 32 << 10,
                     .keyslots_size = 1 << 20,
                     .key_slot = 3};
    must(luks_device_format(path, &o, &key, false, &e), &e);
    const Node *d = dump(a, path);
    assert_string_equal(text(d, "segments.0.encryption"), "aes-cbc-essiv:sha256");
    assert_string_equal(text(d, "segments.0.sector_size"), "512");
    assert_string_equal(text(d, "keyslots.2.kdf.type"), "argon2id");
    assert_string_equal(text(d, "keyslots.2.kdf.memory"), "32");
    assert_string_equal(text(d, "keyslots.2.af.hash"), "sha512");
    assert_string_equal(text(d, "config.keyslots_size"), "1048576");
    LuksFacts f;
    must(luks_header_look(a, path, &f, &e), &e); /* of another size than usual */
    assert_int_equal(f.version, 2);
    assert_non_null(f.uuid);
    scratch_close(&s);
}

static void test_refused(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    Error e = ERROR_INIT;
    const char *path = image(a, &s, "i");
    Buf key = key_of("k"), none = BUF_INIT;
    LuksOptions o = {.uuid = "not a uuid"};
    assert_true(luks_device_format(path, &o, &key, true, &e) < 0);
    assert_non_null(strstr(e.text, "UUID"));
    o = (LuksOptions){.cipher = "nonsense-xts-plain64"};
    assert_true(luks_device_format(path, &o, &key, true, &e) < 0);
    o = (LuksOptions){.integrity = "crc"};
    assert_true(luks_device_format(path, &o, &key, true, &e) < 0);
    assert_string_equal(e.text, "the integrity algorithm 'crc' is not known");
    o = (LuksOptions){0};
    assert_true(luks_device_format(path, &o, &none, true, &e) < 0);
    assert_string_equal(e.text, "the key is empty");
    assert_true(luks_device_format("/nonexistent", &o, &key, true, &e) < 0);
    assert_true(luks_device_key_fits(path, &key, &e) < 0); /* nothing was made of it */
    scratch_close(&s);
}

/* Whatever the end of the device said before is gone. */
static void test_tail(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    Error e = ERROR_INIT;
    const char *path = image(a, &s, "i");
    Buf key = key_of("k");
    char word[9] = "";
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "EFI PART", 8, IMAGE_SIZE - 512), 8);
    must(luks_device_format(path, &(LuksOptions){0}, &key, true, &e), &e);
    assert_int_equal(pread(fd, word, 8, IMAGE_SIZE - 512), 8);
    assert_string_equal(word, "");
    close(fd);
    scratch_close(&s);
}

static void test_bind(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    Error e = ERROR_INIT;
    const char *path = image(a, &s, "i");
    Buf key = key_of("first"), bound = key_of("bound");
    must(luks_device_format(path, &(LuksOptions){0}, &key, true, &e), &e);
    assert_int_equal(luks_device_remove_key(path, &key, &e), -EBUSY);

    Node *token = node_new(a, NODE_OBJECT);
    node_set_string(a, token, "type", "clevis");
    node_set(a, token, "jwe", node_new(a, NODE_OBJECT));
    must(luks_device_bind(path, &(LuksBinding){&key, &bound, token, a}, &e), &e);
    const Node *d = dump(a, path);
    assert_string_equal(text(d, "tokens.0.type"), "clevis");
    assert_string_equal(text(d, "tokens.0.keyslots.0"), "1");
    assert_string_equal(text(d, "keyslots.1.kdf.iterations"), "1000");
    LuksFacts f;
    must(luks_header_look(a, path, &f, &e), &e);
    assert_string_equal(f.tokens[0], "clevis");
    assert_null(f.tokens[1]);
    _cleanup_(string_list_done)
    StringList tokens = {0};
    must(luks_device_tokens(a, path, "clevis", &tokens, &e), &e);
    assert_int_equal(tokens.n, 1);
    must(luks_device_tokens(a, path, "other", &tokens, &e), &e);
    assert_int_equal(tokens.n, 1);

    assert_int_equal(luks_device_key_fits(path, &bound, &e), 1);
    must(luks_device_remove_key(path, &key, &e), &e);
    assert_int_equal(luks_device_key_fits(path, &key, &e), 0);
    assert_int_equal(luks_device_key_fits(path, &bound, &e), 1);
    assert_true(luks_device_remove_key(path, &key, &e) < 0);
    scratch_close(&s);
}

/* The newer sound copy counts; one that is damaged is not taken for nothing. */
static void test_damaged(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    Error e = ERROR_INIT;
    const char *path = image(a, &s, "i");
    Buf key = key_of("k");
    LuksFacts f;
    must(luks_device_format(path, &(LuksOptions){.label = "l"}, &key, true, &e), &e);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 24), 1); /* in the first label */
    must(luks_header_look(a, path, &f, &e), &e);
    assert_string_equal(f.label, "l");
    assert_int_equal(pwrite(fd, "x", 1, 0x4000 + 24), 1);
    must(luks_header_look(a, path, &f, &e), &e);
    assert_int_equal(f.version, 2);
    assert_null(f.label);
    assert_null(f.uuid);
    assert_int_equal(pwrite(fd, "X", 1, 0), 1); /* no longer the magic */
    must(luks_header_look(a, path, &f, &e), &e);
    assert_int_equal(f.version, 0);
    close(fd);
    scratch_close(&s);
}

static void test_version_1(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    Error e = ERROR_INIT;
    const char *path = image(a, &s, "i"), *key = arena_printf(a, "%s/key", s.path);
    scratch_write(&s, "key", "k");
    const char *argv[] = {"cryptsetup", "luksFormat", "-q",
                          "--type",     "luks1",      "--pbkdf-force-iterations",
                          "1000",       "--uuid",     "a1a1a1a1-0000-4000-8000-000000000002",
                          "--key-file", key,          path,
                          NULL};
    must(-process_run(&(ProcessRun){.argv = argv}, &e), &e);
    LuksFacts f;
    must(luks_header_look(a, path, &f, &e), &e);
    assert_int_equal(f.version, 1);
    assert_string_equal(f.uuid, "a1a1a1a1-0000-4000-8000-000000000002");
    scratch_close(&s);
}

static void test_mapping(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    scratch_write(&s, "block/dm-0/dm/uuid", "LVM-abc\n");
    scratch_write(&s, "block/dm-1/dm/uuid", "CRYPT-LUKS2-a1a1a1a1000040008000000000000001-my-name\n");
    scratch_write(&s, "block/sda/dm/uuid", "CRYPT-LUKS2-b1a1a1a1000040008000000000000001-no\n");
    assert_string_equal(luks_mapping_find(a, s.path, "a1a1a1a1-0000-4000-8000-000000000001"), "my-name");
    assert_null(luks_mapping_find(a, s.path, "b1a1a1a1-0000-4000-8000-000000000001"));
    assert_null(luks_mapping_find(a, s.path, "a1a1a1a1-0000-4000-8000-00000000000"));
    scratch_close(&s);
}

static void test_memory(void **state)
{
    (void)state;
    assert_int_equal(luks_memory_limit_kib(8 << 20), 1 << 20);
    assert_int_equal(luks_memory_limit_kib(1 << 20), 256 << 10);
    assert_int_equal(luks_memory_limit_kib(0), 64 << 10);
    /* The flags are the library's, so that they need no table. */
    assert_int_equal(LUKS_ALLOW_DISCARDS, CRYPT_ACTIVATE_ALLOW_DISCARDS);
    assert_int_equal(LUKS_SAME_CPU_CRYPT, CRYPT_ACTIVATE_SAME_CPU_CRYPT);
    assert_int_equal(LUKS_SUBMIT_FROM_CRYPT_CPUS, CRYPT_ACTIVATE_SUBMIT_FROM_CRYPT_CPUS);
    assert_int_equal(LUKS_NO_JOURNAL, CRYPT_ACTIVATE_NO_JOURNAL);
    assert_int_equal(LUKS_NO_READ_WORKQUEUE, CRYPT_ACTIVATE_NO_READ_WORKQUEUE);
    assert_int_equal(LUKS_NO_WRITE_WORKQUEUE, CRYPT_ACTIVATE_NO_WRITE_WORKQUEUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),    cmocka_unit_test(test_format_options),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_tail),
        cmocka_unit_test(test_bind),      cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_version_1), cmocka_unit_test(test_mapping),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
