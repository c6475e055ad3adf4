/* Translation beyond what one text in and one text out can show: options, configs made without a text, what
 * the arguments refuse, and that a trip down and up again ends where it began. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ignition/parse.h"
#include "ignition/translate.h"

static IgnConfig *parse(Arena *a, const char *text, Report *r)
{
    Source *s = ARENA_NEW(a, Source);
    IgnConfig *c = NULL;

    *s = (Source){.name = "test", .text = text, .len = strlen(text)};
    assert_int_equal(ign_config_parse(a, s, IGN_PARSE_STRICT, &c, r), 0);
    return c;
}

static const char *text_of(Arena *a, const IgnConfig *c)
{
    _cleanup_buf_ Buf b = BUF_INIT;

    json_write(ign_config_to_node(a, c), JSON_COMPACT, &b);
    return arena_strdup(a, b.data);
}

static const char two_filesystems[] =
    "{\"ignition\":{\"version\":\"2.2.0\"},\"storage\":{\"filesystems\":[{\"name\":\"data\",\"mount\":"
    "{\"device\":\"/dev/vdb\",\"format\":\"ext4\"}}],\"files\":[{\"filesystem\":\"data\",\"path\":\"/x\","
    "\"mode\":420},{\"filesystem\":\"elsewhere\",\"path\":\"/y\",\"mode\":420}]}}";

static void mounts_place_filesystems(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    static const IgnMountPoint mounts[] = {{"data", "/srv"}, {"elsewhere", "/opt/e/"}};
    const IgnConfig *c = parse(a, two_filesystems, &r);
    IgnConfig *n = NULL;

    assert_int_equal(ign_config_lift_with(a, c, &(IgnLiftOptions){.mounts = mounts, .n_mounts = 2}, &n, &r),
                     0);
    assert_string_equal(IGN_AT(n->storage.filesystems, IgnFilesystem, 0)->path, "/srv");
    assert_string_equal(IGN_AT(n->storage.files, IgnFile, 0)->base.path, "/srv/x");
    assert_string_equal(IGN_AT(n->storage.files, IgnFile, 1)->base.path, "/opt/e/y");
    /* the original is as it was */
    assert_string_equal(IGN_AT(c->storage.files, IgnFile, 0)->base.path, "/x");
    assert_int_equal(c->version, IGN_2_2);
}

static void findings_begin_at_the_path(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    const PathStep *path = PATH_KEY(PATH_KEY(NULL, "spec"), "config");
    const IgnConfig *c = parse(a, two_filesystems, &r);
    size_t before = r.n;
    IgnConfig *n = NULL;

    assert_int_equal(ign_config_lift_with(a, c, &(IgnLiftOptions){.path = path}, &n, &r), -EINVAL);
    assert_null(n);
    assert_int_equal(r.n, before + 2);
    assert_string_equal(r.entries[before].path, "$.spec.config.storage.files.0.filesystem");
    assert_int_equal(r.entries[before].line, 1);
}

static void modes_that_are_not_said(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    const IgnConfig *c = parse(
        a,
        "{\"ignition\":{\"version\":\"2.2.0\"},\"storage\":{\"files\":[{\"filesystem\":\"root\",\"path\":"
        "\"/x\"}],\"directories\":[{\"filesystem\":\"root\",\"path\":\"/d\"}]}}",
        &r);
    IgnConfig *n = NULL;

    assert_int_equal(ign_config_lift(a, c, &n, &r), 0);
    assert_true(IGN_AT(n->storage.files, IgnFile, 0)->mode.set);
    assert_int_equal(IGN_AT(n->storage.files, IgnFile, 0)->mode.value, 0);
    assert_int_equal(IGN_AT(n->storage.directories, IgnDirectory, 0)->mode.value, 0);
    assert_int_equal(ign_config_lift_with(a, c, &(IgnLiftOptions){.default_modes = true}, &n, &r), 0);
    assert_false(IGN_AT(n->storage.files, IgnFile, 0)->mode.set);
    assert_false(IGN_AT(n->storage.directories, IgnDirectory, 0)->mode.set);
}

static void configs_without_text(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    IgnFile file = {
        .base = {.path = "/a/b"}, .contents = {.source = "data:,x"}, .mode = {.set = true, .value = 04755}};
    IgnFilesystem fs = {.device = "/dev/vdb", .format = "ext4", .path = "/a"};
    IgnConfig c = {.version = IGN_NEWEST,
                   .ignition = {.version = "3.6.0"},
                   .storage = {.files = {.items = &file, .n = 1}, .filesystems = {.items = &fs, .n = 1}}};
    IgnConfig *n = NULL;

    assert_int_equal(ign_config_lower(a, &c, IGN_2_2, &n, &r), -EINVAL);
    assert_int_equal(r.errors, 1);
    assert_string_equal(r.entries[0].path, "$.storage.files.0.mode");
    assert_int_equal(r.entries[0].line, 0);
    file.mode.value = 0755;
    assert_int_equal(ign_config_lower(a, &c, IGN_2_2, &n, &r), 0);
    assert_string_equal(
        text_of(a, n), "{\"ignition\":{\"version\":\"2.2.0\"},\"storage\":{\"files\":[{\"filesystem\":\"/a\","
                       "\"overwrite\":false,\"path\":\"/b\",\"contents\":{\"source\":\"data:,x\"},"
                       "\"mode\":493}],\"filesystems\":[{\"mount\":{\"device\":\"/dev/vdb\","
                       "\"format\":\"ext4\"},\"name\":\"/a\"}]}}");
    fs.format = "zfs";
    assert_int_equal(ign_config_lower(a, &c, IGN_2_2, &n, &r), -EINVAL);
    assert_string_equal(r.entries[r.n - 1].path, "$.storage.filesystems.0.mount.format");
}

static void versions_that_are_not_written(void **state _unused_)
{
    static const IgnVersion versions[] = {IGN_NONE, IGN_2_0, IGN_2_1, IGN_3_7_EXP};
    const IgnConfig c = {.version = IGN_NEWEST, .ignition = {.version = "3.6.0"}};

    for (size_t i = 0; i < ELEMENTS(versions); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_report_ Report r = REPORT_INIT(a);
        IgnConfig *n = NULL;

        assert_int_equal(ign_config_lower(a, &c, versions[i], &n, &r), -EINVAL);
        assert_int_equal(r.errors, 1);
        assert_null(n);
    }
}

/* newest → each version → newest: the same config again. */
static void down_and_up_again(void **state _unused_)
{
    static const char text[] =
        "{\"ignition\":{\"config\":{\"merge\":[{\"source\":\"https://a/b\"}]},\"version\":\"3.6.0\"},"
        "\"passwd\":{\"users\":[{\"name\":\"core\",\"sshAuthorizedKeys\":[\"k\"]}]},"
        "\"storage\":{\"directories\":[{\"path\":\"/d\",\"mode\":493}],\"files\":[{\"overwrite\":true,"
        "\"path\":\"/a\",\"append\":[{\"source\":\"data:,1\"}],\"contents\":{\"source\":\"data:,0\"},"
        "\"mode\":420},{\"overwrite\":false,\"path\":\"/etc/motd\",\"append\":[{\"source\":\"data:,m\"}],"
        "\"mode\":420}],\"links\":[{\"path\":\"/"
        "l\",\"target\":\"a\"}]},\"systemd\":{\"units\":[{\"contents\":"
        "\"[Install]\\nWantedBy=a\\n\",\"enabled\":true,\"name\":\"a.service\"}]}}";
    static const IgnVersion versions[] = {IGN_2_2, IGN_2_3, IGN_2_4, IGN_3_0, IGN_3_1,
                                          IGN_3_2, IGN_3_3, IGN_3_4, IGN_3_5, IGN_3_6};

    for (size_t i = 0; i < ELEMENTS(versions); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_report_ Report r = REPORT_INIT(a);
        IgnConfig *c = parse(a, text, &r), *n = NULL;
        const char *lowered;

        assert_int_equal(ign_config_lower(a, c, versions[i], &n, &r), 0);
        lowered = text_of(a, n);
        assert_non_null(strstr(lowered, ign_version_text(versions[i])));
        assert_int_equal(ign_config_lift(a, parse(a, lowered, &r), &n, &r), 0);
        assert_string_equal(text_of(a, n), text);
    }
}

/* Many entries for one path stay cheap: 20,000 appends are one file. */
static void many_appends(void **state _unused_)
{
    enum { APPENDS = 20000 };
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    IgnFile *files = ARENA_ARRAY(a, IgnFile, APPENDS);
    IgnConfig c = {.version = IGN_2_2,
                   .ignition = {.version = "2.2.0"},
                   .storage = {.files = {.items = files, .n = APPENDS}}};
    IgnConfig *n = NULL;
    size_t before = arena_used(a);

    for (size_t i = 0; i < APPENDS; i++)
        files[i] = (IgnFile){.base = {.path = "/a", .filesystem = "root"},
                             .append_to = BOOL_TRUE,
                             .contents = {.source = "data:,x"}};
    assert_int_equal(ign_config_lift(a, &c, &n, &r), 0);
    assert_int_equal(n->storage.files.n, 1);
    assert_int_equal(IGN_AT(n->storage.files, IgnFile, 0)->append.n, APPENDS);
    assert_true(arena_used(a) - before < APPENDS * 4 * sizeof(IgnFile));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mounts_place_filesystems),
        cmocka_unit_test(findings_begin_at_the_path),
        cmocka_unit_test(modes_that_are_not_said),
        cmocka_unit_test(configs_without_text),
        cmocka_unit_test(versions_that_are_not_written),
        cmocka_unit_test(down_and_up_again),
        cmocka_unit_test(many_appends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
