/* What a selector takes, what it refuses, and where it says so. */
#include "../scratch.h"
#include "format/yaml.h"
#include "machineconfig/label_selector.h"

typedef struct Case {
    const char *selector, *labels;
    bool matches;
} Case;

static Node *read_yaml(Arena *a, Report *r, const char *text)
{
    if (!text)
        return NULL;
    Source *source = arena_alloc(a, sizeof(*source));
    *source = (Source){.name = "selector.yaml", .text = text, .len = strlen(text)};
    Node *n = NULL;
    assert_int_equal(yaml_read(a, source, SEVERITY_ERROR, &n, r), 0);
    return n;
}

static const Case cases[] = {
    /* what says nothing selects nothing */
    {"{}", "{a: x}", false},
    {"{matchLabels: {}}", "{a: x}", false},
    {"{matchLabels: {}, matchExpressions: []}", "{}", false},
    {NULL, "{a: x}", false},
    {"{matchLabels: null, matchExpressions: ~}", "{a: x}", false},
    /* matchLabels: all of them, byte for byte */
    {"{matchLabels: {a: x}}", "{a: x}", true},
    {"{matchLabels: {a: x}}", "{a: x, b: y}", true},
    {"{matchLabels: {a: x}}", "{a: X}", false},
    {"{matchLabels: {a: x}}", "{a: xx}", false},
    {"{matchLabels: {a: x}}", "{A: x}", false},
    {"{matchLabels: {a: x}}", "{}", false},
    {"{matchLabels: {a: x}}", NULL, false},
    {"{matchLabels: {a: ''}}", "{a: ''}", true},
    {"{matchLabels: {a: ''}}", "{b: ''}", false},
    {"{matchLabels: {a: x, b: y}}", "{a: x, b: y}", true},
    {"{matchLabels: {a: x, b: y}}", "{a: x}", false},
    {"{matchLabels: {a: x, b: y}}", "{a: x, b: z}", false},
    /* matchExpressions */
    {"{matchExpressions: [{key: a, operator: In, values: [x, y]}]}", "{a: x}", true},
    {"{matchExpressions: [{key: a, operator: In, values: [x, y]}]}", "{a: y}", true},
    {"{matchExpressions: [{key: a, operator: In, values: [x, y]}]}", "{a: z}", false},
    {"{matchExpressions: [{key: a, operator: In, values: [x, y]}]}", "{b: x}", false},
    {"{matchExpressions: [{key: a, operator: NotIn, values: [x, y]}]}", "{a: z}", true},
    {"{matchExpressions: [{key: a, operator: NotIn, values: [x, y]}]}", "{a: y}", false},
    {"{matchExpressions: [{key: a, operator: NotIn, values: [x]}]}", "{}", true}, /* as Kubernetes has it */
    {"{matchExpressions: [{key: a, operator: Exists}]}", "{a: ''}", true},
    {"{matchExpressions: [{key: a, operator: Exists}]}", "{b: x}", false},
    {"{matchExpressions: [{key: a, operator: Exists, values: []}]}", "{a: x}", true},
    {"{matchExpressions: [{key: a, operator: DoesNotExist}]}", "{b: x}", true},
    {"{matchExpressions: [{key: a, operator: DoesNotExist}]}", "{a: ''}", false},
    /* all of both */
    {"{matchLabels: {a: x}, matchExpressions: [{key: b, operator: Exists}]}", "{a: x, b: y}", true},
    {"{matchLabels: {a: x}, matchExpressions: [{key: b, operator: Exists}]}", "{a: x}", false},
    {"{matchLabels: {a: x}, matchExpressions: [{key: b, operator: Exists}]}", "{b: y}", false},
    {"{matchExpressions: [{key: a, operator: Exists}, {key: a, operator: NotIn, values: [x]}]}", "{a: x}",
     false},
    {"{matchExpressions: [{key: a, operator: Exists}, {key: a, operator: NotIn, values: [x]}]}", "{a: y}",
     true},
    /* the selector of a custom pool, as it is documented */
    {"{matchExpressions: [{key: machineconfiguration.openshift.io/role, operator: In, values: [worker, "
     "infra]}]}",
     "{machineconfiguration.openshift.io/role: infra}", true},
    {"{matchExpressions: [{key: machineconfiguration.openshift.io/role, operator: In, values: [worker, "
     "infra]}]}",
     "{machineconfiguration.openshift.io/role: master}", false},
    /* a label that is no string is no label that could be meant */
    {"{matchLabels: {a: x}}", "{a: [x]}", false},
};

static void test_matches(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_report_ Report r = REPORT_INIT(a);
        LabelSelector s;
        label_selector_read(a, read_yaml(a, &r, cases[i].selector), NULL, &s, &r);
        assert_int_equal(r.n, 0);
        if (label_selector_matches(&s, read_yaml(a, &r, cases[i].labels)) != cases[i].matches)
            fail_msg("%s on %s", cases[i].selector, cases[i].labels);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *selector, *path, *message;
    } rows[] = {
        {"{matchLabels: {a: 1}}", "$.spec.matchLabels.a", "must be a string"},
        {"{matchLabels: {a: {}}}", "$.spec.matchLabels.a", "must be a string"},
        {"{matchExpressions: [{operator: Exists}]}", "$.spec.matchExpressions.0.key", "needs a key"},
        {"{matchExpressions: [{key: a, operator: in, values: [x]}]}", "$.spec.matchExpressions.0.operator",
         "must be In, NotIn, Exists or DoesNotExist"},
        {"{matchExpressions: [{key: a}]}", "$.spec.matchExpressions.0.operator", "must be In"},
        {"{matchExpressions: [{key: b, operator: Exists}, {key: a, operator: In}]}",
         "$.spec.matchExpressions.1.values", "operator In needs values"},
        {"{matchExpressions: [{key: a, operator: NotIn, values: []}]}", "$.spec.matchExpressions.0.values",
         "operator NotIn needs values"},
        {"{matchExpressions: [{key: a, operator: Exists, values: [x]}]}", "$.spec.matchExpressions.0.values",
         "operator Exists takes no values"},
        {"{matchExpressions: [{key: a, operator: In, values: [1]}]}", "$.spec.matchExpressions.0.values",
         "must be strings"},
        {"{matchExpressions: [1]}", "$.spec.matchExpressions.0.key", "needs a key"},
        {"{matchLabels: [a]}", "$.spec.matchLabels", "expected an object"},
        {"{matchExpressions: {key: a}}", "$.spec.matchExpressions", "expected a list"},
        {"{matchLabel: {a: x}}", "$.spec.matchLabel", "unknown field"},
        {"[a]", "$.spec", "expected an object"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_report_ Report r = REPORT_INIT(a);
        LabelSelector s;
        label_selector_read(a, read_yaml(a, &r, rows[i].selector), PATH_KEY(NULL, "spec"), &s, &r);
        if (r.n != 1 || strcmp(r.entries[0].path, rows[i].path) ||
            !strstr(r.entries[0].message, rows[i].message))
            fail_msg("%s: %zu findings, %s: %s", rows[i].selector, r.n, r.n ? r.entries[0].path : "",
                     r.n ? r.entries[0].message : "");
        assert_int_equal(r.entries[0].line, 1);
    }
}

static void test_all_findings_and_the_good_terms(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    LabelSelector s;
    label_selector_read(
        a,
        read_yaml(a, &r,
                  "{matchLabels: {a: x, b: 1}, matchExpressions: [{key: c}, {key: d, operator: "
                  "Exists}, {operator: In}]}"),
        NULL, &s, &r);
    assert_int_equal(r.errors, 3);
    assert_int_equal(s.n, 2);
    assert_string_equal(s.terms[0].key, "a");
    assert_string_equal(s.terms[1].key, "d");
}

static void test_equals(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    LabelSelector s = label_selector_equals(a, "role", "worker");
    assert_true(label_selector_matches(&s, read_yaml(a, &r, "{role: worker, more: x}")));
    assert_false(label_selector_matches(&s, read_yaml(a, &r, "{role: master}")));
    assert_false(label_selector_matches(&s, NULL));
    label_selector_read(a, NULL, NULL, &s, &r);
    assert_int_equal(s.n, 0);
    assert_false(label_selector_matches(&s, read_yaml(a, &r, "{role: worker}")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_all_findings_and_the_good_terms),
        cmocka_unit_test(test_equals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
