/* Which filesystems move, which mistakes are told, and how the root is found again. */
#include "../scratch.h"

#include "ignition/parse.h"
#include "provision/root_move.h"

/* The machine: /dev/sda4 is the root, /dev/sda3 is /boot. */
static const char *resolve(void *context, Arena *a, const char *path)
{
    static const char *const names[][2] = {{"/dev/disk/by-label/root", "/dev/sda4"},
                                           {"/dev/disk/by-label/other", "/dev/sda4"},
                                           {"/dev/disk/by-uuid/u", "/dev/sda4"},
                                           {"/dev/disk/by-label/boot", "/dev/sda3"},
                                           {"/dev/disk/by-partlabel/root", "/dev/sda4"},
                                           {"/dev/sda4", "/dev/sda4"},
                                           {"/dev/sda3", "/dev/sda3"},
                                           {"/dev/sda", "/dev/sda"},
                                           {"/dev/sdb1", "/dev/sdb1"}};
    (void)a;
    for (size_t i = 0; !context && i < ELEMENTS(names); i++)
        if (strcmp(names[i][0], path) == 0)
            return names[i][1];
    return NULL;
}

static const char *disk(void *context, Arena *a, const char *device, int *ret_number)
{
    (void)context;
    (void)a;
    *ret_number = device[8] - '0';
    return strncmp(device, "/dev/sda", 8) == 0 && device[8] ? "/dev/sda" : NULL;
}

#define TANG      "\"clevis\":{\"tang\":[{\"url\":\"http://t\",\"thumbprint\":\"x\"}]}"
#define LUKS      "\"luks\":[{\"name\":\"root\",\"device\":\"/dev/disk/by-partlabel/root\"," TANG "}]"
#define DISK(...) "\"disks\":[{\"device\":\"/dev/sda\"," __VA_ARGS__ "}]"
#define WIPED     DISK("\"wipeTable\":true")
#define GONE      DISK("\"partitions\":[{\"number\":4,\"shouldExist\":false,\"wipePartitionEntry\":true}]")
#define FS(...)   "\"filesystems\":[{\"format\":\"xfs\"," __VA_ARGS__ "}]"
#define TO        "\"device\":\"/dev/mapper/root\",\"label\":\"root\",\"wipeFilesystem\":true"

typedef struct Case {
    const char *storage, *cmdline, *moves, *finding; /* finding: how it begins, NULL: none */
} Case;
static const Case cases[] = {
    {LUKS "," FS(TO), "quiet", "root /dev/sda4 /dev/mapper/root\n", NULL},
    {LUKS "," FS(TO), "root=LABEL=root rw", "root /dev/sda4 /dev/mapper/root\n", NULL},
    {LUKS
     "," FS("\"device\":\"/dev/mapper/root\",\"label\":\"other\",\"path\":\"/\",\"wipeFilesystem\":true"),
     "root=LABEL=other", "root /dev/sda4 /dev/mapper/root\n", NULL},
    {FS("\"device\":\"/dev/sda4\",\"label\":\"root\",\"wipeFilesystem\":true"), "",
     "root /dev/sda4 /dev/sda4\n", NULL},
    {FS("\"device\":\"/dev/sda4\",\"label\":\"root\""), "", "", NULL}, /* stays where it is */
    {FS("\"device\":\"/dev/sdb1\",\"label\":\"root\""), "", "root /dev/sda4 /dev/sdb1\n", NULL},
    {FS("\"device\":\"/dev/sdb1\",\"label\":\"data\",\"path\":\"/var\",\"wipeFilesystem\":true"), "", "",
     NULL},
    {FS("\"device\":\"/dev/sda3\",\"label\":\"boot\",\"wipeFilesystem\":true"), "",
     "boot /dev/sda3 /dev/sda3\n", NULL},
    {LUKS, "", "",
     "/dev/disk/by-partlabel/root holds the filesystem 'root', which would be lost: add a filesystem"},
    {"\"raid\":[{\"name\":\"r\",\"level\":\"raid1\",\"devices\":[\"/dev/sdb1\",\"/dev/sda3\"]}]", "", "",
     "/dev/sda3 holds the filesystem 'boot', which would be lost"},
    {"\"volumeGroups\":[{\"name\":\"v\",\"devices\":[\"/dev/sda4\"]}]", "", "",
     "/dev/sda4 holds the filesystem 'root', which would be lost"},
    {FS("\"device\":\"/dev/sda4\",\"label\":\"data\",\"wipeFilesystem\":true"), "", "",
     "/dev/sda4 holds the filesystem 'root', which would be lost: add a filesystem with that label and "
     "wipeFilesystem to move it, or give this one the label"},
    {FS("\"device\":\"/dev/sda4\",\"label\":\"data\""), "", "",
     NULL}, /* the stage itself refuses another label */
    {FS("\"device\":\"/dev/sda4\",\"label\":\"data\",\"wipeFilesystem\":true"), "root=LABEL=gone", "", NULL},
    {WIPED, "", "", "/dev/sda holds the filesystem 'root', which would be lost"},
    {WIPED "," FS("\"device\":\"/dev/sda4\",\"label\":\"root\"},{\"format\":\"ext4\","
                  "\"device\":\"/dev/sda3\",\"path\":\"/boot\""),
     "", "", NULL}, /* once more after a power cut */
    {WIPED "," FS(TO), "", "root /dev/sda4 /dev/mapper/root\n",
     "/dev/sda holds the filesystem 'boot', which would be lost"},
    {DISK("\"wipeTable\":true,\"partitions\":[{\"number\":2,\"typeGuid\":"
          "\"C12A7328-F81F-11D2-BA4B-00A0C93EC93B\"}]") "," FS(TO "},{\"format\":\"ext4\",\"device\":"
                                                                  "\"/dev/"
                                                                  "sda3\",\"label\":\"boot\","
                                                                  "\"wipeFilesystem\":true"),
     "", "root /dev/sda4 /dev/mapper/root\nboot /dev/sda3 /dev/sda3\n",
     "/dev/sda, which the machine started from, would get an EFI system partition that is empty"},
    {DISK("\"partitions\":[{\"number\":9,\"typeGuid\":\"21686148-6449-6E6F-744E-656564454649\"}]") "," FS(TO),
     "", "root /dev/sda4 /dev/mapper/root\n", NULL}, /* beside the one that is used */
    {WIPED, "root=LABEL=gone", "", NULL},            /* whose /boot this is nobody knows */
    {GONE, "", "", "/dev/sda holds the filesystem 'root', which would be lost"},
    {DISK("\"partitions\":[{\"number\":5,\"sizeMiB\":0,\"wipePartitionEntry\":true}]"), "", "", NULL},
    {"\"luks\":[{\"name\":\"root\",\"device\":\"/dev/sda4\"}]," FS(TO), "",
     "root /dev/sda4 /dev/mapper/root\n",
     "the key of 'root' would lie inside the volume that it opens, and nobody could open it"},
    {"\"luks\":[{\"name\":\"root\",\"device\":\"/dev/sda4\",\"keyFile\":{\"source\":\"data:,k\"}}]," FS(TO),
     "", "root /dev/sda4 /dev/mapper/root\n",
     "the key file of 'root' will lie inside the volume that it opens"},
    {LUKS "," FS(TO), "root=UUID=u", "root /dev/sda4 /dev/mapper/root\n",
     "the root is to move, but the kernel argument root=UUID=u names it where it is now"},
    {LUKS "," FS(TO ",\"uuid\":\"u\""), "root=UUID=u", "root /dev/sda4 /dev/mapper/root\n", NULL},
};

static IgnConfig *config_of(Arena *a, const char *storage)
{
    _cleanup_report_ Report parse = REPORT_INIT(a);
    const char *text = arena_printf(a, "{\"ignition\":{\"version\":\"3.5.0\"},\"storage\":{%s}}", storage);
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = "test", .text = text, .len = strlen(text)};
    IgnConfig *config;
    if (ign_config_parse_newest(a, source, IGN_PARSE_STRICT, &config, &parse) < 0)
        fail_msg("%s", parse.entries[0].message);
    return config;
}

static void test_plan(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_report_ Report report = REPORT_INIT(a);
        _cleanup_buf_ Buf out = BUF_INIT;
        RootMoves moves;
        root_move_plan(a, config_of(a, c->storage), c->cmdline, &(RootDevices){resolve, disk, NULL}, &moves,
                       &report);
        for (size_t k = 0; k < moves.n; k++)
            buf_addf(&out, "%s %s %s\n", moves.items[k].label, moves.items[k].from,
                     moves.items[k].to->device);
        assert_string_equal(out.data ? out.data : "", c->moves);
        const char *finding = report.n ? report.entries[0].message : "";
        if ((report.n > 0) != (c->finding != NULL) ||
            (c->finding && strncmp(finding, c->finding, strlen(c->finding)) != 0))
            fail_msg("case %zu: '%s' instead of '%s'", i, finding, c->finding);
    }
}

/* A machine that has no such filesystem has nothing to move. */
static void test_elsewhere(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    RootMoves moves;
    root_move_plan(a, config_of(a, LUKS "," FS(TO)), "", &(RootDevices){resolve, disk, a}, &moves, &report);
    assert_int_equal(moves.n, 0);
    assert_int_equal(report.n, 0);
}

static int uuid_of(Arena *a, const char *kind, const char *device, const char **ret, Error *e)
{
    (void)e;
    *ret = arena_printf(a, "%s-of-%s", kind, strrchr(device, '/') + 1);
    return 0;
}

static void test_arguments(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(string_list_done)
    StringList list = {0};
    _cleanup_buf_ Buf out = BUF_INIT;
    const IgnConfig *c = config_of(
        a, "\"raid\":[{\"name\":\"r\",\"level\":\"raid1\",\"devices\":[\"/dev/sda4\",\"/dev/sdb4\"]}],"
           "\"luks\":[{\"name\":\"root\",\"device\":\"/dev/md/r\"," TANG "}]," FS(TO));
    assert_int_equal(root_move_arguments(a, &c->storage, c->storage.filesystems.items, uuid_of, &list, NULL),
                     0);
    for (size_t i = 0; i < list.n; i++)
        buf_addf(&out, "%s ", list.items[i]);
    assert_string_equal(
        out.data, "rd.md.uuid=raid-of-r rd.luks.name=luks-of-r=root rd.neednet=1 rd.luks.options=_netdev "
                  "root=UUID=filesystem-of-root rw ");
    c = config_of(a, "\"luks\":[{\"name\":\"root\",\"device\":\"/dev/mapper/"
                     "b\"},{\"name\":\"b\",\"device\":\"/dev/mapper/root\"}]," FS(TO));
    assert_int_equal(root_move_arguments(a, &c->storage, c->storage.filesystems.items, uuid_of, &list, NULL),
                     -ELOOP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
