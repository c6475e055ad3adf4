/* CRD schemas: which are refused, what they make of objects, and the words of each finding. */
#include "data_test.h"

#include "apiserver/crd_schema.h"
#include "apiserver/format_check.h"
#include "apiserver/go_pattern.h"
#include "kube/kube_kind.h"

static const char *findings(Arena *a, const Report *r)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    for (size_t i = 0; i < r->n; i++)
        buf_addf(&b, "%s%s: %s", i ? "\n" : "", r->entries[i].path, r->entries[i].message);
    return b.data ? arena_strdup(a, b.data) : "";
}

static CrdSchema *schema(Arena *a, const char *text)
{
    Report r = REPORT_INIT(a);
    CrdSchema *s = NULL;
    if (crd_schema_read(a, tree(a, text), &s, &r) < 0)
        fail_msg("%s: %s", text, findings(a, &r));
    report_done(&r);
    return s;
}

/* A schema whose spec has one field x. */
static const char *with_x(Arena *a, const char *x)
{
    return arena_printf(a,
                        "{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{"
                        "\"x\":%s}}}}",
                        x);
}

#define AT "spec.validation.openAPIV3Schema"

static void test_structural(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    static const char *const rows[][2] = {
        {"{}", AT ".type: Required value: must not be empty at the root"},
        {"{\"type\":\"string\"}", AT ".type: Invalid value: \"string\": must be object at the root"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{}}}",
         AT ".properties[a].type: Required value: must not be empty for specified object fields"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\"}}}",
         AT ".properties[a].items: Required value: must be specified"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"text\"}}}",
         AT ".properties[a].type: Unsupported value: \"text\": supported values: \"array\", \"boolean\", "
            "\"integer\", \"number\", \"object\", \"string\""},
        {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}",
         AT ".additionalProperties: Forbidden: must not be used at the root"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{\"b\":{\"type\":"
         "\"string\"}},\"additionalProperties\":false}}}",
         AT ".properties[a].additionalProperties: Forbidden: additionalProperties and properties are mutual "
            "exclusive"},
        {"{\"type\":\"object\",\"anyOf\":[{\"properties\":{\"a\":{\"type\":\"string\"}}}]}",
         AT ".anyOf[0].properties[a].type: Forbidden: must be empty to be structural\n" AT
            ".properties[a]: Required value: because it is defined in " AT ".anyOf[0].properties[a]"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"(\"}}}", AT
         ".properties[a].pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: error "
         "parsing regexp: missing closing parenthesis: `(`"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"(?=x)\"}}}", AT
         ".properties[a].pattern: Invalid value: \"(?=x)\": must be a valid regular expression, but isn't: "
         "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
        {"{\"type\":\"object\",\"properties\":{\"metadata\":{\"type\":\"object\",\"properties\":{\"labels\":{"
         "\"type\":\"object\"}}}}}",
         AT
         ".properties[metadata]: Forbidden: must not specify anything other than name and generateName, but "
         "metadata is implicitly specified"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\","
         "\"x-kubernetes-list-map-keys\":[\"k\"],\"items\":{\"type\":\"object\",\"properties\":{\"k\":{"
         "\"type\":"
         "\"string\"}}}}}}",
         AT ".properties[a].items.properties[k].default: Required value: this property is in "
            "x-kubernetes-list-map-keys, so it must have a default or be a required property"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"default\":3}}}",
         AT ".properties[a].default: Invalid value: \"integer\":  in body must be of type "
            "string: \"integer\""},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/"
         "b\",\"type\":\"array\",\"uniqueItems\":true,"
         "\"items\":{\"type\":\"string\"}}}}",
         AT ".properties[a].$ref: Forbidden: $ref is not supported\n" AT
            ".properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime "
            "complexity becomes quadratic"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_report_ Report r = REPORT_INIT(a);
        CrdSchema *s;
        assert_int_equal(crd_schema_read(a, tree(a, rows[i][0]), &s, &r), -EINVAL);
        assert_string_equal(findings(a, &r), rows[i][1]);
    }
    (void)schema(
        a, "{\"type\":\"object\",\"properties\":{\"a\":{\"x-kubernetes-int-or-string\":true,\"anyOf\":[{"
           "\"type\":\"integer\"},{\"type\":\"string\"}]},\"b\":{\"x-kubernetes-int-or-string\":true,"
           "\"allOf\":[{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]},{\"maximum\":5}]},\"c\":{"
           "\"x-kubernetes-preserve-unknown-fields\":true}}}");
}

static void test_validate(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    static const char *const rows[][3] = {
        {"{\"type\":\"string\",\"pattern\":\"^a$\"}", "\"a\"", ""},
        {"{\"type\":\"string\",\"pattern\":\"^a$\"}", "\"b\"",
         "spec.x: Invalid value: \"b\": spec.x in body should match '^a$'"},
        {"{\"type\":\"string\",\"pattern\":\"^a$\"}", "\"a\\n\"",
         "spec.x: Invalid value: \"a\\n\": spec.x in body should match '^a$'"},
        {"{\"type\":\"integer\"}", "\"b\"",
         "spec.x: Invalid value: \"string\": spec.x in body must be of type integer: \"string\""},
        {"{\"type\":\"integer\"}", "1.0", ""},
        {"{\"type\":\"integer\"}", "1.5",
         "spec.x: Invalid value: \"number\": spec.x in body must be of type integer: \"number\""},
        {"{\"type\":\"string\"}", "null",
         "spec.x: Invalid value: \"null\": spec.x in body must be of type string: \"null\""},
        {"{\"type\":\"string\",\"nullable\":true}", "null", ""},
        {"{\"type\":\"string\",\"enum\":[\"A\",\"B\"]}", "\"C\"",
         "spec.x: Unsupported value: \"C\": supported values: \"A\", \"B\""},
        {"{\"type\":\"integer\",\"minimum\":1,\"maximum\":3,\"exclusiveMaximum\":true}", "0",
         "spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1"},
        {"{\"type\":\"integer\",\"minimum\":1,\"maximum\":3,\"exclusiveMaximum\":true}", "3",
         "spec.x: Invalid value: 3: spec.x in body should be less than 3"},
        {"{\"type\":\"integer\",\"multipleOf\":5}", "12",
         "spec.x: Invalid value: 12: spec.x in body should be a multiple of 5"},
        {"{\"type\":\"string\",\"maxLength\":2}", "\"äöü\"",
         "spec.x: Too long: may not be more than 2 bytes"},
        {"{\"type\":\"string\",\"minLength\":1}", "\"\"",
         "spec.x: Invalid value: \"\": spec.x in body should be at least 1 chars long"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":1}", "[\"a\",3]",
         "spec.x[1]: Invalid value: \"integer\": spec.x[1] in body must be of type string: "
         "\"integer\"\nspec.x: "
         "Too many: 2: must have at most 1 item"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":1}", "[]",
         "spec.x: Invalid value: 0: spec.x in body should have at least 1 items"},
        {"{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":\"string\"}}",
         "[\"a\",\"b\",\"a\",\"a\"]", "spec.x[2]: Duplicate value: \"a\""},
        {"{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[\"k\"],"
         "\"items\":{"
         "\"type\":\"object\",\"required\":[\"k\"],\"properties\":{\"k\":{\"type\":\"string\"}}}}",
         "[{\"k\":\"a\"},{\"k\":\"a\"}]", "spec.x[1]: Duplicate value: {\"k\":\"a\"}"},
        {"{\"type\":\"object\",\"required\":[\"y\"],\"properties\":{\"y\":{\"type\":\"string\"}}}", "{}",
         "spec.x.y: Required value"},
        {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"},\"maxProperties\":1}",
         "{\"a\":\"b\",\"c\":1}",
         "spec.x: Too many: 2: must have at most 1 item\nspec.x.c: Invalid value: \"integer\": spec.x.c in "
         "body "
         "must be of type string: \"integer\""},
        {"{\"x-kubernetes-int-or-string\":true}", "\"50%\"", ""},
        {"{\"x-kubernetes-int-or-string\":true}", "{}",
         "spec.x: Invalid value: \"object\": spec.x in body must be of type integer,string: \"object\""},
        {"{\"type\":\"string\",\"format\":\"date-time\"}", "\"2020-13-01T00:00:00Z\"",
         "spec.x: Invalid value: \"2020-13-01T00:00:00Z\": spec.x in body must be of type date-time: "
         "\"2020-13-01T00:00:00Z\""},
        {"{\"type\":\"string\",\"format\":\"unheard-of\"}", "\"x\"", ""},
        {"{\"type\":\"integer\",\"oneOf\":[{\"minimum\":5},{\"maximum\":3}]}", "4",
         "<nil>: Invalid value: \"\": \"spec.x\" must validate one and only one schema (oneOf). Found none "
         "valid\nspec.x: Invalid value: 4: spec.x in body should be greater than or equal to 5"},
        {"{\"type\":\"integer\",\"oneOf\":[{\"minimum\":5},{\"minimum\":3}]}", "6",
         "<nil>: Invalid value: \"\": \"spec.x\" must validate one and only one schema (oneOf). Found 2 "
         "valid "
         "alternatives"},
        {"{\"type\":\"integer\",\"anyOf\":[{\"minimum\":5}]}", "4",
         "<nil>: Invalid value: \"\": \"spec.x\" must validate at least one schema (anyOf)\nspec.x: Invalid "
         "value: "
         "4: spec.x in body should be greater than or equal to 5"},
        {"{\"type\":\"integer\",\"allOf\":[{\"minimum\":5},{\"maximum\":9}]}", "4",
         "spec.x: Invalid value: 4: spec.x in body should be greater than or equal to 5\n<nil>: Invalid "
         "value: "
         "\"\": \"spec.x\" must validate all the schemas (allOf)"},
        {"{\"type\":\"integer\",\"not\":{\"minimum\":5}}", "6",
         "<nil>: Invalid value: \"\": \"spec.x\" must not validate the schema (not)"},
        {"{\"type\":\"string\",\"pattern\":\"^(a+)+$\"}",
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"",
         "spec.x: Invalid value: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\": spec.x in body "
         "takes too "
         "long to be matched with '^(a+)+$'"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_report_ Report r = REPORT_INIT(a);
        const Node *object = tree(a, arena_printf(a, "{\"spec\":{\"x\":%s}}", rows[i][1]));
        crd_schema_validate(schema(a, with_x(a, rows[i][0])), object, &r);
        assert_string_equal(findings(a, &r), rows[i][2]);
    }
}

static void test_apply(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    static const char *const rows[][3] = {
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":\"1\",\"b\":2}",
         "{\"a\":\"1\"}"},
        {"{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true,\"properties\":{\"a\":{\"type\":"
         "\"object\",\"properties\":{}}}}",
         "{\"a\":{\"c\":1},\"b\":{\"d\":2}}", "{\"a\":{},\"b\":{\"d\":2}}"},
        {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\",\"properties\":{\"k\":{\"type\":"
         "\"string\"}}}}",
         "{\"a\":{\"k\":\"1\",\"l\":\"2\"}}", "{\"a\":{\"k\":\"1\"}}"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"k\":{\"type\":\"string\","
         "\"default\":"
         "\"z\"}}}}",
         "[{\"l\":1},{\"k\":\"b\"},{\"k\":null}]", "[{\"k\":\"z\"},{\"k\":\"b\"},{\"k\":\"z\"}]"},
        {"{\"type\":\"object\",\"default\":{},\"properties\":{\"k\":{\"type\":\"integer\",\"default\":3}}}",
         "null", "{\"k\":3}"},
        {"{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true,\"properties\":{\"spec\":{\"type\":"
         "\"object\"}}}",
         "{\"apiVersion\":\"v1\",\"kind\":\"A\",\"metadata\":{\"name\":\"n\"},\"spec\":{\"a\":1},\"x\":1}",
         "{\"apiVersion\":\"v1\",\"kind\":\"A\",\"metadata\":{\"name\":\"n\"},\"spec\":{}}"},
        {"{\"type\":\"object\",\"properties\":{\"k\":{\"type\":\"string\",\"nullable\":true,\"default\":"
         "\"q\"},\"l\":{"
         "\"type\":\"string\"}}}",
         "{\"k\":null,\"l\":null}", "{\"k\":null}"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Node *object =
            tree(a, arena_printf(a,
                                 "{\"apiVersion\":\"e/v1\",\"kind\":\"E\",\"metadata\":{\"name\":\"n\"},"
                                 "\"other\":1,\"spec\":{\"x\":%s}}",
                                 rows[i][1]));
        crd_schema_apply(a, schema(a, with_x(a, rows[i][0])), object);
        expect_tree(
            a, object,
            arena_printf(a,
                         "{\"apiVersion\":\"e/v1\",\"kind\":\"E\",\"metadata\":{\"name\":\"n\"},\"spec\":{"
                         "\"x\":%s}}",
                         rows[i][2]));
    }
    _cleanup_report_ Report unknown = REPORT_INIT(a);
    Node *object = tree(a, "{\"kind\":\"E\",\"spec\":{\"y\":1}}");
    crd_schema_apply_reporting(a, schema(a, with_x(a, "{\"type\":\"string\"}")), object, &unknown);
    assert_string_equal(findings(a, &unknown), "spec.y: unknown field \"spec.y\"");
}

static void test_status(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    const CrdSchema *s =
        schema(a, "{\"type\":\"object\",\"required\":[\"spec\"],\"properties\":{\"n\":{\"type\":"
                  "\"integer\"}}}");
    crd_schema_validate(s, tree(a, "{\"n\":\"x\"}"), &r);
    expect_tree(
        a, field_error_status(a, &kube_machine_config, "m", &r),
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":"
        "\"MachineConfig.machineconfiguration.openshift.io \\\"m\\\" is invalid: [n: Invalid value: "
        "\\\"string\\\": n in body must be of type integer: \\\"string\\\", spec: Required "
        "value]\",\"reason\":"
        "\"Invalid\",\"details\":{\"name\":\"m\",\"group\":\"machineconfiguration.openshift.io\",\"kind\":"
        "\"MachineConfig\",\"causes\":[{\"reason\":\"FieldValueTypeInvalid\",\"message\":\"Invalid value: "
        "\\\"string\\\": n in body must be of type integer: \\\"string\\\"\",\"field\":\"n\"},{\"reason\":"
        "\"FieldValueRequired\",\"message\":\"Required value\",\"field\":\"spec\"}]},\"code\":422}");
}

static void test_patterns(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    static const struct {
        const char *pattern, *text;
        int r; /* -1: no pattern */
    } rows[] = {
        {"^[a-z]([-a-z0-9]*[a-z0-9])?$", "a-b", 1},
        {"\\d{2,}", "x12", 1},
        {"a|b", "c", 0},
        {"\\1(a)", "", -1},
        {"a++", "", -1},
        {"(?<!a)b", "", -1},
        {"(?i)AB", "xab", 1},
        {"[[:alpha:]]+", "12", 0},
        {"[]a]", "]", 1},
        {"\\pL", "ä", 1},
        {"(?P<n>a)", "a", 1},
        {"[[]", "[", 1},
        {"a\\zb", "a", 0},
        {"\\y", "", -1},
        {"[a", "", -1},
        {"(*UCP)a", "", -1},
        {"\\Qa.b\\E", "a.b", 1},
        {"", "", 1},
        {"[^]a]", "]", 0},
        {"\\.", "x", 0},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        GoPattern *p;
        Error e = ERROR_INIT;
        int r = go_pattern_read(a, rows[i].pattern, &p, &e);
        if ((r < 0) != (rows[i].r < 0) ||
            (r == 0 && go_pattern_match(p, rows[i].text, strlen(rows[i].text)) != rows[i].r))
            fail_msg("'%s' and '%s': %s", rows[i].pattern, rows[i].text, e.text);
    }
}

static void test_formats(void **state)
{
    (void)state;
    static const struct {
        const char *format, *text;
        bool good;
    } rows[] = {
        {"ipv4", "1.2.3.4", true},
        {"ipv4", "1.2.3", false},
        {"ipv6", "::1", true},
        {"ipv6", "1.2.3.4", false},
        {"cidr", "10.0.0.0/8", true},
        {"cidr", "10.0.0.0/33", false},
        {"cidr", "fd00::/64", true},
        {"mac", "00:11:22:33:44:55", true},
        {"mac", "00:11:22:33:44", false},
        {"uuid", "123e4567-e89b-12d3-a456-426614174000", true},
        {"uuid4", "123e4567-e89b-12d3-a456-426614174000", false},
        {"date", "2024-02-29", true},
        {"date", "2023-02-29", false},
        {"date-time", "2024-01-01T00:00:00.5+02:00", true},
        {"date-time", "2024-01-01", false},
        {"duration", "1h30m", true},
        {"duration", "3 fortnights", false},
        {"duration", "22 ns", true},
        {"uri", "https://a/b", true},
        {"uri", "a b", false},
        {"uri", "/path", true},
        {"email", "a@b.c", true},
        {"email", "a", false},
        {"hostname", "a.b-c", true},
        {"hostname", "-a", false},
        {"byte", "aGk=", true},
        {"byte", "a", false},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        if (format_check_get(rows[i].format)(rows[i].text) != rows[i].good)
            fail_msg("%s: %s", rows[i].format, rows[i].text);
    assert_null(format_check_get("int64"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structural), cmocka_unit_test(test_validate), cmocka_unit_test(test_apply),
        cmocka_unit_test(test_status),     cmocka_unit_test(test_patterns), cmocka_unit_test(test_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
