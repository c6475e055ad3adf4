/* Words of cryptsetup's command line: each way to write them, each way to be wrong. */
#include "../scratch.h"

#include "system/luks_options.h"

typedef struct Case {
    LuksOptionsFor which;
    const char *words[8];
    const char *problem; /* how the first one begins; NULL: none */
} Case;

static const Case wrong[] = {
    {LUKS_FOR_FORMAT, {"--cypher", "aes"}, "the option --cypher is not known; known are: --cipher, --hash,"},
    {LUKS_FOR_FORMAT,
     {"--cipher aes"},
     "the option --cipher aes is not known (an option and its value are two"},
    {LUKS_FOR_FORMAT, {"aes"}, "'aes' is not an option"},
    {LUKS_FOR_FORMAT, {""}, "'' is not an option"},
    {LUKS_FOR_FORMAT, {"-"}, "'-' is not an option"},
    {LUKS_FOR_FORMAT, {"--"}, "'--' is not an option"},
    {LUKS_FOR_FORMAT, {"--key-size"}, "--key-size needs a value"},
    {LUKS_FOR_FORMAT, {"--key-size", "5x"}, "--key-size 5x: not a number"},
    {LUKS_FOR_FORMAT, {"--key-size", "-8"}, "--key-size -8: not a number"},
    {LUKS_FOR_FORMAT, {"--key-size", "99999999999999999999999"}, "--key-size 99999999999999999999999: not a"},
    {LUKS_FOR_FORMAT, {"--key-size", "4"}, "--key-size 4: it can be from 8 to 4096"},
    {LUKS_FOR_FORMAT, {"--key-size", "12"}, "--key-size: it is in bits, a multiple of 8"},
    {LUKS_FOR_FORMAT, {"--pbkdf", "argon"}, "--pbkdf argon: it can be one of: argon2id argon2i pbkdf2"},
    {LUKS_FOR_FORMAT, {"--pbkdf", ""}, "--pbkdf : it can be one of"},
    {LUKS_FOR_FORMAT, {"--sector-size", "1000"}, "--sector-size 1000: it can be 512, 1024, 2048 or 4096"},
    {LUKS_FOR_FORMAT, {"--cipher="}, "--cipher: the value is empty"},
    {LUKS_FOR_FORMAT, {"--integrity-no-wipe=1"}, "--integrity-no-wipe takes no value"},
    {LUKS_FOR_FORMAT, {"--header", "/x"}, "--header cannot be used: the header must be on the device itself"},
    {LUKS_FOR_FORMAT, {"--type", "luks1"}, "--type luks1: it can be one of: luks2 luks"},
    {LUKS_FOR_FORMAT, {"--allow-discards"}, "the option --allow-discards is not known"},
    {LUKS_FOR_FORMAT,
     {"--pbkdf=pbkdf2", "--pbkdf-memory=64"},
     "--pbkdf-memory and --pbkdf-parallel mean nothing"},
    {LUKS_FOR_FORMAT,
     {"--pbkdf=pbkdf2", "--pbkdf-force-iterations=999"},
     "--pbkdf-force-iterations: with --pbkdf"},
    {LUKS_FOR_FORMAT,
     {"-i1", "--pbkdf-force-iterations=5"},
     "--iter-time and --pbkdf-force-iterations exclude"},
    {LUKS_FOR_FORMAT,
     {"--keyslot-cipher", "aes-xts-plain64"},
     "--keyslot-cipher and --keyslot-key-size need"},
    {LUKS_FOR_FORMAT, {"--luks2-metadata-size", "1z"}, "--luks2-metadata-size 1z: not a number"},
    {LUKS_FOR_FORMAT, {"--luks2-metadata-size", "16EiB"}, "--luks2-metadata-size 16EiB: not a number"},
    {LUKS_FOR_OPEN, {"--readonly"}, "--readonly cannot be used: a filesystem is made on the volume"},
    {LUKS_FOR_OPEN,
     {"--perf-fast"},
     "the option --perf-fast is not known; known are: --type, --allow-discards,"},
    {LUKS_FOR_OPEN, {"--cipher", "aes"}, "the option --cipher is not known"},
};

static size_t count(const char *const *words)
{
    size_t n = 0;
    while (words[n])
        n++;
    return n;
}

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(wrong); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_(string_list_done)
        StringList problems = {0};
        LuksOptions o = {0};
        luks_options_read(a, wrong[i].which, wrong[i].words, count(wrong[i].words), &o, &problems);
        if (problems.n != 1 || strncmp(problems.items[0], wrong[i].problem, strlen(wrong[i].problem)) != 0)
            fail_msg("case %zu: %zu problems, '%s' instead of '%s'", i, problems.n,
                     problems.n ? problems.items[0] : "", wrong[i].problem);
    }
}

static LuksOptions read_right(Arena *a, LuksOptionsFor which, const char *const *words)
{
    _cleanup_(string_list_done)
    StringList problems = {0};
    LuksOptions o = {0};
    luks_options_read(a, which, words, count(words), &o, &problems);
    if (problems.n)
        fail_msg("%s", problems.items[0]);
    return o;
}
#define READ(which, ...) read_right(a, which, (const char *const[]){__VA_ARGS__, NULL})

static void test_right(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    LuksOptions o = READ(LUKS_FOR_FORMAT, "--cipher", "aes-cbc-essiv:sha256", "--key-size=512", "-hsha512",
                         "-i", "200", "--luks2-keyslots-size", "1MiB", "--luks2-metadata-size=64k", "-S0",
                         "-q", "--integrity", "hmac-sha256", "--integrity-no-wipe", "--type", "luks2");
    assert_string_equal(o.cipher, "aes-cbc-essiv:sha256");
    assert_string_equal(o.hash, "sha512");
    assert_string_equal(o.integrity, "hmac-sha256");
    assert_int_equal(o.key_size, 512);
    assert_int_equal(o.iter_time_ms, 200);
    assert_int_equal(o.keyslots_size, 1 << 20);
    assert_int_equal(o.metadata_size, 64 << 10);
    assert_int_equal(o.key_slot, 1);
    assert_int_equal(o.integrity_no_wipe, 1);
    o = READ(LUKS_FOR_FORMAT, "--pbkdf", "argon2i", "--pbkdf-force-iterations", "4", "--pbkdf-memory", "64",
             "--pbkdf-parallel", "1", "--luks2-keyslots-size", "1MB");
    assert_string_equal(o.pbkdf, "argon2i");
    assert_int_equal(o.iterations, 4);
    assert_int_equal(o.memory_kib, 64);
    assert_int_equal(o.parallel, 1);
    assert_int_equal(o.keyslots_size, 1000000);
    o = READ(LUKS_FOR_OPEN, "--perf-no_read_workqueue", "--perf-no_write_workqueue", "--perf-same_cpu_crypt",
             "--perf-submit_from_crypt_cpus", "--allow-discards", "--persistent", "-T", "1");
    assert_int_equal(o.flags, LUKS_NO_READ_WORKQUEUE | LUKS_NO_WRITE_WORKQUEUE | LUKS_SAME_CPU_CRYPT |
                                  LUKS_SUBMIT_FROM_CRYPT_CPUS | LUKS_ALLOW_DISCARDS);
}

/* Everything that is wrong is told at once, and a value is not taken for an option. */
static void test_all_at_once(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(string_list_done)
    StringList problems = {0};
    const char *words[] = {"--wrong", "value", "--cipher", "x", "--key-file", "/k", "--bad=1", "loose"};
    LuksOptions o = {0};
    luks_options_read(a, LUKS_FOR_FORMAT, words, ELEMENTS(words), &o, &problems);
    assert_int_equal(problems.n, 4);
    assert_string_equal(o.cipher, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
