/* From a volume of a config and the facts of its device to what is done or refused, without any device. */
#include "../scratch.h"

#include "ignition/parse.h"
#include "provision/luks_plan.h"

static const char *const no_token[] = {NULL}, *const clevis_token[] = {"clevis", NULL};
static const DeviceHolder mounted[] = {{HOLDER_MOUNT, 0, "/srv"}}, part_swap[] = {{HOLDER_SWAP, 2, "swap"}};
static const DeviceHolder own_mapping[] = {{HOLDER_DM, 0, "v"}}, other_mapping[] = {{HOLDER_DM, 0, "vg-lv"}};

#define UUID      "a1a1a1a1-0000-4000-8000-000000000001"
#define LUKS(...) .luks = {.version = 2, .uuid = UUID, .tokens = no_token, __VA_ARGS__}
#define KEY       "\"keyFile\":{\"source\":\"data:,k\"}"

typedef struct Case {
    const char *name, *config; /* members of the volume beside name and device */
    DeviceFacts facts;
    const char *expected; /* changes, then refusals, each line as told */
} Case;

static const Case cases[] = {
    {"not there yet", KEY, {0}, "create LUKS2 container 'v' on /dev/x: opened by its key file\n"},
    {"blank",
     "\"label\":\"L\",\"discard\":true",
     {.exists = true},
     "create LUKS2 container 'v' on /dev/sda1: label 'L', opened by a key that is made now, kept in "
     "/etc/luks, discards "
     "go through\n"},
    {"clevis",
     "\"clevis\":{\"tpm2\":true}",
     {.exists = true},
     "create LUKS2 container 'v' on /dev/sda1: opened by sss(1: tpm2(sha256 ecc))\n"},
    {"options all at once",
     "\"options\":[\"--foo\",\"--pbkdf\",\"x\"],\"openOptions\":[\"--header\",\"h\"]," KEY,
     {.exists = true},
     "create LUKS2 container 'v' on /dev/sda1: opened by its key file\n"
     "$.storage.luks.0.options: the option --foo is not known\n"
     "$.storage.luks.0.options: --pbkdf x: it can be one of\n"
     "$.storage.luks.0.openOptions: --header cannot be used\n"},
    {"threshold",
     "\"clevis\":{\"tpm2\":true,\"threshold\":2}",
     {0},
     "create LUKS2 container 'v' on /dev/x: opened by sss(2: tpm2(sha256 ecc))\n"
     "$.storage.luks.0.clevis: the threshold is 2, more than the number of pins (1)\n"},
    {"threshold alone",
     "\"clevis\":{\"threshold\":1}",
     {0},
     "create LUKS2 container 'v' on /dev/x: opened by sss(1:)\n"
     "$.storage.luks.0.clevis: the threshold is 1, more than the number of pins (0)\n"},
    {"cex",
     "\"cex\":{\"enabled\":true}",
     {0},
     "create LUKS2 container 'v' on /dev/x: opened by a key that is made now, kept in /etc/luks\n"
     "$.storage.luks.0.cex: a CryptoExpress card is in IBM Z machines (s390x) alone; this machine is \n"},
    {"read-only",
     KEY,
     {.exists = true, .read_only = true},
     "create LUKS2 container 'v' on /dev/sda1: opened by its key file\n"
     "$.storage.luks.0.device: /dev/sda1 can only be read\n"},
    {"mounted",
     KEY ",\"wipeVolume\":true",
     {.exists = true, .holders = mounted, .n_holders = 1},
     "$.storage.luks.0.device: /dev/sda1 is in use: mounted on /srv\n"},
    {"a partition in use",
     KEY ",\"wipeVolume\":true",
     {.exists = true, .holders = part_swap, .n_holders = 1},
     "$.storage.luks.0.device: /dev/sda1 is in use: a partition of it is used as swap swap\n"},
    {"mapped by another",
     KEY ",\"wipeVolume\":true",
     {.exists = true, .holders = other_mapping, .n_holders = 1},
     "$.storage.luks.0.device: /dev/sda1 is in use: mapped as vg-lv\n"},
    {"ext4",
     KEY,
     {.exists = true, .superblock = {.type = "ext4", .label = "data"}},
     "recreate LUKS2 container 'v' on /dev/sda1: ext4, labelled 'data' goes; opened by its key file\n"
     "$.storage.luks.0.wipeVolume: on /dev/sda1 there is ext4, labelled 'data', not a LUKS2 container; to "
     "replace it set "
     "wipeVolume\n"},
    {"ext4 wiped",
     KEY ",\"wipeVolume\":true",
     {.exists = true, .superblock = {.type = "ext4"}},
     "recreate LUKS2 container 'v' on /dev/sda1: ext4 goes; opened by its key file\n"},
    {"ambivalent",
     KEY,
     {.exists = true, .superblock = {.ambivalent = true}},
     "recreate LUKS2 container 'v' on /dev/sda1: a mix of signatures that contradict each other "
     "goes\n"
     "$.storage.luks.0.wipeVolume: on /dev/sda1 there is a mix of signatures\n"},
    {"raid member",
     KEY,
     {.exists = true, .raid = {.member = true, .name = "r"}},
     "recreate LUKS2 container 'v' on /dev/sda1: a member of the RAID array r goes\n"
     "$.storage.luks.0.wipeVolume: on /dev/sda1 there is a member of the RAID array r,\n"},
    {"partitions",
     KEY,
     {.exists = true, .table = {.kind = TABLE_GPT, .n = 3}},
     "recreate LUKS2 container 'v' on /dev/sda1: a partition table with 3 partitions goes\n"
     "$.storage.luks.0.wipeVolume: on /dev/sda1 there is a partition table with 3 partitions\n"},
    {"empty table",
     KEY,
     {.exists = true, .table = {.kind = TABLE_GPT}},
     "create LUKS2 container 'v' on /dev/sda1: opened by its key file\n"},
    {"version 1",
     KEY,
     {.exists = true, .luks = {.version = 1, .uuid = UUID}},
     "recreate LUKS2 container 'v' on /dev/sda1: a container of LUKS version 1, which cannot be used goes\n"
     "$.storage.luks.0.wipeVolume: on /dev/sda1 there is a container of LUKS version 1\n"},
    {"damaged",
     KEY,
     {.exists = true, .luks = {.version = 2}},
     "recreate LUKS2 container 'v' on /dev/sda1: a LUKS container whose header is damaged goes\n"
     "$.storage.luks.0.wipeVolume: on /dev/sda1 there is a LUKS container whose header is damaged\n"},
    {"matches",
     KEY ",\"label\":\"L\",\"uuid\":\"A1A1A1A1-0000-4000-8000-000000000001\"",
     {.exists = true, LUKS(.label = "L")},
     "keep LUKS2 container 'v' on /dev/sda1: is as declared, what is in it stays\nchange /dev/mapper/v: "
     "opened\n"},
    {"open already",
     KEY,
     {.exists = true, LUKS(.opened = true, .mapping = "v"), .holders = own_mapping, .n_holders = 1},
     "keep LUKS2 container 'v' on /dev/sda1: is as declared, what is in it stays\n"
     "change /dev/mapper/v: is open; its key is checked\n"},
    {"open as another",
     KEY,
     {.exists = true, LUKS(.opened = true, .mapping = "w")},
     "keep LUKS2 container 'v' on /dev/sda1: is as declared\n"
     "change /dev/mapper/v: is open; its key is checked\n"
     "$.storage.luks.0.name: /dev/sda1 is open as /dev/mapper/w\n"},
    {"everything differs",
     KEY ",\"label\":\"L\",\"uuid\":\"b1a1a1a1-0000-4000-8000-000000000001\",\"discard\":true",
     {.exists = true, LUKS(.label = "M")},
     "keep LUKS2 container 'v' on /dev/sda1: is as declared\nchange /dev/mapper/v: opened\n"
     "$.storage.luks.0.label: the label of /dev/sda1 is 'M', declared is 'L'; to replace it set wipeVolume, "
     "which destroys "
     "everything on it\n"
     "$.storage.luks.0.uuid: the UUID of /dev/sda1 is " UUID ", declared is b1a1\n"
     "$.storage.luks.0.discard: /dev/sda1 does not let discards through, declared is the opposite\n"},
    {"no label",
     KEY ",\"label\":\"L\"",
     {.exists = true, LUKS(.discard = true)},
     "keep LUKS2 container 'v' on /dev/sda1: is as declared\nchange /dev/mapper/v: opened\n"
     "$.storage.luks.0.label: the label of /dev/sda1 is empty, declared is 'L'\n"
     "$.storage.luks.0.discard: /dev/sda1 lets discards through\n"},
    {"nobody has its key",
     "\"label\":\"L\"",
     {.exists = true, LUKS(.label = "L")},
     "keep LUKS2 container 'v' on /dev/sda1: is as declared\nchange /dev/mapper/v: opened\n"
     "$.storage.luks.0.keyFile: /dev/sda1 is a LUKS container already, and the config has neither keyFile "
     "nor clevis\n"},
    {"clevis kept",
     "\"clevis\":{\"tang\":[{\"url\":\"http://t\",\"thumbprint\":\"x\"}]}",
     {.exists = true, LUKS(.tokens = clevis_token, .policy = "sss(1: tang(http://t))")},
     "keep LUKS2 container 'v' on /dev/sda1: is as declared\nchange /dev/mapper/v: opened\n"},
    {"clevis of another server",
     "\"clevis\":{\"tang\":[{\"url\":\"http://t\",\"thumbprint\":\"x\"}]}",
     {.exists = true, LUKS(.tokens = clevis_token, .policy = "sss(1: tang(http://u))")},
     "keep LUKS2 container 'v' on /dev/sda1: is as declared\nchange /dev/mapper/v: opened\n"
     "$.storage.luks.0.clevis: /dev/sda1 is bound by sss(1: tang(http://u)), declared is sss(1: "
     "tang(http://t)); to\n"},
    {"not bound",
     "\"clevis\":{\"tpm2\":true}",
     {.exists = true, LUKS()},
     "keep LUKS2 container 'v' on /dev/sda1: is as declared\nchange /dev/mapper/v: opened\n"
     "$.storage.luks.0.clevis: /dev/sda1 is a LUKS container that is not bound by Clevis\n"},
    {"wiped",
     KEY ",\"wipeVolume\":true",
     {.exists = true, LUKS(.opened = true, .mapping = "v"), .holders = own_mapping, .n_holders = 1},
     "recreate LUKS2 container 'v' on /dev/sda1: a LUKS2 container goes; opened by its key file\n"},
    {"unfinished",
     "\"clevis\":{\"tpm2\":true}",
     {.exists = true, LUKS(.subsystem = "ignition-unfinished")},
     "recreate LUKS2 container 'v' on /dev/sda1: an unfinished container of an interrupted run goes; opened "
     "by sss\n"},
    {"of another subsystem",
     KEY,
     {.exists = true, LUKS(.subsystem = "mine")},
     "keep LUKS2 container 'v' on /dev/sda1: is as declared\nchange /dev/mapper/v: opened\n"},
};

static void expect_line(const Case *c, const char **expected, const char *line)
{
    size_t n = strcspn(*expected, "\n");
    if (!n || strncmp(*expected, line, n) != 0)
        fail_msg("%s: got '%s' instead of '%.*s'", c->name, line, (int)n, *expected);
    *expected += n + 1;
}

static void run_case(const Case *c)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report parse = REPORT_INIT(a);
    const char *text = arena_printf(
        a,
        "{\"ignition\":{\"version\":\"3.5.0\"},\"storage\":{\"luks\":[{\"name\":\"v\",\"device\":"
        "\"/dev/x\",%s}]}}",
        c->config);
    const Source source = {.name = c->name, .text = text, .len = strlen(text)};
    IgnConfig *config;
    assert_int_equal(ign_config_parse_newest(a, &source, IGN_PARSE_STRICT, &config, &parse), 0);
    DeviceFacts facts = c->facts;
    facts.real = "/dev/sda1";
    StorageItem item = {.kind = &storage_luks,
                        .object = config->storage.luks.items,
                        .json_path = "$.storage.luks.0",
                        .arena = a,
                        .facts = &facts,
                        .report = REPORT_INIT(a)};
    StorageContext context = {.config = config};
    storage_luks.describe(&item);
    assert_string_equal(item.name, "encrypted volume 'v'");
    assert_string_equal(item.needs.items[0], "/dev/x");
    assert_string_equal(item.gives.items[0], "/dev/mapper/v");
    storage_luks.plan(&context, &item);

    const char *expected = c->expected;
    for (size_t i = 0; i < item.changes.n; i++) {
        const StorageChange *change = &item.changes.items[i];
        expect_line(
            c, &expected,
            arena_printf(a, "%s %s: %s", storage_verb_name(change->verb), change->object, change->detail));
    }
    for (size_t i = 0; i < item.report.n; i++)
        expect_line(c, &expected,
                    arena_printf(a, "%s: %s", item.report.entries[i].path, item.report.entries[i].message));
    if (*expected)
        fail_msg("%s: missing '%s'", c->name, expected);
    report_done(&item.report);
    string_list_done(&item.needs);
    string_list_done(&item.gives);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++)
        run_case(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
