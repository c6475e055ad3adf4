/* Who holds a device, from a sysfs and a /proc of our own. The device is a node that nobody uses: what the
 * kernel says of it does not matter here. */
#include <sys/sysmacros.h>

#include "../scratch.h"
#include "system/block_device.h"

static Scratch scratch;
static const char *sysfs, *proc, *node;

static int set_up(void **state)
{
    static char paths[3][96];
    (void)state;
    scratch = scratch_open();
    snprintf(paths[0], sizeof(paths[0]), "%s/sys", scratch.path);
    snprintf(paths[1], sizeof(paths[1]), "%s/proc", scratch.path);
    snprintf(paths[2], sizeof(paths[2]), "%s/disk", scratch.path);
    sysfs = paths[0];
    proc = paths[1];
    node = paths[2];
    return mknodat(scratch.fd, "disk", S_IFBLK | 0600, makedev(7, 0)) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_close(&scratch);
    return 0;
}

/* A device of sysfs with its number; what stands in for the links of the real one are directories. */
static void device(const char *path, const char *number, const char *partition)
{
    _cleanup_arena_ Arena *a = arena_new();
    scratch_write(&scratch, arena_printf(a, "sys/%s/dev", path), arena_printf(a, "%s\n", number));
    if (!partition)
        return;
    scratch_write(&scratch, arena_printf(a, "sys/%s/partition", path), arena_printf(a, "%s\n", partition));
    scratch_write(&scratch, arena_printf(a, "sys/%s/start", path), "2048\n");
    scratch_write(&scratch, arena_printf(a, "sys/%s/size", path), "4096\n");
    scratch_write(&scratch, arena_printf(a, "sys/dev/block/%s/dev", number), number);
}

static DeviceFacts look(Arena *a)
{
    const BlockView view = {.sysfs = sysfs, .proc = proc};
    Error e = ERROR_INIT;
    DeviceFacts f;
    if (block_device_look(a, &view, node, LOOK_HOLDERS, &f, &e) < 0)
        fail_msg("%s", e.text);
    assert_true(f.exists && f.kernel_known);
    return f;
}

static void expect_holder(Arena *a, const DeviceFacts *f, unsigned partition, const char *text)
{
    for (size_t i = 0; i < f->n_holders; i++)
        if (f->holders[i].partition == partition && strcmp(device_holder_text(a, &f->holders[i]), text) == 0)
            return;
    fail_msg("partition %u: not '%s'", partition, text);
}

static void partitions_and_their_holders(void **state)
{
    _cleanup_arena_ Arena *a = arena_new();
    (void)state;
    device("dev/block/7:0", "7:0", NULL);
    device("dev/block/7:0/disk2", "259:2", "2");
    device("dev/block/7:0/disk10", "259:10", "10");
    device("dev/block/7:0/disk1", "259:1", "1");
    scratch_write(&scratch, "proc/self/mountinfo",
                  "20 1 259:1 / /mnt/with\\040blank rw - ext4 /dev/disk1 rw\n"
                  "21 1 259:11 / /other rw - ext4 /dev/else rw\n"
                  "broken\n\n22 1 0:5 / /btrfs rw - btrfs /not/there rw\n");
    scratch_write(&scratch, "sys/dev/block/259:2/holders/dm-0/dm/name", "vg--a-root\n");
    scratch_write(&scratch, "sys/dev/block/259:2/holders/dm-0/dm/uuid", "LVM-abcdef\n");
    scratch_write(&scratch, "sys/dev/block/259:2/holders/dm-1/dm/name", "vg--a-home\n");
    scratch_write(&scratch, "sys/dev/block/259:2/holders/dm-1/dm/uuid", "LVM-abcdeg\n");
    scratch_write(&scratch, "sys/dev/block/259:10/holders/md127/md/array_state", "clean\n");
    scratch_write(&scratch, "sys/dev/block/259:10/holders/bcache0/dev", "1:1\n");

    DeviceFacts f = look(a);
    assert_int_equal(f.n_kernel, 3);
    assert_int_equal(f.kernel[2].number, 10);
    assert_int_equal(f.kernel[2].start, 2048 * 512);
    assert_string_equal(f.kernel[0].name, "disk1");
    assert_int_equal(f.n_holders, 4);
    assert_null(device_holder_of(&f, 0));
    expect_holder(a, &f, 1, "it is mounted at /mnt/with blank");
    expect_holder(a, &f, 2, "it is a part of the LVM volume group vg-a");
    expect_holder(a, &f, 10, "it is a member of the array md127");
    expect_holder(a, &f, 10, "the device bcache0 stands on it");
}

static void whole_disk(void **state)
{
    _cleanup_arena_ Arena *a = arena_new();
    (void)state;
    device("dev/block/7:0", "7:0", NULL);
    scratch_write(&scratch, "sys/dev/block/7:0/holders/dm-3/dm/name", "luks-data\n");
    scratch_write(&scratch, "sys/dev/block/7:0/holders/dm-3/dm/uuid", "CRYPT-LUKS2-x\n");
    DeviceFacts f = look(a);
    assert_int_equal(f.n_holders, 1);
    expect_holder(a, &f, 0, "the mapped device luks-data stands on it");
}

/* The partitions of a multipath disk are mapped devices of their own: they hold nothing, those on them do. */
static void multipath(void **state)
{
    _cleanup_arena_ Arena *a = arena_new();
    (void)state;
    device("dev/block/7:0", "7:0", NULL);
    for (unsigned i = 1; i <= 2; i++) {
        const char *at = arena_printf(a, "sys/dev/block/7:0/holders/dm-%u", i);
        scratch_write(&scratch, arena_printf(a, "%s/dm/name", at), arena_printf(a, "mpatha%u\n", i));
        scratch_write(&scratch, arena_printf(a, "%s/dm/uuid", at), arena_printf(a, "part%u-mpath-3600\n", i));
        scratch_write(&scratch, arena_printf(a, "%s/dev", at), arena_printf(a, "253:%u\n", i));
    }
    scratch_write(&scratch, "proc/self/mountinfo", "20 1 253:2 / /boot rw - ext4 /dev/mapper/mpatha2 rw\n");
    DeviceFacts f = look(a);
    assert_int_equal(f.n_holders, 1);
    expect_holder(a, &f, 2, "it is mounted at /boot");
}

static void image_files(void **state)
{
    _cleanup_arena_ Arena *a = arena_new();
    DeviceFacts f;
    Error e = ERROR_INIT;
    (void)state;
    scratch_write(&scratch, "image", "twelve bytes");
    const char *image = arena_printf(a, "%s/image", scratch.path);
    assert_int_equal(
        block_device_look(a, &(BlockView){.image_sector_size = 4096}, image, LOOK_HOLDERS, &f, &e), 0);
    assert_true(f.exists && !f.kernel_known && !f.read_only);
    assert_int_equal(f.size, 12);
    assert_int_equal(f.sector_size, 4096);
    assert_int_equal(block_device_look(a, NULL, "/not/there", LOOK_ALL, &f, &e), 0);
    assert_false(f.exists);
    assert_int_equal(block_device_look(a, NULL, scratch.path, 0, &f, &e), -ENOTBLK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(partitions_and_their_holders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whole_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(multipath, set_up, tear_down),
        cmocka_unit_test_setup_teardown(image_files, set_up, tear_down),
    };
    if (geteuid() != 0) {
        puts("only root makes device nodes");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
