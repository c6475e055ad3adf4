/* Reading a config: what the golden files cannot show, which is results, flags and places. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "format/json.h"
#include "ignition/parse.h"

typedef struct Fixture {
    Arena *arena;
    Report report;
    IgnConfig *config;
} Fixture;

static int setup(void **state)
{
    static Fixture f;
    f = (Fixture){.arena = arena_new()};
    f.report = REPORT_INIT(f.arena);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;
    report_done(&f->report);
    arena_free(f->arena);
    return 0;
}

static int parse(Fixture *f, const char *text, IgnParse flags)
{
    Source *s = ARENA_NEW(f->arena, Source);
    *s = (Source){.name = "test", .text = text, .len = strlen(text)};
    return ign_config_parse(f->arena, s, flags, &f->config, &f->report);
}

static void expect_report(Fixture *f, const char *want)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    report_sort(&f->report);
    report_write(&f->report, REPORT_IGNITION, &b);
    assert_string_equal(b.data ? b.data : "", want);
}

static const char *json(Fixture *f, const Node *n)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    json_write(n, JSON_COMPACT, &b);
    return arena_memdup(f->arena, b.data, b.len);
}

static void empty_text(void **state)
{
    Fixture *f = *state;
    assert_int_equal(parse(f, "", IGN_PARSE_STRICT), -ENODATA);
    expect_report(f, "error: not a config (empty)\n");
    assert_null(f->config);
}

#define ACCEPTED "accepted are 2.0.0 to 2.4.0, 3.0.0 to 3.6.0 and 3.7.0-experimental\n"

static void versions(void **state)
{
    static const struct {
        const char *text, *report;
    } rows[] = {
        {"{}", "error at $.ignition.version, line 1 col 2: invalid config version (couldn't parse): "
               "ignition.version is missing; " ACCEPTED},
        {"{\"ignition\": {}}",
         "error at $.ignition.version, line 1 col 15: invalid config version (couldn't parse): "
         "ignition.version is missing; " ACCEPTED},
        {"{\"ignition\": {\"version\": null}}",
         "error at $.ignition.version, line 1 col 15: invalid config version (couldn't parse): "
         "ignition.version is missing; " ACCEPTED},
        {"{\"ignition\": {\"version\": \"3.9.0\"}, \"x\": 1}",
         "error at $.ignition.version, line 1 col 26: unsupported config version: got \"3.9.0\"; " ACCEPTED},
        {"{\"ignitionVersion\": 1}",
         "error at $.ignitionVersion, line 1 col 21: unsupported config version: got \"1.0.0\"; " ACCEPTED},
        {"{\"ignition\": {\"version\": 3}}",
         "error at $.ignition.version, line 1 col 26: expected a string, found a number\n"},
        {"{\"ignition\": \"3.0.0\"}",
         "error at $.ignition, line 1 col 14: expected an object, found a string\n"},
        {"[]", "error at $, line 1 col 2: expected an object, found a list\n"},
    };
    Fixture *f = *state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        report_done(&f->report);
        assert_int_equal(parse(f, rows[i].text, IGN_PARSE_STRICT), -EINVAL);
        assert_null(f->config);
        expect_report(f, rows[i].report);
    }
}

static void duplicate_keys(void **state)
{
    static const char text[] = "{\"ignition\": {\"version\": \"3.1.0\", \"version\": \"3.0.0\"}}";
    Fixture *f = *state;
    assert_int_equal(parse(f, text, IGN_PARSE_STRICT), -EINVAL);
    assert_int_equal(f->report.errors, 1);
    report_done(&f->report);
    assert_int_equal(parse(f, text, IGN_PARSE_DUPLICATE_KEYS_OK), 0);
    assert_int_equal(f->report.warnings, 1);
    assert_int_equal(f->config->version, IGN_3_0);
}

static void keys_of_any_case(void **state)
{
    Fixture *f = *state;
    assert_int_equal(parse(f,
                           "{\"IGNITION\": {\"Version\": \"3.3.0\"},\n"
                           " \"storage\": {\"files\": [{\"PATH\": \"/a\", \"mode\": 1, \"Mode\": 2}]}}",
                           IGN_PARSE_STRICT),
                     0);
    const IgnFile *file = IGN_AT(f->config->storage.files, IgnFile, 0);
    assert_string_equal(file->base.path, "/a");
    assert_int_equal(file->mode.value, 2); /* the last one stands, as with Go */
    expect_report(f, "warning at $.IGNITION, line 1 col 2: unused key IGNITION (taken as ignition)\n"
                     "warning at $.IGNITION.Version, line 1 col 15: unused key Version (taken as version)\n"
                     "warning at $.storage.files.0.PATH, line 2 col 25: unused key PATH (taken as path)\n"
                     "warning at $.storage.files.0.Mode, line 2 col 50: unused key Mode (taken as mode)\n");
}

static void place_in_a_document(void **state)
{
    static const char text[] = "{\"spec\": {\"config\": {\"ignition\": {\"version\": \"3.2.0\"},\n"
                               "\"storage\": {\"files\": [{\"path\": \"a\", \"x\": 1}]}}}}";
    Fixture *f = *state;
    Source s = {.name = "mc", .text = text, .len = strlen(text)};
    Node *root;
    assert_int_equal(json_read(f->arena, &s, SEVERITY_ERROR, &root, &f->report), 0);
    const PathStep *path = PATH_KEY(PATH_KEY(NULL, "spec"), "config");
    assert_int_equal(
        ign_config_from_node(f->arena, node_get_path(root, "spec.config"), path, &f->config, &f->report),
        -EINVAL);
    expect_report(f, "error at $.spec.config.storage.files.0.path, line 2 col 32: path not absolute\n"
                     "warning at $.spec.config.storage.files.0.x, line 2 col 37: unused key x\n");
}

static void earlier_findings_do_not_count(void **state)
{
    Fixture *f = *state;
    report_add_at(&f->report, SEVERITY_ERROR, NULL, 0, 0, "of another config");
    assert_int_equal(parse(f, "{\"ignition\": {\"version\": \"3.0.0\"}}", IGN_PARSE_STRICT), 0);
    assert_int_equal(f->report.n, 1);
}

static void unset_is_not_empty(void **state)
{
    Fixture *f = *state;
    assert_int_equal(
        parse(f,
              "{\"ignition\": {\"version\": \"3.3.0\"}, \"passwd\": {\"users\": ["
              "{\"name\": \"a\", \"gecos\": \"\", \"uid\": 0, \"system\": false, \"shell\": null}]}}",
              IGN_PARSE_STRICT),
        0);
    const IgnUser *u = IGN_AT(f->config->passwd.users, IgnUser, 0);
    assert_string_equal(u->gecos, "");
    assert_null(u->shell);
    assert_null(u->home_dir);
    assert_true(u->uid.set);
    assert_int_equal(u->system, BOOL_FALSE);
    assert_int_equal(u->no_create_home, BOOL_UNSET);
    assert_string_equal(
        json(f, ign_config_to_node(f->arena, f->config)),
        "{\"ignition\":{\"version\":\"3.3.0\"},\"passwd\":{\"users\":[{\"gecos\":\"\",\"name\":\"a\","
        "\"system\":false,\"uid\":0}]}}");
}

static void written_as_2x_tools_do(void **state)
{
    Fixture *f = *state;
    assert_int_equal(
        parse(f,
              "{\"ignition\": {\"version\": \"2.2.0\", \"config\": {\"append\": [{\"source\": "
              "\"http://h/c\"}]}}, \"storage\": {\"files\": [{\"filesystem\": \"root\", \"path\": "
              "\"/a\", \"mode\": 420}]}}",
              IGN_PARSE_STRICT),
        0);
    assert_string_equal(
        json(f, ign_config_to_node(f->arena, f->config)),
        "{\"ignition\":{\"config\":{\"append\":[{\"source\":\"http://h/c\"}]},\"version\":\"2.2.0\"},"
        "\"storage\":{\"files\":[{\"filesystem\":\"root\",\"path\":\"/a\",\"mode\":420}]}}");
    assert_string_equal(
        json(f, ign_config_to_node_v2_full(f->arena, f->config)),
        "{\"ignition\":{\"config\":{\"append\":[{\"source\":\"http://h/c\",\"verification\":{}}]},"
        "\"security\":{\"tls\":{}},\"timeouts\":{},\"version\":\"2.2.0\"},\"networkd\":{},\"passwd\":{},"
        "\"storage\":{\"files\":[{\"filesystem\":\"root\",\"path\":\"/a\",\"contents\":{\"verification\":{}},"
        "\"mode\":420}]},\"systemd\":{}}");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(empty_text),          TEST(versions),
        TEST(duplicate_keys),      TEST(keys_of_any_case),
        TEST(place_in_a_document), TEST(earlier_findings_do_not_count),
        TEST(unset_is_not_empty),  TEST(written_as_2x_tools_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
