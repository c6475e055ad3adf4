/* Versions in their order, each pair of them; and pairs that nobody thought of, with dpkg as the referee. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/process.h"
#include "update/deb_version.h"

static const char *const ascending[] = {"0~",
                                        "0~1",
                                        "0-0~1",
                                        "0",
                                        "0-0.1",
                                        "0+",
                                        "0.0",
                                        "1~~",
                                        "1~~a",
                                        "1~",
                                        "1~rc1-1",
                                        "1-0~",
                                        "1",
                                        "1-1~bpo1",
                                        "1-1",
                                        "1-1+b1",
                                        "1-1.1",
                                        "1-2",
                                        "1-10",
                                        "1a",
                                        "1b",
                                        "1+dfsg-1",
                                        "1.2.3",
                                        "1.02.10",
                                        "1.2.10a",
                                        "2",
                                        "9",
                                        "10",
                                        "018446744073709551616",
                                        "18446744073709551617",
                                        "1:0",
                                        "1:1-1",
                                        "2:0.1~beta",
                                        "10:0"};

static const char *const equal[][2] = {{"0:1-1", "1-1"}, {"1", "1-0"},       {"1-", "1"},   {"01", "1"},
                                       {"1.0", "1.00"},  {"", "0"},          {"1a0", "1a"}, {"1:01", "1:1"},
                                       {"0", "0-00"},    {"1.2-3", "1.02-3"}};

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void test_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(ascending); i++)
        for (size_t k = 0; k < ELEMENTS(ascending); k++)
            if (sign(deb_version_compare(ascending[i], ascending[k])) != sign((int)i - (int)k))
                fail_msg("'%s' and '%s'", ascending[i], ascending[k]);
    for (size_t i = 0; i < ELEMENTS(equal); i++)
        if (deb_version_compare(equal[i][0], equal[i][1]) || deb_version_compare(equal[i][1], equal[i][0]))
            fail_msg("'%s' and '%s'", equal[i][0], equal[i][1]);
}

static int ask_dpkg(const char *a, const char *b)
{
    static const char *const words[] = {"lt", "eq", "gt"};

    for (int i = 0; i < 3; i++) {
        _cleanup_buf_ Buf ignored = BUF_INIT;
        const char *const argv[] = {"dpkg", "--compare-versions", a, words[i], b, NULL};
        int r = process_run(&(ProcessRun){.argv = argv, .errors = &ignored}, NULL);
        if (r == 0)
            return i - 1;
        if (r < 0 || r > 1)
            return -2;
    }
    return -2;
}

static void version_make(uint64_t *seed, char out[32])
{
    static const char letters[] = "0019ab~~+.-A";
    size_t n = 1;

    out[0] = '1';
    for (size_t more = (*seed >> 33) % 6; more > 0; more--) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        out[n++] = letters[(*seed >> 33) % (sizeof(letters) - 1)];
    }
    out[n] = '\0';
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
}

static void test_as_dpkg(void **state)
{
    uint64_t seed = 7;

    (void)state;
    if (ask_dpkg("1", "1") != 0)
        skip();
    for (size_t i = 0; i + 1 < ELEMENTS(ascending); i++)
        assert_int_equal(ask_dpkg(ascending[i], ascending[i + 1]),
                         sign(deb_version_compare(ascending[i], ascending[i + 1])));
    for (unsigned i = 0; i < 300; i++) {
        char a[32], b[32];
        version_make(&seed, a);
        version_make(&seed, b);
        int theirs = ask_dpkg(a, b);
        if (theirs != -2 && sign(deb_version_compare(a, b)) != theirs)
            fail_msg("'%s' and '%s': dpkg says %d", a, b, theirs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_as_dpkg)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
