/* Selectors: what each selects, and the words of each refusal. */
#include "data_test.h"

#include "apiserver/selector.h"
#include "kube/kube_kind.h"

static const KubeKind role = {"rbac.authorization.k8s.io", "v1", "Role", "roles", true};

static void test_labels(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const Node *labels = tree(a, "{\"a\":\"1\",\"b\":\"x\",\"example.com/c\":\"\",\"in\":\"in\"}");
    static const struct {
        const char *text;
        bool matches;
    } rows[] = {
        {"", true},
        {" ", true},
        {"a=1", true},
        {"a==1,b=x", true},
        {"a=2", false},
        {"a!=2", true},
        {"a!=1", false},
        {"z!=1", true},
        {"a in (0, 1)", true},
        {"a in (0,2)", false},
        {"a notin (2)", true},
        {"z notin (2)", true},
        {"a", true},
        {"z", false},
        {"!z", true},
        {"!a", false},
        {"! z , a", true},
        {"example.com/c=", true},
        {"example.com/c", true},
        {"example.com/c in ()", true},
        {"a>0", true},
        {"a>1", false},
        {"a<2", true},
        {"b<2", false},
        {"z>0", false},
        {"in in (in)", true},
        {"in=in", true},
        {"a in (,1)", true},
        {"example.com/c in (q,)", true},
        {"a=,b=x", false},
        {"a =1", true},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Selector *s;
        Error e = ERROR_INIT;
        if (selector_read(a, rows[i].text, &s, &e) < 0)
            fail_msg("'%s': %s", rows[i].text, e.text);
        if (selector_matches(s, labels) != rows[i].matches)
            fail_msg("'%s' does not select as it should", rows[i].text);
    }
    Selector *all;
    assert_int_equal(selector_read(a, NULL, &all, NULL), 0);
    assert_true(selector_matches(all, NULL));
}

static void test_label_refusals(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    static const char *const rows[][2] = {
        {"a=1,", "found '', expected: identifier after ','"},
        {",a", "found ',', expected: !, identifier, or 'end of string'"},
        {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
        {"a=1 b", "found 'b', expected: ',' or 'end of string'"},
        {"a in 1", "unable to parse requirement: found '1' expected: '('"},
        {"a in (1", "unable to parse requirement: found '', expected: ',' or ')'"},
        {"a=(", "unable to parse requirement: found '(', expected: identifier"},
        {"!", "unable to parse requirement: found '', expected: identifier"},
        {"a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the "
                "value must be an integer"},
        {"/a=1", "unable to parse requirement: <nil>: Invalid value: \"/a\": prefix part must be non-empty"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Selector *s;
        Error e = ERROR_INIT;
        assert_int_equal(selector_read(a, rows[i][0], &s, &e), -EINVAL);
        assert_string_equal(e.text, rows[i][1]);
    }
}

static void test_fields(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const Node *pod = tree(a, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\"},\"spec\":{\"nodeName\":"
                              "\"a,b\"},\"status\":{\"phase\":\"Running\"}}");
    static const struct {
        const char *text;
        bool matches;
    } rows[] = {
        {"", true},
        {"metadata.name=p", true},
        {"metadata.name!=p", false},
        {"metadata.namespace==n", true},
        {"spec.nodeName=a\\,b,status.phase!=Failed", true},
        {"status.phase=Running,,", true},
        {"spec.hostNetwork=false", true},
        {"status.podIP=", true},
        {"status.podIP!=", false},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        FieldSelector *s;
        Error e = ERROR_INIT;
        if (field_selector_read(a, &kube_pod, rows[i].text, &s, &e) < 0)
            fail_msg("'%s': %s", rows[i].text, e.text);
        if (field_selector_matches(s, pod) != rows[i].matches)
            fail_msg("'%s' does not select as it should", rows[i].text);
    }
    FieldSelector *one;
    assert_int_equal(field_selector_read(a, &role, "metadata.name=x", &one, NULL), 0);
    assert_string_equal(field_selector_name(one), "x");
}

static void test_field_refusals(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    static const struct {
        const KubeKind *kind;
        const char *text, *message;
    } rows[] = {
        {&kube_pod, "spec.foo=1", "field label not supported: spec.foo"},
        {&kube_pod, "=1", "field label not supported: "},
        {&kube_pod, "nodeName=1", "field label not supported: nodeName"},
        {&kube_machine_config, "spec.fips=1", "field label not supported: spec.fips"},
        {&kube_config_map, "data.x=1",
         "\"data.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""},
        {&kube_pod, "status.phase", "invalid selector: 'status.phase'; can't understand 'status.phase'"},
        {&kube_pod, "status.phase=a\\b", "invalid field selector: invalid escape sequence: \\b"},
        {&kube_pod, "status.phase=a=b", "invalid field selector: unescaped character in value: 61"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        FieldSelector *s;
        Error e = ERROR_INIT;
        assert_int_equal(field_selector_read(a, rows[i].kind, rows[i].text, &s, &e), -EINVAL);
        assert_string_equal(e.text, rows[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_label_refusals),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_field_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
