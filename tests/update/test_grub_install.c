/* What GRUB is told: consoles, modules, and for BIOS where the next part lies. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "update/grub_install.h"

static void test_console(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {"quiet console=tty0", ""},
        {"console=ttyS0", "serial --unit=0 --speed=9600\nterminal_input serial\nterminal_output serial\n"},
        {"console=ttyS1,115200n8 console=tty0",
         "serial --unit=1 --speed=115200\nterminal_input serial console\nterminal_output serial console\n"},
        {"console=ttyAMA0 xconsole=ttyS0", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        Arena *a = arena_new();
        assert_string_equal(grub_console_text(a, rows[i][0]), rows[i][1]);
        arena_free(a);
    }
}

static void test_modules(void **state)
{
    (void)state;
    Arena *a = arena_new();
    Error e = ERROR_INIT;
    const char **names;
    size_t n;
    const char *text = "linuxefi: x\nlinux: relocator video\nvideo:\nrelocator: mmap video\nmmap:\n";
    assert_int_equal(grub_module_needs(a, text, "linux", &names, &n, &e), 0);
    assert_int_equal(n, 4);
    assert_string_equal(names[3], "mmap");
    assert_int_equal(grub_module_needs(a, "linux: a\n", "linux", &names, &n, &e), -ENOENT);
    assert_string_equal(e.text, "moddep.lst has no module a");
    assert_int_equal(grub_module_needs(a, "linux: ../a\n", "linux", &names, &n, &e), -EBADMSG);
    Buf many = BUF_INIT;
    buf_add_str(&many, "linux:");
    for (int i = 0; i < 200; i++)
        buf_addf(&many, " m%d", i);
    assert_int_equal(grub_module_needs(a, many.data, "linux", &names, &n, &e), -EBADMSG);
    buf_done(&many);
    arena_free(a);
}

static void test_bios(void **state)
{
    (void)state;
    char boot[GRUB_BOOT_SIZE] = {0};
    Error e = ERROR_INIT;
    Buf image = BUF_INIT;
    memset(buf_reserve(&image, 1300), 'x', 1300);
    image.len = 1300;
    assert_int_equal(grub_bios_place(boot, &image, 0x123456789, 1 << 20, &e), 0);
    assert_int_equal(image.len, 1536);
    assert_memory_equal(boot + 0x5C, "\x89\x67\x45\x23\x01\0\0\0", 8);
    assert_memory_equal(image.data + 0x1F4, "\x8A\x67\x45\x23\x01\0\0\0\x02\0", 10);
    assert_int_equal(image.data[1299], 'x');
    assert_int_equal(image.data[1300], 0);
    assert_int_equal(grub_bios_place(boot, &image, 2048, 1024, &e), -ENOSPC);
    image.len = 10;
    assert_int_equal(grub_bios_place(boot, &image, 2048, 1024, &e), -ENOSPC);
    buf_done(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_console),
        cmocka_unit_test(test_modules),
        cmocka_unit_test(test_bios),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
