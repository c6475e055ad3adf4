/* Facts survive being written and read; names lead to devices as the links of a running machine would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/json.h"
#include "provision/device_facts_json.h"

static Partition partitions[] = {
    {.number = 1,
     .start = 2048,
     .size = 2048,
     .label = "boot",
     .guid = "AA-1",
     .type_guid = "T",
     .attributes = 5},
    {.number = 3, .start = 8192, .size = 4096, .label = "data", .guid = "AA-3", .type_guid = "T"},
};
static const DeviceHolder holders[] = {{HOLDER_MOUNT, 1, "/boot"}, {HOLDER_MD, 0, "md127"}};
static const char *const names[] = {"/dev/disk/by-id/x", NULL}, *const members[] = {"8:1", "8:17", NULL};
static const LvmVolume volumes[] = {{"root", 1 << 20, 4 << 20, names}, {"var", 2 << 20, 4 << 20, NULL}};

/* Every field of every structure is set. */
static FactsList list_make(Arena *a)
{
    FactsList l = {.devices = ARENA_ARRAY(a, FactsDevice, 2), .n = 2};

    l.devices[0] = (FactsDevice){
        .names = names,
        .facts = {.path = "/dev/vda",
                  .real = "/dev/vda",
                  .exists = true,
                  .major = 254,
                  .minor = 16,
                  .size = 64 << 20,
                  .sector_size = 512,
                  .physical_sector_size = 4096,
                  .alignment_offset = 512,
                  .read_only = true,
                  .is_partition = true,
                  .rotational = true,
                  .holders = holders,
                  .n_holders = 2,
                  .table = {TABLE_GPT, "gpt", "G", "its primary header", 34, 100000, 128, partitions, 2},
                  .superblock = {"ext4", "filesystem", "boot", "1-2", "1.0", true},
                  .raid = {.member = true,
                           .uuid = "u",
                           .name = "n",
                           .level = "raid1",
                           .metadata = "1.2",
                           .devices = 2,
                           .role = -1,
                           .events = 17,
                           .array = "md127",
                           .active = true,
                           .members = members},
                  .luks = {2, "l", "lu", "s", true, true, "m", names, "p"},
                  .lvm = {"vg", "vgu", "pvu", 17, 2, 4 << 20, volumes, 2}}};
    l.devices[1].facts =
        (DeviceFacts){.path = "/dev/nvme0n1",
                      .exists = true,
                      .size = 64 << 20,
                      .sector_size = 4096,
                      .physical_sector_size = 4096,
                      .table = {TABLE_GPT, "gpt", "G2", NULL, 6, 10000, 128, &partitions[1], 1}};
    return l;
}

static FactsList read_back(Arena *a, const char *text)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    FactsList l;
    Node *n;
    Source *source = ARENA_NEW(a, Source);

    *source = (Source){.name = "facts", .text = text, .len = strlen(text)};
    assert_int_equal(json_read(a, source, SEVERITY_ERROR, &n, &r), 0);
    assert_int_equal(device_facts_from_node(a, n, &l, &r), 0);
    assert_int_equal(r.n, 0);
    return l;
}

static void test_there_and_back(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf first = BUF_INIT, second = BUF_INIT;
    const FactsList l = list_make(a);

    json_write(device_facts_to_node(a, &l), JSON_PRETTY2, &first);
    const FactsList back = read_back(a, first.data);
    json_write(device_facts_to_node(a, &back), JSON_PRETTY2, &second);
    assert_string_equal(first.data, second.data);
    const DeviceFacts *d = &back.devices[0].facts;
    assert_true(d->exists && d->read_only && d->is_partition && d->rotational && d->superblock.ambivalent);
    assert_int_equal(d->minor, 16);
    assert_int_equal(d->size, 64 << 20);
    assert_int_equal(d->alignment_offset, 512);
    assert_int_equal(d->n_holders, 2);
    assert_int_equal(d->holders[1].kind, HOLDER_MD);
    assert_string_equal(d->holders[0].what, "/boot");
    assert_int_equal(d->table.kind, TABLE_GPT);
    assert_int_equal(d->table.partitions[0].attributes, 5);
    assert_int_equal(d->table.partitions[1].number, 3);
    assert_int_equal(d->raid.role, -1);
    assert_string_equal(d->raid.members[1], "8:17");
    assert_null(d->raid.members[2]);
    assert_string_equal(d->luks.policy, "p");
    assert_int_equal(d->lvm.volumes[1].size, 2 << 20);
    assert_string_equal(back.devices[0].names[0], "/dev/disk/by-id/x");
}

static DeviceFacts look(const FactsList *l, Arena *a, const char *name)
{
    const Inspector i = facts_list_inspector(l);
    DeviceFacts d;

    assert_int_equal(inspector_look(&i, a, name, LOOK_ALL, &d, NULL), 0);
    assert_string_equal(d.path, name);
    return d;
}

static void test_names(void **state _unused_)
{
    static const struct {
        const char *name, *real;
    } rows[] = {
        {"/dev/vda", "/dev/vda"},
        {"/dev/disk/by-id/x", "/dev/vda"},
        {"/dev/disk/by-label/boot", "/dev/vda"},
        {"/dev/disk/by-uuid/1-2", "/dev/vda"},
        {"/dev/vda3", "/dev/vda3"},
        {"/dev/disk/by-id/x-part1", "/dev/vda1"},
        {"/dev/nvme0n1p3", "/dev/nvme0n1p3"},
        {"/dev/disk/by-partlabel/boot", "/dev/vda1"},
        {"/dev/disk/by-partuuid/aa-1", "/dev/vda1"},
        {"/dev/vda2", NULL},
        {"/dev/disk/by-label/", NULL},
        {"/dev/disk/by-label/data", NULL},
        {"/dev/nvme0n13", NULL},
    };
    _cleanup_arena_ Arena *a = arena_new();
    const FactsList l = list_make(a);

    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const DeviceFacts d = look(&l, a, rows[i].name);
        assert_int_equal(d.exists, rows[i].real != NULL);
        if (rows[i].real)
            assert_string_equal(d.real, rows[i].real);
    }
    const DeviceFacts d = look(&l, a, "/dev/nvme0n1p3");
    assert_true(d.is_partition);
    assert_int_equal(d.size, 4096 * 4096);
    assert_null(d.superblock.type);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
