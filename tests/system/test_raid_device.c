/* Superblocks that mdadm and the kernel wrote, and the same with a byte changed; a sysfs of our own. */
#include "../scratch.h"

#include <sys/mman.h>

#include "system/raid_device.h"

static const char *corpus;

static void load(const char *name, uint64_t *ret_sector, uint8_t bytes[RAID_SUPERBLOCK_SIZE])
{
    _cleanup_buf_ Buf b = BUF_INIT;
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", corpus, name);
    assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 16, &b, NULL), 0);
    assert_int_equal(b.len, sizeof(*ret_sector) + RAID_SUPERBLOCK_SIZE);
    memcpy(ret_sector, b.data, sizeof(*ret_sector));
    memcpy(bytes, b.data + sizeof(*ret_sector), RAID_SUPERBLOCK_SIZE);
}

static const struct {
    const char *file, *uuid, *name;
    unsigned major, minor, devices;
    int level, role;
    uint64_t events;
} members[] = {
    {"linear-1.1", "cd3599c7:42dbaef5:2ee714e5:7bacebb9", "any:md7", 1, 1, 2, -1, 1, 0},
    {"raid0-1.0", "528e78ae:d82924c7:08d58c8b:c81d61ab", "any:zero", 1, 0, 2, 0, 0, 0},
    {"raid1-member-1.2", "1d31e73b:f30cd95c:74c0df8f:819976ed", "any:data", 1, 2, 2, 1, 1, 17},
    {"raid1-spare-1.2", "1d31e73b:f30cd95c:74c0df8f:819976ed", "any:data", 1, 2, 2, 1, -1, 0},
    {"raid10-1.2", "8656d93a:670448ef:abaf8464:c49e4e53", "any:ten", 1, 2, 4, 10, 3, 16},
    {"raid5-0.90", "7da5f1e0:4ee3c493:0002fec5:13a5c7d1", "", 0, 90, 3, 5, 2, 16},
};

static void superblocks_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(members); i++) {
        uint8_t bytes[RAID_SUPERBLOCK_SIZE];
        uint64_t sector;
        RaidSuperblock s;
        load(members[i].file, &sector, bytes);
        assert_true(raid_superblock_parse(bytes, sector, &s));
        assert_string_equal(s.uuid, members[i].uuid);
        assert_string_equal(s.name, members[i].name);
        assert_int_equal(s.major_version, members[i].major);
        assert_int_equal(s.minor_version, members[i].minor);
        assert_int_equal(s.devices, members[i].devices);
        assert_int_equal(s.level, members[i].level);
        assert_int_equal(s.role, members[i].role);
        assert_int_equal(s.events, members[i].events);
    }
}

/* The checksum covers the head and as many roles as there are; 0.90 all of it. */
static void changed_bytes_are_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(members); i++) {
        uint8_t bytes[RAID_SUPERBLOCK_SIZE];
        uint64_t sector;
        RaidSuperblock s;
        load(members[i].file, &sector, bytes);
        for (size_t at = 0; at < 256; at++) {
            bytes[at] ^= 0x40;
            assert_false(raid_superblock_parse(bytes, sector, &s));
            bytes[at] ^= 0x40;
        }
        assert_true(raid_superblock_parse(bytes, sector, &s));
        if (members[i].major == 1)
            assert_false(raid_superblock_parse(bytes, sector + 8, &s));
    }
}

/* A device of `size` bytes with superblocks where they belong. */
static int device_make(uint64_t size)
{
    int fd = memfd_create("device", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    return fd;
}

static void device_put(int fd, const char *name)
{
    uint8_t bytes[RAID_SUPERBLOCK_SIZE];
    uint64_t sector;
    load(name, &sector, bytes);
    assert_int_equal(pwrite(fd, bytes, sizeof(bytes), (off_t)(sector * 512)), sizeof(bytes));
}

static void members_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(members); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        const uint64_t size = 96 << 20;
        _cleanup_close_ int fd = device_make(size);
        RaidFacts f = {0};
        assert_int_equal(raid_member_read(a, fd, size, &f, NULL), 0);
        assert_false(f.member);
        device_put(fd, members[i].file);
        assert_int_equal(raid_member_read(a, fd, size, &f, NULL), 1);
        assert_true(f.member);
        assert_string_equal(f.uuid, members[i].uuid);
        assert_int_equal(f.role, members[i].role);
        if (members[i].name[0])
            assert_string_equal(f.name, members[i].name + strlen("any:"));
        else
            assert_null(f.name);
    }
}

static void the_youngest_counts(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const uint64_t size = 96 << 20;
    _cleanup_close_ int fd = device_make(size);
    RaidFacts f;
    device_put(fd, "raid0-1.0"); /* made after raid1, before linear */
    device_put(fd, "raid1-member-1.2");
    assert_int_equal(raid_member_read(a, fd, size, &f, NULL), 1);
    assert_string_equal(f.level, "raid0");
    assert_string_equal(f.metadata, "1.0");
    device_put(fd, "linear-1.1");
    assert_int_equal(raid_member_read(a, fd, size, &f, NULL), 1);
    assert_string_equal(f.level, "linear");
}

static void small_and_short_devices(void **state)
{
    (void)state;
    for (uint64_t size = 0; size <= 40 * 512; size += 256) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_close_ int fd = device_make(size);
        RaidFacts f;
        assert_int_equal(raid_member_read(a, fd, size, &f, NULL), 0);
        assert_int_equal(raid_member_read(a, fd, size + 8192, &f, NULL), 0);
    }
}

static void levels(void **state)
{
    (void)state;
    assert_string_equal(raid_level_name("linear"), "linear");
    assert_string_equal(raid_level_name("stripe"), "raid0");
    assert_string_equal(raid_level_name("1"), "raid1");
    assert_string_equal(raid_level_name("mirror"), "raid1");
    assert_string_equal(raid_level_name("10"), "raid10");
    assert_null(raid_level_name("raid2"));
    assert_null(raid_level_name(""));
}

/* ---- sysfs ---- */

static void link_make(const Scratch *s, const char *to, const char *at)
{
    assert_int_equal(symlinkat(to, s->fd, at), 0);
}

static void an_array_is_found_by_its_member(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Scratch s = scratch_open();
    RaidFacts f = {0};
    scratch_write(&s, "devices/a/dev", "8:1\n");
    scratch_write(&s, "devices/b/dev", "8:17\n");
    scratch_write(&s, "devices/md127/md/array_state", "clean\n");
    scratch_write(&s, "devices/md127/md/dev-b/state", "in_sync\n");
    scratch_write(&s, "devices/md127/md/dev-a/state", "in_sync\n");
    scratch_write(&s, "devices/dm-0/dev", "253:0\n");
    scratch_write(&s, "devices/a/holders/x", "");
    scratch_write(&s, "dev/block/x", "");
    scratch_write(&s, "block/x", "");
    link_make(&s, "../../devices/a", "dev/block/8:1");
    link_make(&s, "../devices/md127", "block/md127");
    link_make(&s, "../devices/dm-0", "block/dm-0");
    link_make(&s, "../../../a", "devices/md127/md/dev-a/block");
    link_make(&s, "../../../b", "devices/md127/md/dev-b/block");
    link_make(&s, "../../dm-0", "devices/a/holders/dm-0");
    assert_int_equal(raid_running_read(a, s.fd, 8, 1, &f), 0);
    assert_null(f.array);
    link_make(&s, "../../md127", "devices/a/holders/md127");
    assert_int_equal(raid_running_read(a, s.fd, 8, 1, &f), 1);
    assert_string_equal(f.array, "md127");
    assert_true(f.active);
    assert_string_equal(f.members[0], "8:1");
    assert_string_equal(f.members[1], "8:17");
    assert_null(f.members[2]);
    scratch_write(&s, "devices/md127/md/array_state", "inactive\n");
    assert_int_equal(raid_running_read(a, s.fd, 8, 1, &f), 1);
    assert_false(f.active);
    assert_int_equal(raid_running_read(a, s.fd, 8, 2, &f), 0);
    scratch_close(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(superblocks_are_read),
        cmocka_unit_test(changed_bytes_are_noticed),
        cmocka_unit_test(members_are_found),
        cmocka_unit_test(the_youngest_counts),
        cmocka_unit_test(small_and_short_devices),
        cmocka_unit_test(levels),
        cmocka_unit_test(an_array_is_found_by_its_member),
    };
    if (argc != 2)
        return 2;
    corpus = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
