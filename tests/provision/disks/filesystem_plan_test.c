/* Every combination of what is declared and what is there, and the command lines of the formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "provision/filesystem_plan.h"

static Arena *arena;

static int arena_setup(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int arena_teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static FilesystemPlan plan(const IgnFilesystem *f, const DeviceFacts *d)
{
    FilesystemPlan p;
    filesystem_plan_make(arena, f, d, &p);
    return p;
}

static const char *command_line(const FilesystemPlan *p)
{
    const char *text = "";
    for (size_t i = 0; p->argv[i]; i++)
        text = arena_printf(arena, "%s%s%s", text, i ? " " : "", p->argv[i]);
    return text;
}

#define UUID "6f5cd5a3-6c1d-4e0f-9e1e-2f6c2a2b1a01"

static void test_reuse(void **state)
{
    (void)state;
    static const struct {
        const char *format, *label, *uuid;
        bool wipe;
        const char *type, *has_label, *has_uuid;
        FilesystemAction action;
        const char *field;
    } rows[] = {
        {"ext4", NULL, NULL, false, NULL, NULL, NULL, FILESYSTEM_MAKE, NULL},
        {"ext4", NULL, NULL, false, "ext4", "a", UUID, FILESYSTEM_KEEP, NULL},
        {"ext4", "a", NULL, false, "ext4", "a", UUID, FILESYSTEM_KEEP, NULL},
        {"ext4", "a", "6F5CD5A3-6C1D-4E0F-9E1E-2F6C2A2B1A01", false, "ext4", "a", UUID, FILESYSTEM_KEEP,
         NULL},
        {"ext4", "b", NULL, false, "ext4", "a", UUID, FILESYSTEM_REFUSE, "label"},
        {"ext4", "", NULL, false, "ext4", NULL, UUID, FILESYSTEM_KEEP, NULL},
        {"ext4", "", NULL, false, "ext4", "a", UUID, FILESYSTEM_REFUSE, "label"},
        {"ext4", "A", NULL, false, "ext4", "a", UUID, FILESYSTEM_REFUSE, "label"},
        {"ext4", NULL, "6f5cd5a3-6c1d-4e0f-9e1e-2f6c2a2b1a02", false, "ext4", "a", UUID, FILESYSTEM_REFUSE,
         "uuid"},
        {"ext4", NULL, UUID, false, "ext4", NULL, NULL, FILESYSTEM_REFUSE, "uuid"},
        {"ext4", NULL, NULL, false, "ext3", NULL, NULL, FILESYSTEM_REFUSE, "format"},
        {"xfs", "a", NULL, false, "ext4", "a", NULL, FILESYSTEM_REFUSE, "format"},
        {"xfs", NULL, NULL, false, "crypto_LUKS", NULL, NULL, FILESYSTEM_REFUSE, "format"},
        {"xfs", NULL, NULL, false, "LVM2_member", NULL, NULL, FILESYSTEM_REFUSE, "format"},
        {"xfs", NULL, NULL, true, "crypto_LUKS", NULL, NULL, FILESYSTEM_MAKE, NULL},
        {"xfs", NULL, NULL, true, "xfs", NULL, NULL, FILESYSTEM_MAKE, NULL},
        {"xfs", NULL, NULL, true, NULL, NULL, NULL, FILESYSTEM_MAKE, NULL},
        {"vfat", NULL, "a1b2c3d4", false, "vfat", NULL, "A1B2-C3D4", FILESYSTEM_KEEP, NULL},
        {"vfat", NULL, "A1B2-C3D4", false, "vfat", NULL, "A1B2-C3D4", FILESYSTEM_KEEP, NULL},
        {"vfat", NULL, "A1B2-C3D5", false, "vfat", NULL, "A1B2-C3D4", FILESYSTEM_REFUSE, "uuid"},
        {"vfat", NULL, "no-id", false, NULL, NULL, NULL, FILESYSTEM_REFUSE, "uuid"},
        {"vfat", NULL, "", false, NULL, NULL, NULL, FILESYSTEM_REFUSE, "uuid"},
        {"swap", "s", NULL, false, "swap", "s", UUID, FILESYSTEM_KEEP, NULL},
        {"btrfs", NULL, NULL, false, "btrfs", NULL, UUID, FILESYSTEM_KEEP, NULL},
        {"none", NULL, NULL, false, NULL, NULL, NULL, FILESYSTEM_KEEP, NULL},
        {"none", NULL, NULL, false, "ext4", NULL, NULL, FILESYSTEM_REFUSE, "format"},
        {"none", NULL, NULL, true, "ext4", NULL, NULL, FILESYSTEM_WIPE, NULL},
        {"none", NULL, NULL, true, NULL, NULL, NULL, FILESYSTEM_KEEP, NULL},
        {NULL, NULL, NULL, false, "ext4", NULL, NULL, FILESYSTEM_KEEP, NULL},
        {"", NULL, NULL, false, "ext4", NULL, NULL, FILESYSTEM_KEEP, NULL},
        {"virtiofs", NULL, NULL, false, NULL, NULL, NULL, FILESYSTEM_KEEP, NULL},
        {"reiserfs", NULL, NULL, false, NULL, NULL, NULL, FILESYSTEM_REFUSE, "format"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const IgnFilesystem f = {.device = "/dev/vda3",
                                 .format = rows[i].format,
                                 .label = rows[i].label,
                                 .uuid = rows[i].uuid,
                                 .wipe_filesystem = rows[i].wipe ? BOOL_TRUE : BOOL_UNSET};
        const DeviceFacts d = {.path = "/dev/vda3",
                               .real = "/dev/vda3",
                               .exists = true,
                               .superblock = {.type = rows[i].type,
                                              .clean = !rows[i].type,
                                              .label = rows[i].has_label,
                                              .uuid = rows[i].has_uuid}};
        FilesystemPlan p = plan(&f, &d);
        if (p.action != rows[i].action || (rows[i].field && strcmp(p.field, rows[i].field) != 0))
            fail_msg("row %zu: action %d field %s", i, p.action, p.field ? p.field : "");
        if (p.action == FILESYSTEM_REFUSE)
            assert_non_null(p.refusal);
    }
}

static void test_unfinished(void **state)
{
    (void)state;
    const IgnFilesystem f = {.device = "/dev/vda3", .format = "ext4", .label = "root"};
    const IgnFilesystem none = {.device = "/dev/vda3", .format = "none"};
    const DeviceFacts d = {.exists = true, .superblock = {.type = "xfs", .label = "~", .unfinished = true}};
    assert_int_equal(plan(&f, &d).action, FILESYSTEM_MAKE); /* whatever format it was to have */
    assert_int_equal(plan(&none, &d).action, FILESYSTEM_WIPE);
}

/* A partition table, or something damaged, is no filesystem, but something to wipe. */
static void test_not_clean(void **state)
{
    (void)state;
    const IgnFilesystem keep = {.device = "/dev/vda3", .format = "none"};
    const IgnFilesystem wipe = {.device = "/dev/vda3", .format = "none", .wipe_filesystem = BOOL_TRUE};
    const IgnFilesystem ext4 = {.device = "/dev/vda3", .format = "ext4"};
    const DeviceFacts d = {.exists = true};
    assert_int_equal(plan(&keep, &d).action, FILESYSTEM_KEEP);
    assert_int_equal(plan(&wipe, &d).action, FILESYSTEM_WIPE);
    assert_int_equal(plan(&ext4, &d).action, FILESYSTEM_MAKE);
}

static void test_not_there_yet(void **state)
{
    (void)state;
    const IgnFilesystem f = {.device = "/dev/md/x", .format = "ext4"};
    const DeviceFacts d = {.path = "/dev/md/x"};
    FilesystemPlan p = plan(&f, &d);
    assert_int_equal(p.action, FILESYSTEM_MAKE);
    assert_null(p.found);
}

static void test_command_lines(void **state)
{
    (void)state;
    static const struct {
        const char *format, *label, *uuid, *options[3], *line;
    } rows[] = {
        {"ext4", "r", UUID, {"-b", "4096"}, "mkfs.ext4 -b 4096 -F -U " UUID " -L r"},
        {"btrfs", "r", UUID, {"-m", "dup"}, "mkfs.btrfs -m dup --force -U " UUID " -L r"},
        {"xfs", "r", UUID, {"-K"}, "mkfs.xfs -K -f -L ~unfinished~ -m uuid=" UUID},
        {"xfs", NULL, NULL, {NULL}, "mkfs.xfs -f -L ~unfinished~"},
        {"xfs", NULL, NULL, {"-L", "own"}, "mkfs.xfs -L own -f"},
        {"xfs", NULL, NULL, {"-Lown"}, "mkfs.xfs -Lown -f"},
        {"swap", "r", UUID, {NULL}, "mkswap -f -U " UUID " -L r"},
        {"vfat", "r", "A1B2-C3D4", {"-F", "32"}, "mkfs.fat -F 32 -i ba5a17f5 -n r"},
        {"vfat", NULL, NULL, {"-i", "1"}, "mkfs.fat -i 1"},
    };
    const DeviceFacts d = {.exists = true};
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const char *options[3] = {rows[i].options[0], rows[i].options[1]};
        IgnFilesystem f = {.device = "/dev/x",
                           .format = rows[i].format,
                           .label = rows[i].label,
                           .uuid = rows[i].uuid,
                           .options.items = options};
        while (options[f.options.n])
            f.options.n++;
        FilesystemPlan p = plan(&f, &d);
        assert_int_equal(p.action, FILESYSTEM_MAKE);
        assert_string_equal(command_line(&p), rows[i].line);
        if (p.mark)
            assert_string_equal(p.mark->in_uuid ? (p.volume_id ? p.volume_id : "-")
                                                : (p.label ? p.label : "-"),
                                p.mark->in_uuid ? "a1b2c3d4" : (rows[i].label ? rows[i].label : "-"));
    }
}

static void test_in_use(void **state)
{
    (void)state;
    static const struct {
        DeviceHolder holder;
        const char *words;
    } rows[] = {
        {{HOLDER_MOUNT, 0, "/var"}, "in use: it is mounted at /var"},
        {{HOLDER_SWAP, 0, "/dev/vda"}, "it is used as swap (/dev/vda)"},
        {{HOLDER_LVM, 0, "vg"}, "it is a part of the LVM volume group vg"},
        {{HOLDER_DM, 0, "luks-x"}, "the mapped device luks-x stands on it"},
        {{HOLDER_MD, 0, "md127"}, "it is a member of the array md127"},
        {{HOLDER_OTHER, 0, "bcache0"}, "the device bcache0 stands on it"},
    };
    const IgnFilesystem f = {.device = "/dev/vda3", .format = "ext4", .wipe_filesystem = BOOL_TRUE};
    const IgnFilesystem keep = {.device = "/dev/vda3", .format = "ext4"};
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        DeviceFacts d = {
            .exists = true, .superblock.type = "ext4", .holders = &rows[i].holder, .n_holders = 1};
        FilesystemPlan p = plan(&f, &d);
        assert_int_equal(p.action, FILESYSTEM_REFUSE);
        assert_non_null(strstr(p.refusal, rows[i].words));
        assert_string_equal(p.field, "device");
        assert_int_equal(plan(&keep, &d).action, FILESYSTEM_KEEP);
        DeviceHolder of_partition = rows[i].holder;
        of_partition.partition = 1;
        d.holders = &of_partition;
        assert_int_equal(plan(&f, &d).action, FILESYSTEM_MAKE);
    }
    const DeviceFacts read_only = {.exists = true, .read_only = true};
    assert_int_equal(plan(&keep, &read_only).action, FILESYSTEM_REFUSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reuse),         cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_not_clean),     cmocka_unit_test(test_not_there_yet),
        cmocka_unit_test(test_command_lines), cmocka_unit_test(test_in_use),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
