/* The four forms of a report, order, and what never shows. */
#include "../scratch.h"

#include "format/json.h"

static const char text[] = "{\"a\": {\"b\": [1]},\n \"long\": \"é\"}";

static Node *read_text(Arena *a, const Source *source)
{
    Node *n = NULL;
    _cleanup_report_ Report r = REPORT_INIT(a);
    assert_int_equal(json_read(a, source, SEVERITY_ERROR, &n, &r), 0);
    return n;
}

static void add_some(Report *r, const Node *root)
{
    const PathStep *a = PATH_KEY(NULL, "a"), *b = PATH_KEY(a, "b");
    report_add(r, SEVERITY_ERROR, b, node_get_path(root, "a.b"), "of a list");
    report_add(r, SEVERITY_WARNING, PATH_INDEX(b, 0), node_get_path(root, "a.b.0"), "of a %s", "value");
    report_add(r, SEVERITY_INFO, a, node_get(root, "a"), "of an object");
    report_add_key(r, SEVERITY_WARNING, PATH_KEY(NULL, "long"), node_get(root, "long"), "of a key");
    report_add(r, SEVERITY_ERROR, PATH_KEY(NULL, "x"), NULL, "without position");
    report_add(r, SEVERITY_ERROR, NULL, NULL, "of nothing");
}

static void expect_form(const Report *r, ReportFormat form, const char *expected)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    report_write(r, form, &out);
    assert_string_equal(out.len ? out.data : "", expected);
}

/* Lists and objects: ignition-validate names the column behind the bracket. */
static void test_ignition(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source source = {.name = "c.ign", .text = text, .len = sizeof(text) - 1};
    expect_form(&r, REPORT_IGNITION, "");
    add_some(&r, read_text(a, &source));
    report_add_at(&r, SEVERITY_ERROR, &source, 2, 3, "of a reader");
    expect_form(&r, REPORT_IGNITION,
                "error at $.a.b, line 1 col 14: of a list\n"
                "warning at $.a.b.0, line 1 col 14: of a value\n"
                "info at $.a, line 1 col 8: of an object\n"
                "warning at $.long, line 2 col 2: of a key\n"
                "error at $.x: without position\n"
                "error: of nothing\n"
                "error at line 2 col 3: of a reader\n");
    assert_int_equal(r.errors, 4);
    assert_int_equal(r.warnings, 2);
}

static void test_text(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source source = {.name = "c.ign", .text = text, .len = sizeof(text) - 1};
    add_some(&r, read_text(a, &source));
    expect_form(&r, REPORT_TEXT,
                "c.ign:1:13: error: $.a.b: of a list\n"
                "     1 | {\"a\": {\"b\": [1]},\n"
                "       |             ^\n"
                "c.ign:1:14: warning: $.a.b.0: of a value\n"
                "     1 | {\"a\": {\"b\": [1]},\n"
                "       |              ^\n"
                "c.ign:1:7: info: $.a: of an object\n"
                "     1 | {\"a\": {\"b\": [1]},\n"
                "       |       ^\n"
                "c.ign:2:2: warning: $.long: of a key\n"
                "     2 |  \"long\": \"é\"}\n"
                "       |  ^\n"
                "error: $.x: without position\n"
                "error: of nothing\n");
}

static void test_secret_has_no_excerpt(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source secret = {.name = "pull", .text = "[\"hunter2\", x]", .len = 14, .secret = true};
    Source gone = {.name = "gone"};
    Node *n;
    assert_int_equal(json_read(a, &secret, SEVERITY_ERROR, &n, &r), -EINVAL);
    report_add_at(&r, SEVERITY_ERROR, &gone, 1, 1, "whose text is no more");
    for (ReportFormat f = REPORT_IGNITION; f <= REPORT_SARIF; f++) {
        _cleanup_buf_ Buf out = BUF_INIT;
        report_write(&r, f, &out);
        assert_null(strstr(out.data, "hunter2"));
    }
    expect_form(&r, REPORT_TEXT,
                "pull:1:13: error: expected a value, found 'x'\n"
                "gone:1:1: error: whose text is no more\n");
}

static void test_one_line(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    report_add(&r, SEVERITY_WARNING, PATH_KEY(NULL, "a\nerror: b"), NULL, "key \x1b[2J%s", "c\r\nd");
    expect_form(&r, REPORT_TEXT, "warning: $.a?error: b: key ?[2Jc??d\n");
}

static void test_sort(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source s = {.name = "s"};
    report_add_at(&r, SEVERITY_ERROR, &s, 2, 1, "third");
    report_add_at(&r, SEVERITY_ERROR, &s, 1, 9, "first");
    report_add_at(&r, SEVERITY_INFO, &s, 1, 10, "second");
    report_add_at(&r, SEVERITY_ERROR, &s, 2, 1, "fourth, as it was added");
    report_sort(&r);
    expect_form(&r, REPORT_IGNITION,
                "error at line 1 col 9: first\ninfo at line 1 col 10: second\n"
                "error at line 2 col 1: third\nerror at line 2 col 1: fourth, as it was added\n");
}

static Node *written(Arena *a, const Report *r, ReportFormat form)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    report_write(r, form, &out);
    Source source = {.name = "written", .text = out.data, .len = out.len};
    return read_text(a, &source);
}

static void expect_at(const Node *root, const char *path, const char *value)
{
    const Node *n = node_get_path(root, path);
    if (!n)
        fail_msg("no %s", path);
    assert_string_equal(n->string, value);
}

static void test_json(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source source = {.name = "c \"quoted\".ign", .text = text, .len = sizeof(text) - 1};
    add_some(&r, read_text(a, &source));
    Node *n = written(a, &r, REPORT_JSON);
    assert_int_equal(node_get(n, "entries")->n, 6);
    expect_at(n, "entries.0.severity", "error");
    expect_at(n, "entries.0.path", "$.a.b");
    expect_at(n, "entries.0.file", source.name);
    expect_at(n, "entries.0.line", "1");
    expect_at(n, "entries.0.column", "13");
    expect_at(n, "entries.1.message", "of a value");
    assert_null(node_get_path(n, "entries.5.line"));
    expect_at(n, "errors", "3");
    expect_at(n, "warnings", "2");
}

static void test_sarif(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    Source source = {.name = "c.ign", .text = text, .len = sizeof(text) - 1};
    add_some(&r, read_text(a, &source));
    Node *n = written(a, &r, REPORT_SARIF);
    expect_at(n, "version", "2.1.0");
    expect_at(n, "runs.0.tool.driver.name", "basalt");
    expect_at(n, "runs.0.results.2.level", "note");
    expect_at(n, "runs.0.results.0.message.text", "$.a.b: of a list");
    expect_at(n, "runs.0.results.0.locations.0.physicalLocation.artifactLocation.uri", "c.ign");
    expect_at(n, "runs.0.results.0.locations.0.physicalLocation.region.startColumn", "13");
    assert_int_equal(node_get_path(n, "runs.0.results")->n, 6);
    assert_null(node_get_path(n, "runs.0.results.5.locations"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ignition),
                                       cmocka_unit_test(test_text),
                                       cmocka_unit_test(test_secret_has_no_excerpt),
                                       cmocka_unit_test(test_one_line),
                                       cmocka_unit_test(test_sort),
                                       cmocka_unit_test(test_json),
                                       cmocka_unit_test(test_sarif)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
