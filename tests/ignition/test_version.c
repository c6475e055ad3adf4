#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ignition/version.h"

static void accepted(void **state)
{
    (void)state;
    for (IgnVersion v = IGN_2_0; v <= IGN_3_7_EXP; v++) {
        IgnVersion got = IGN_NONE;
        assert_int_equal(ign_version_parse(ign_version_text(v), &got, NULL), 0);
        assert_int_equal(got, v);
    }
    assert_string_equal(ign_version_text(IGN_NEWEST), "3.6.0");
    assert_string_equal(ign_version_text(IGN_3_7_EXP), "3.7.0-experimental");
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
    } rows[] = {
        {"1.0.0", -EOPNOTSUPP},
        {"2.5.0", -EOPNOTSUPP},
        {"2.5.0-experimental", -EOPNOTSUPP},
        {"3.6.1", -EOPNOTSUPP},
        {"3.7.0", -EOPNOTSUPP},
        {"3.8.0-experimental", -EOPNOTSUPP},
        {"3.6.0-experimental", -EOPNOTSUPP},
        {"3.6.0+build", -EOPNOTSUPP},
        {"4.0.0", -EOPNOTSUPP},
        {"18446744073709551616.0.0", -EINVAL},
        {"", -EINVAL},
        {"3", -EINVAL},
        {"3.6", -EINVAL},
        {"3.6.0.0", -EINVAL},
        {"3.6.x", -EINVAL},
        {"v3.6.0", -EINVAL},
        {" 3.6.0", -EINVAL},
        {"3.6.0-", -EINVAL},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        IgnVersion got = IGN_NONE;
        Error e = ERROR_INIT;
        assert_int_equal(ign_version_parse(rows[i].text, &got, &e), rows[i].result);
        assert_int_equal(got, IGN_NONE);
        /* The words that people search for come first, then what was there and what may be. */
        const char *start = rows[i].result == -EINVAL ? "invalid config version (couldn't parse)"
                                                      : "unsupported config version";
        assert_int_equal(strncmp(e.text, start, strlen(start)), 0);
        assert_non_null(strstr(e.text, rows[i].text));
        assert_non_null(strstr(e.text, "3.0.0 to 3.6.0"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(accepted), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
