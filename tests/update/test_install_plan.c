/* The plan of a disk: places, types, what does not fit. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "update/install_plan.h"

#define GIB ((uint64_t)1 << 30)
#define MIB ((uint64_t)1 << 20)

static uint8_t random_bytes[INSTALL_RANDOM];

static InstallRequest request(uint64_t size, unsigned sector, unsigned boot)
{
    return (InstallRequest){.geometry = {size, sector},
                            .boot = boot,
                            .filesystem = "ext4",
                            .machine = "x86_64",
                            .random = random_bytes};
}

/* One behind the other, inside the disk, with room for the backup of the table. */
static void places_are_sound(const InstallPlan *p)
{
    uint64_t at = MIB;
    for (size_t i = 0; i < p->n; i++) {
        const InstallRow *row = p->rows + i;
        assert_int_equal(row->offset, at);
        assert_int_equal(row->partition.start * p->geometry.sector_size, row->offset);
        assert_int_equal(row->partition.size * p->geometry.sector_size, row->size);
        at += row->size;
    }
    assert_true(at + 34 * (uint64_t)p->geometry.sector_size <= p->geometry.size);
}

static void test_places(void **state)
{
    (void)state;
    const uint64_t sizes[] = {2 * GIB, 4 * GIB, 4 * GIB + 512, 4 * GIB + MIB - 512, 2048 * GIB};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        for (unsigned boot = 1; boot <= 3; boot++)
            for (unsigned sector = 512; sector <= 4096; sector *= 8) {
                Arena *a = arena_new();
                InstallPlan p;
                const InstallRequest q = request(sizes[i], sector, boot);
                assert_int_equal(install_plan_make(a, &q, &p, NULL), 0);
                places_are_sound(&p);
                assert_true(!install_plan_find(&p, INSTALL_ESP) == !(boot & BOOT_BY_UEFI));
                assert_true(!install_plan_find(&p, INSTALL_BIOS) == !(boot & BOOT_BY_BIOS));
                assert_int_equal(install_plan_find(&p, INSTALL_ROOT)->partition.number, 4);
                arena_free(a);
            }
}

static void test_what_it_says(void **state)
{
    (void)state;
    Arena *a = arena_new();
    Buf text = BUF_INIT;
    InstallPlan p;
    InstallRequest q = request(4 * GIB, 512, BOOT_BY_UEFI | BOOT_BY_BIOS);
    q.filesystem = "xfs";
    assert_int_equal(install_plan_make(a, &q, &p, NULL), 0);
    install_plan_text(&p, &text);
    assert_string_equal(text.data, "  1  bios         1 MiB at     1 MiB  -     GRUB for BIOS\n"
                                   "  2  esp        300 MiB at     2 MiB  vfat  GRUB for UEFI\n"
                                   "  3  boot      1024 MiB at   302 MiB  ext4  kernels and boot entries\n"
                                   "  4  root      2769 MiB at  1326 MiB  xfs   the system and its data\n");
    assert_string_equal(p.disk_guid, "00000000-0000-4000-8000-000000000000");
    assert_int_equal(p.rows[3].partition.attributes, (uint64_t)1 << 59);
    assert_string_equal(p.rows[3].partition.type_guid, "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709");
    const char *const *argv = install_mkfs(a, &p.rows[1], "/dev/x");
    assert_string_equal(argv[0], "mkfs.vfat");
    assert_string_equal(argv[6], "00000000");
    assert_string_equal(argv[7], "/dev/x");
    assert_null(argv[8]);
    assert_string_equal(install_mkfs(a, &p.rows[3], "/dev/x")[0], "mkfs.xfs");
    buf_done(&text);
    arena_free(a);
}

static void test_refused(void **state)
{
    (void)state;
    Arena *a = arena_new();
    InstallPlan p;
    Error e = ERROR_INIT;
    InstallRequest q = request(1538 * MIB - 1, 512, BOOT_BY_UEFI);
    assert_int_equal(install_plan_make(a, &q, &p, &e), -ENOSPC);
    assert_string_equal(e.text, "the disk has 1537 MiB: a system takes 1838 MiB at least");
    q = request(0, 512, BOOT_BY_BIOS);
    assert_int_equal(install_plan_make(a, &q, &p, &e), -ENOSPC);
    q = request(4 * GIB, 512, BOOT_BY_UEFI);
    q.machine = "vax";
    assert_int_equal(install_plan_make(a, &q, &p, &e), -EOPNOTSUPP);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_what_it_says),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
