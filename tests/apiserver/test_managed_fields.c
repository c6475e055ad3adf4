/* Who owns what after creates, updates and applies; conflicts and their words; what goes when it is applied
 * no more. */
#include "data_test.h"

#include "apiserver/field_set.h"
#include "apiserver/managed_fields.h"
#include "kube/kube_kind.h"

#define NOW 1700000000
#define AT  "2023-11-14T22:13:20Z"

static const KubeKind widget = {"example.com", "v1", "Widget", "widgets", true};
static const char widget_schema[] =
    "{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{\"size\":{\"type\":"
    "\"integer\"},"
    "\"color\":{\"type\":\"string\"},\"tags\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\","
    "\"items\":{\"type\":"
    "\"string\"}},\"parts\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-"
    "keys\":[\"id\"],"
    "\"items\":{\"type\":\"object\",\"required\":[\"id\"],\"properties\":{\"id\":{\"type\":\"integer\"},"
    "\"a\":{\"type\":"
    "\"string\"},\"b\":{\"type\":\"string\"}}}},\"whole\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}"
    "}}},"
    "\"status\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}";

static CrdSchema *schema(Arena *a)
{
    CrdSchema *s = NULL;
    Report r = REPORT_INIT(a);
    assert_int_equal(crd_schema_read(a, tree(a, widget_schema), &s, &r), 0);
    return s;
}

static FieldManager manager(Arena *a, const char *name)
{
    return (FieldManager){.kind = &widget, .schema = schema(a), .manager = name, .now = NOW};
}

#define WIDGET(spec)                                                                                         \
    "{\"apiVersion\":\"example.com/"                                                                         \
    "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"w\",\"namespace\":\"n\"},\"spec\":" spec "}"
#define ENTRY(manager, operation, version, fields)                                                           \
    "{\"manager\":\"" manager "\",\"operation\":\"" operation "\",\"apiVersion\":\"" version                 \
    "\",\"time\":\"" AT "\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":" fields "}"

static Node *apply(Arena *a, const FieldManager *m, const Node *live, const char *applied)
{
    Node *made = NULL, *status = NULL;
    Error e = ERROR_INIT;
    if (managed_fields_apply(a, m, live, tree(a, applied), &made, &status, &e) < 0)
        fail_msg("%s", e.text);
    return made;
}

static const Node *entries(const Node *object)
{
    return node_get_path(object, "metadata.managedFields");
}

static void test_update(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    FieldManager m = manager(a, "one"), other = manager(a, "two");
    Node *live = tree(a, WIDGET("{\"size\":1,\"tags\":[\"x\"],\"parts\":[{\"id\":1,\"a\":\"p\"}]}"));
    managed_fields_update(a, &m, NULL, live);
    expect_tree(a, entries(live),
                "[" ENTRY("one", "Update", "example.com/v1",
                          "{\"f:spec\":{\".\":{},\"f:size\":{},\"f:tags\":{\".\":{},\"v:\\\"x\\\"\":{}},\"f:"
                          "parts\":{\".\":{},"
                          "\"k:{\\\"id\\\":1}\":{\".\":{},\"f:a\":{},\"f:id\":{}}}}}") "]");
    Node *next = node_copy(a, live);
    node_set(a, node_get(next, "spec"), "size", node_new_int(a, 2));
    node_remove(node_get(next, "spec"), "tags");
    managed_fields_update(a, &other, live, next);
    expect_tree(
        a, entries(next),
        "[" ENTRY("one", "Update", "example.com/v1",
                  "{\"f:spec\":{\".\":{},\"f:parts\":{\".\":{},\"k:{\\\"id\\\":1}\":{\".\":{},\"f:a\":{},\"f:"
                  "id\":{}}}}"
                  "}") "," ENTRY("two", "Update", "example.com/v1", "{\"f:spec\":{\"f:size\":{}}}") "]");
    /* nothing changed: nothing is written */
    Node *same = node_copy(a, next);
    other.now++;
    managed_fields_update(a, &other, next, same);
    assert_true(node_equal(next, same));
    /* status is another's, through its subresource */
    Node *status = node_copy(a, next);
    other.subresource = "status";
    node_set(a, status, "status", tree(a, "{\"ready\":true}"));
    managed_fields_update(a, &other, next, status);
    assert_int_equal(entries(status)->n, 3);
    assert_string_equal(node_string(node_get_path(status, "metadata.managedFields.2.subresource")), "status");
    /* untracked stays untracked, a reset takes all away */
    Node *plain = tree(a, WIDGET("{\"size\":1}")), *changed = tree(a, WIDGET("{\"size\":2}"));
    managed_fields_update(a, &m, plain, changed);
    assert_null(entries(changed));
    Node *reset = node_copy(a, next);
    node_set(a, node_get(reset, "metadata"), "managedFields", tree(a, "[{}]"));
    managed_fields_update(a, &m, next, reset);
    assert_null(entries(reset));
}

static void test_builtin(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    FieldManager m = {.kind = &kube_pod, .manager = "kubectl-create", .now = NOW};
    Node *pod = tree(
        a, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"uid\":\"u\",\"labels\":{"
           "\"a\":"
           "\"1\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"args\":[\"x\"],\"ports\":[{"
           "\"containerPort\":80}]}],\"nodeSelector\":{\"os\":\"l\"}},\"status\":{}}");
    managed_fields_update(a, &m, NULL, pod);
    expect_tree(a, entries(pod),
                "[" ENTRY("kubectl-create", "Update", "v1",
                          "{\"f:metadata\":{\"f:labels\":{\".\":{},\"f:a\":{}}},\"f:spec\":{\"f:containers\":"
                          "{\".\":{},\"k:{"
                          "\\\"name\\\":\\\"c\\\"}\":{\".\":{},\"f:args\":{},\"f:image\":{},\"f:name\":{},"
                          "\"f:ports\":{\".\":{},"
                          "\"k:{\\\"containerPort\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:"
                          "containerPort\":{}}}}},"
                          "\"f:nodeSelector\":{}}}") "]");
}

static void test_apply(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    FieldManager one = manager(a, "one"), two = manager(a, "two");
    Node *live =
        apply(a, &one, NULL,
              WIDGET("{\"size\":1,\"color\":\"red\",\"tags\":[\"x\",\"y\"],\"parts\":[{\"id\":1,\"a\":"
                     "\"p\"}]}"));
    expect_tree(a, entries(live),
                "[" ENTRY("one", "Apply", "example.com/v1",
                          "{\"f:spec\":{\"f:size\":{},\"f:color\":{},\"f:tags\":{\"v:\\\"x\\\"\":{},\"v:"
                          "\\\"y\\\"\":{}},\"f:parts"
                          "\":{\"k:{\\\"id\\\":1}\":{\".\":{},\"f:a\":{},\"f:id\":{}}}}}") "]");
    /* another adds to the lists and shares what is the same */
    live = apply(a, &two, live,
                 WIDGET("{\"size\":1,\"tags\":[\"z\"],\"parts\":[{\"id\":1,\"b\":\"q\"},{\"id\":2}]}"));
    expect_tree(a, node_get(live, "spec"),
                "{\"size\":1,\"color\":\"red\",\"tags\":[\"x\",\"y\",\"z\"],\"parts\":[{\"id\":1,\"a\":\"p\","
                "\"b\":\"q\"},{\"id\":2}]}");
    /* the first lets go of some: what the other owns stays */
    live = apply(a, &one, live, WIDGET("{\"tags\":[\"y\"],\"parts\":[{\"id\":1}]}"));
    expect_tree(a, node_get(live, "spec"),
                "{\"size\":1,\"tags\":[\"y\",\"z\"],\"parts\":[{\"id\":1,\"b\":\"q\"},{\"id\":2}]}");
    /* all of it but the name: what nobody owns any more goes */
    live = apply(a, &two, live, WIDGET("{}"));
    expect_tree(a, node_get(live, "spec"), "{\"tags\":[\"y\"],\"parts\":[{\"id\":1}]}");
    /* again: nothing changes, not even the time */
    one.now++;
    Node *again = apply(a, &one, live, WIDGET("{\"tags\":[\"y\"],\"parts\":[{\"id\":1}]}"));
    assert_true(managed_fields_same(live, again));
    assert_true(node_equal(entries(live), entries(again)));
}

static void test_conflicts(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    FieldManager one = manager(a, "one"), two = manager(a, "two");
    Node *made, *status,
        *live = tree(a, WIDGET("{\"size\":1,\"color\":\"red\",\"parts\":[{\"id\":1,\"a\":\"p\"}]}"));
    Error e = ERROR_INIT;
    managed_fields_update(a, &one, NULL, live);
    const Node *before = node_copy(a, live);
    assert_int_equal(managed_fields_apply(a, &two, live, tree(a, WIDGET("{\"size\":2}")), &made, &status, &e),
                     -ESTALE);
    assert_string_equal(e.text,
                        "Apply failed with 1 conflict: conflict with \"one\" using example.com/v1 at " AT
                        ": .spec.size");
    expect_tree(a, status,
                "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
                "\"message\":\"Apply failed "
                "with 1 conflict: conflict with \\\"one\\\" using example.com/v1 at " AT ": "
                ".spec.size\",\"reason\":\"Conflict\",\"details\":{\"causes\":[{\"reason\":"
                "\"FieldManagerConflict\",\"message\":"
                "\"conflict with \\\"one\\\" using example.com/v1 at " AT
                "\",\"field\":\".spec.size\"}]},\"code\":409}");
    assert_true(node_equal(live, before));
    assert_int_equal(
        managed_fields_apply(a, &two, live,
                             tree(a, WIDGET("{\"color\":\"blue\",\"parts\":[{\"id\":1,\"a\":\"q\"}]}")),
                             &made, &status, &e),
        -ESTALE);
    assert_string_equal(node_string(node_get(status, "message")),
                        "Apply failed with 2 conflicts: conflicts with \"one\" using example.com/v1 at " AT
                        ":\n- .spec.color\n- .spec.parts[id=1].a");
    two.force = true;
    live = apply(a, &two, live, WIDGET("{\"size\":2}"));
    expect_tree(a, node_get(live, "spec"),
                "{\"size\":2,\"color\":\"red\",\"parts\":[{\"id\":1,\"a\":\"p\"}]}");
    expect_tree(a, node_get_path(live, "metadata.managedFields.0.fieldsV1"), "{\"f:spec\":{\"f:size\":{}}}");
    assert_null(node_get(node_get_path(live, "metadata.managedFields.1.fieldsV1.f:spec"), "f:size"));
    /* the same value is no conflict */
    two.force = false;
    (void)apply(a, &two, live, WIDGET("{\"size\":2,\"color\":\"red\"}"));
}

static void test_client_side(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    FieldManager client = manager(a, "kubectl-client-side-apply"), kubectl = manager(a, "kubectl");
    Node *live =
        tree(a, "{\"apiVersion\":\"example.com/"
                "v1\",\"kind\":\"Widget\",\"metadata\":{\"name\":\"w\",\"annotations\":{"
                "\"kubectl.kubernetes.io/last-applied-configuration\":\"{\\\"apiVersion\\\":\\\"example.com/"
                "v1\\\",\\\"kind\\\":\\\"Widget\\\",\\\"metadata\\\":{\\\"name\\\":\\\"w\\\"},\\\"spec\\\":{"
                "\\\"size\\\":1}"
                "}\"}},\"spec\":{\"size\":1}}");
    managed_fields_update(a, &client, NULL, live);
    Node *made = apply(a, &kubectl, live, WIDGET("{\"size\":5}"));
    expect_tree(a, node_get(made, "spec"), "{\"size\":5}");
    assert_non_null(
        strstr(kube_annotation(made, "kubectl.kubernetes.io/last-applied-configuration"), "\"size\":5"));
    /* what has changed since is one */
    Node *changed = node_copy(a, live), *status;
    FieldManager other = manager(a, "other");
    Error e = ERROR_INIT;
    node_set(a, node_get(changed, "spec"), "size", node_new_int(a, 3));
    managed_fields_update(a, &other, live, changed);
    assert_int_equal(
        managed_fields_apply(a, &kubectl, changed, tree(a, WIDGET("{\"size\":5}")), &made, &status, &e),
        -ESTALE);
}

static void test_before_first_apply(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    FieldManager m = manager(a, "one");
    Node *made, *status;
    Error e = ERROR_INIT;
    const Node *live = tree(a, WIDGET("{\"size\":1}"));
    assert_int_equal(managed_fields_apply(a, &m, live, tree(a, WIDGET("{\"size\":2}")), &made, &status, &e),
                     -ESTALE);
    assert_non_null(strstr(e.text, "conflict with \"before-first-apply\" using example.com/v1"));
    made = apply(a, &m, live, WIDGET("{\"color\":\"red\"}"));
    expect_tree(a, node_get(made, "spec"), "{\"size\":1,\"color\":\"red\"}");
}

static void test_refusals(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    static const char *const rows[][2] = {
        {WIDGET("{\"weight\":1}"),
         "failed to create typed patch object (n/w; example.com/v1, Kind=Widget): .spec.weight: "
         "field not declared in schema"},
        {WIDGET("{\"tags\":[\"x\",\"x\"]}"),
         "failed to create typed patch object (n/w; example.com/v1, Kind=Widget): "
         ".spec.tags: duplicate entries for key [\"x\"]"},
        {WIDGET("{\"parts\":[{\"a\":\"x\"}]}"), "failed to create typed patch object (n/w; example.com/v1, "
                                                "Kind=Widget): .spec.parts: element 0: associative "
                                                "list with keys has an element that omits all key fields"},
        {"{\"apiVersion\":\"v1\",\"kind\":\"Widget\"}",
         "Incorrect version specified in apply patch. Specified patch version: v1, expected: example.com/v1"},
        {"{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"metadata\":{\"managedFields\":[]}}",
         "metadata.managedFields must be nil"},
    };
    FieldManager m = manager(a, "one");
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Node *made, *status;
        Error e = ERROR_INIT;
        assert_int_equal(managed_fields_apply(a, &m, NULL, tree(a, rows[i][0]), &made, &status, &e), -EINVAL);
        assert_string_equal(e.text, rows[i][1]);
    }
}

static void test_many_updaters(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    Node *live = NULL;
    for (int i = 0; i < 14; i++) {
        FieldManager m = {.kind = &kube_config_map, .manager = arena_printf(a, "m%02d", i), .now = NOW + i};
        Node *next =
            live ? node_copy(a, live) : tree(a, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"data\":{}}");
        node_set_string(a, node_get(next, "data"), arena_printf(a, "k%d", i), "v");
        managed_fields_update(a, &m, live, next);
        live = next;
    }
    assert_int_equal(entries(live)->n, MANAGED_UPDATERS_MAX);
    assert_string_equal(node_string(node_get_path(live, "metadata.managedFields.0.manager")),
                        "ancient-changes");
    assert_non_null(node_get(node_get_path(live, "metadata.managedFields.0.fieldsV1.f:data"), "f:k3"));
}

/* Many keys cost no squares. */
static void test_large(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf text = BUF_INIT;
    FieldManager m = {.kind = &kube_config_map, .manager = "one", .now = NOW};
    Node *made, *status;
    buf_add_str(&text,
                "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"},\"data\":{");
    for (int i = 0; i < 100000; i++)
        buf_addf(&text, "%s\"k%d\":\"\"", i ? "," : "", i);
    buf_add_str(&text, "}}");
    Node *live = tree(a, text.data), *next = node_copy(a, live);
    managed_fields_update(a, &m, NULL, live);
    node_set(a, node_get(next, "metadata"), "managedFields", node_copy(a, entries(live)));
    managed_fields_update(a, &m, live, next);
    assert_true(managed_fields_same(live, next));
    m.manager = "two";
    assert_int_equal(managed_fields_apply(a, &m, live, tree(a, text.data), &made, &status, NULL), 0);
    assert_int_equal(entries(made)->n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_update),      cmocka_unit_test(test_builtin),
        cmocka_unit_test(test_apply),       cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_client_side), cmocka_unit_test(test_before_first_apply),
        cmocka_unit_test(test_refusals),    cmocka_unit_test(test_many_updaters),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
