/* The plan and the preset text, with a root that is a table: links of directories, and what stands where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ignition/parse.h"
#include "provision/files_plan.h"
#include "provision/units.h"

typedef struct Place {
    const char *path;
    FilesBefore before;
    const char *target;
} Place;

typedef struct Table {
    const Place *places; /* ends with a NULL path */
} Table;

/* One link for a directory is enough here: "/l" leads to its target. */
static int table_resolve(void *context, Arena *a, const char *path, const char **ret)
{
    const Table *t = context;
    *ret = path;
    for (const Place *p = t->places; p->path; p++) {
        size_t n = strlen(p->path);
        if (p->before.kind == FILES_IS_LINK && strncmp(path, p->path, n) == 0 && path[n] == '/')
            *ret = arena_printf(a, "%s%s", p->target, path + n);
    }
    return 0;
}

static int table_look(void *context, Arena *a, const char *real, FilesBefore *ret, const char **ret_target)
{
    (void)a;
    const Table *t = context;
    *ret = (FilesBefore){.kind = FILES_ABSENT};
    *ret_target = NULL;
    for (const Place *p = t->places; p->path; p++)
        if (strcmp(p->path, real) == 0) {
            *ret = p->before;
            *ret_target = p->target;
        }
    return 0;
}

static const IgnConfig *config_of(Arena *a, const char *storage_or_systemd)
{
    const char *text = arena_printf(a, "{\"ignition\":{\"version\":\"3.4.0\"},%s}", storage_or_systemd);
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = "c.ign", .text = text, .len = strlen(text)};
    _cleanup_report_ Report r = REPORT_INIT(a);
    IgnConfig *c;
    assert_int_equal(ign_config_parse_newest(a, source, IGN_PARSE_STRICT, &c, &r), 0);
    return c;
}

/* The plan as text, or the messages of its conflicts. */
static const char *plan_of(Arena *a, const char *config, const Place *places)
{
    const Table table = {places};
    const FilesProbe probe = {table_resolve, table_look, (void *)&table};
    const IgnConfig *c = config_of(a, config);
    _cleanup_files_plan_ FilesPlan plan = {.arena = a};
    _cleanup_report_ Report report = REPORT_INIT(a);
    _cleanup_buf_ Buf out = BUF_INIT;
    int r = files_plan_add_storage(&plan, &c->storage, &probe, &report);
    int s = units_plan(&plan, &c->systemd, &probe, &report);
    assert_int_equal(r < 0 || s<0, report.errors> 0);
    for (size_t i = 0; i < report.n; i++)
        buf_addf(&out, "%s %s\n", report.entries[i].path, report.entries[i].message);
    if (!report.errors)
        files_plan_print(&plan, &out);
    return arena_strdup(a, out.data ? out.data : "");
}

static const Place nothing[] = {{0}};

static void test_order(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    assert_string_equal(plan_of(a,
                                "\"storage\":{\"files\":[{\"path\":\"/a/b/c\"},{\"path\":\"/"
                                "f\"}],\"directories\":[{\"path\":\"/a/b\"},"
                                "{\"path\":\"/a\"}],\"links\":[{\"path\":\"/h\",\"target\":\"/a/b/"
                                "c\",\"hard\":true},{\"path\":\"/s\","
                                "\"target\":\"x\"}]}",
                                nothing),
                        "directory /a\nfile /f empty\nlink /s -> x\ndirectory /a/b\nfile /a/b/c empty\nhard "
                        "link /h -> /a/b/c\n");
}

static void test_one_path_twice(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const Place places[] = {{"/l", {.kind = FILES_IS_LINK}, "/real"}, {0}};
    assert_string_equal(
        plan_of(a, "\"storage\":{\"directories\":[{\"path\":\"/real/x\"}],\"files\":[{\"path\":\"/l/x\"}]}",
                places),
        "$.storage.files.0 file at /l/x resolved to /real/x after symlink chasing, but another entry with "
        "path /real/x "
        "also resolves there\n");
}

static void test_below_what_goes(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const Place places[] = {
        {"/d", {.kind = FILES_IS_DIRECTORY}, NULL}, {"/d/f", {.kind = FILES_IS_FILE, .size = 3}, NULL}, {0}};
    const char *config =
        "\"storage\":{\"directories\":[{\"path\":\"/d\",\"overwrite\":%s}],\"files\":[{\"path\":\"/d/f\","
        "\"contents\":{\"source\":\"data:,x\"}}]}";
    assert_string_equal(plan_of(a, arena_printf(a, config, "true"), places),
                        "directory /d (replaces a directory)\nfile /d/f inline\n");
    assert_string_equal(plan_of(a, arena_printf(a, config, "false"), places),
                        "$.storage.files.0 file /d/f: a file exists there already and overwrite is false\n");
}

static void test_every_conflict(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const Place places[] = {{"/a", {.kind = FILES_IS_LINK}, "/b"},
                            {"/c", {.kind = FILES_IS_OTHER}, NULL},
                            {"/e", {.kind = FILES_IS_FILE, .device = 1, .inode = 5}, NULL},
                            {"/t", {.kind = FILES_IS_FILE, .device = 1, .inode = 6}, NULL},
                            {0}};
    assert_string_equal(
        plan_of(a,
                "\"storage\":{\"directories\":[{\"path\":\"/c\"}],\"files\":[{\"path\":\"/f\"},{\"path\":\"/"
                "f/g\"}],"
                "\"links\":[{\"path\":\"/a\",\"target\":\"/other\"},{\"path\":\"/e\",\"target\":\"/"
                "t\",\"hard\":true}]}",
                places),
        "$.storage.directories.0 directory /c: a special file exists there already and overwrite is false\n"
        "$.storage.links.0 link /a: a link to /b exists there already, not to /other, and overwrite is "
        "false\n"
        "$.storage.files.1 file /f/g: it would be below /f, which is not a directory\n"
        "$.storage.links.1 hard link /e: a file that is not /t exists there already and overwrite is "
        "false\n");
}

/* A link is the same when its text is, once cleaned. */
static void test_same_links(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const Place places[] = {{"/s", {.kind = FILES_IS_LINK}, "/x//y/../z"},
                            {"/e", {.kind = FILES_IS_FILE, .device = 1, .inode = 6}, NULL},
                            {"/t", {.kind = FILES_IS_FILE, .device = 1, .inode = 6}, NULL},
                            {0}};
    assert_string_equal(
        plan_of(a,
                "\"storage\":{\"links\":[{\"path\":\"/s\",\"target\":\"/x/z\"},{\"path\":\"/e\","
                "\"target\":\"/t\",\"hard\":true}]}",
                places),
        "link /s -> /x/z (keeps a symbolic link)\nhard link /e -> /t (keeps a file)\n");
}

static void test_root_itself(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    assert_string_equal(plan_of(a, "\"storage\":{\"directories\":[{\"path\":\"/\",\"mode\":448}]}", nothing),
                        "directory / mode 0700 (keeps a directory)\n");
    assert_string_equal(
        plan_of(a, "\"storage\":{\"directories\":[{\"path\":\"/\",\"overwrite\":true}]}", nothing),
        "$.storage.directories.0 directory /: the root itself cannot be overwritten\n");
}

static void test_units(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const Place places[] = {{"/etc/systemd/system", {.kind = FILES_IS_DIRECTORY}, NULL},
                            {"/etc/systemd/system/b.service", {.kind = FILES_IS_LINK}, "/dev/null"},
                            {0}};
    assert_string_equal(
        plan_of(
            a,
            "\"systemd\":{\"units\":[{\"name\":\"a.service\",\"contents\":\"[Unit]\\n\",\"dropins\":[{"
            "\"name\":"
            "\"x.conf\",\"contents\":\"\"}]},{\"name\":\"b.service\",\"contents\":\"[Unit]\\n\"},{\"name\":"
            "\"c.service\",\"contents\":\"[Unit]\\n\",\"mask\":true},{\"name\":\"d.service\",\"mask\":false,"
            "\"contents\":\"\"}]}",
            places),
        "file /etc/systemd/system/a.service.d/x.conf mode 0644 0 bytes\n"
        "file /etc/systemd/system/a.service mode 0644 7 bytes\n"
        "file /etc/systemd/system/b.service mode 0644 7 bytes (replaces a symbolic link)\n"
        "link /etc/systemd/system/c.service -> /dev/null\n"
        "unmask /etc/systemd/system/d.service\n");
}

static void test_presets(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const IgnConfig *c = config_of(
        a,
        "\"systemd\":{\"units\":[{\"name\":\"z.service\",\"enabled\":true},{\"name\":\"e@b.service\","
        "\"enabled\":true},"
        "{\"name\":\"e@a.service\",\"enabled\":true},{\"name\":\"e@off.service\",\"enabled\":false},{"
        "\"name\":"
        "\"e@not.service\",\"enabled\":false},{\"name\":\"a.timer\",\"enabled\":false},{\"name\":\"b.timer\","
        "\"enabled\":false},{\"name\":\"none.service\"}]}");
    UnitPreset *presets;
    size_t n;
    assert_int_equal(units_presets(a, &c->systemd, &presets, &n, NULL), 0);
    _cleanup_map_ Map disabled = MAP_INIT;
    map_put(&disabled, "a.timer", a);
    map_put(&disabled, "e@off.service", a);
    assert_string_equal(units_preset_text(a, presets, n, &disabled, NULL),
                        "disable a.timer\ndisable e@.service off\nenable e@.service b a\nenable z.service\n");
    assert_string_equal(
        units_preset_text(a, presets, n, &disabled, "enable z.service\nenable e@.service b\n"),
        "disable a.timer\ndisable e@.service off\nenable e@.service b a\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),           cmocka_unit_test(test_one_path_twice),
        cmocka_unit_test(test_below_what_goes), cmocka_unit_test(test_every_conflict),
        cmocka_unit_test(test_same_links),      cmocka_unit_test(test_root_itself),
        cmocka_unit_test(test_units),           cmocka_unit_test(test_presets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
