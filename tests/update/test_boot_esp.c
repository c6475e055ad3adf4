/* Names of entries on an ESP. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "update/boot_esp.h"

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *file, *base;
        int left, done;
    } rows[] = {
        {"ostree-0-1-os.conf", "ostree-0-1-os", -1, 0},
        {"ostree-1-12-os+3.conf", "ostree-1-12-os", 3, 0},
        {"ostree-1-1-os+0-3.conf", "ostree-1-1-os", 0, 3},
        {"ostree-1-1-c++.conf", "ostree-1-1-c++", -1, 0},
        {"ostree-1-1-c+1x.conf", "ostree-1-1-c+1x", -1, 0},
        {"ostree-1-1-os+3-.conf", "ostree-1-1-os+3-", -1, 0},
        {"ostree-1-1-c+a+2-1.conf", "ostree-1-1-c+a", 2, 1},
        {"ostree-2-1-os.conf", NULL, 0, 0},
        {"ostree-1-os.conf.old", NULL, 0, 0},
        {"ostree-11-1-os.conf", NULL, 0, 0},
        {"debian.conf", NULL, 0, 0},
        {"ostree-1-.conf", NULL, 0, 0},
        {"", NULL, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        EspName name;
        bool ours = esp_name_read(rows[i].file, &name);
        assert_int_equal(ours, rows[i].base != NULL);
        if (!ours)
            continue;
        assert_string_equal(name.base, rows[i].base);
        assert_int_equal(name.left, rows[i].left);
        assert_int_equal(name.done, rows[i].done);
    }
    char longest[400];
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, "ostree-1-1-", 11);
    memcpy(longest + 390, ".conf", 6);
    assert_false(esp_name_read(longest, &(EspName){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
