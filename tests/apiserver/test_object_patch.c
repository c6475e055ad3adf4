/* The three kinds of patches: the examples of RFC 7386 and RFC 6902, and what directives do to built-in
 * kinds. */
#include "data_test.h"

#include "apiserver/builtin_type.h"
#include "apiserver/object_patch.h"
#include "kube/kube_kind.h"

static void test_merge(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    static const char *const rows[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Node *made;
        const Node *target = tree(a, rows[i][0]);
        assert_int_equal(object_patch_merge(a, target, tree(a, rows[i][1]), &made, NULL), 0);
        expect_tree(a, made, rows[i][2]);
        expect_tree(a, target, rows[i][0]);
    }
}

static void test_json(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    /* RFC 6902, appendix A; then some of our own. */
    static const char *const rows[][3] = {
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
         "{\"baz\":\"qux\",\"foo\":\"bar\"}"},
        {"{\"foo\":[\"bar\",\"baz\"]}", "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
         "{\"foo\":[\"bar\",\"qux\",\"baz\"]}"},
        {"{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]", "{\"foo\":\"bar\"}"},
        {"{\"foo\":[\"bar\",\"qux\",\"baz\"]}", "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]",
         "{\"foo\":[\"bar\",\"baz\"]}"},
        {"{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
         "{\"baz\":\"boo\",\"foo\":\"bar\"}"},
        {"{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
         "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
         "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}"},
        {"{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
         "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
         "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}"},
        {"{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
         "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},{\"op\":\"test\",\"path\":\"/foo/"
         "1\",\"value\":2}]",
         "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}"},
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
         "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}"},
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"xyz\":123}]",
         "{\"foo\":\"bar\",\"baz\":\"qux\"}"},
        {"{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]", "{\"/\":9,\"~1\":10}"},
        {"{\"foo\":[\"bar\"]}", "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
         "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}"},
        {"{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}]", "{\"a\":1,\"b\":1}"},
        {"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1.0}]", "{\"a\":1}"},
        {"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/b\",\"value\":null}]", "{\"a\":1}"},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"b\":2}}]", "{\"b\":2}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"replace\",\"path\":\"/a/1\",\"value\":3}]", "{\"a\":[1,3]}"},
        {"{\"a/b\":{\"c\":1}}", "[{\"op\":\"remove\",\"path\":\"/a~1b/c\"}]", "{\"a/b\":{}}"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Node *made;
        Error e = ERROR_INIT;
        const Node *target = tree(a, rows[i][0]);
        if (object_patch_json(a, target, tree(a, rows[i][1]), &made, &e) < 0)
            fail_msg("%s: %s", rows[i][1], e.text);
        expect_tree(a, made, rows[i][2]);
        expect_tree(a, target, rows[i][0]);
    }
}

static void test_json_refusals(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    static const struct {
        const char *target, *patch, *message;
        int r;
    } rows[] = {
        {"{\"baz\":\"qux\"}", "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]",
         "testing value /baz failed: test failed", -EINVAL},
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]",
         "add operation does not apply: doc is missing path: \"/baz/bat\": missing value", -EINVAL},
        {"{\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":\"10\"}]",
         "testing value /~01 failed: test failed", -EINVAL},
        {"{}", "[{\"op\":\"remove\",\"path\":\"/a\"}]",
         "error in remove for path: '/a': Unable to remove nonexistent key: a: missing value", -EINVAL},
        {"{}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":1}]",
         "replace operation does not apply: doc is missing key: /a: missing value", -EINVAL},
        {"{}", "[{\"op\":\"spam\",\"path\":\"/a\",\"value\":1}]", "Unexpected kind: spam", -EINVAL},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/2\",\"value\":1}]",
         "error in add for path: '/a/2': Unable to access invalid index: 2: invalid index referenced",
         -EINVAL},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/00\",\"value\":1}]",
         "error in add for path: '/a/00': value was not a proper array index: '00'", -EINVAL},
        {"{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]",
         "error in move for path: '/a/b': a value cannot be moved into itself", -EINVAL},
        {"{}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}]",
         "copy operation does not apply: doc is missing from path: /a: missing value", -EINVAL},
        {"{}", "{}", "a JSON patch must be a list of operations, found an object", -EBADMSG},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Node *made;
        Error e = ERROR_INIT;
        assert_int_equal(object_patch_json(a, tree(a, rows[i].target), tree(a, rows[i].patch), &made, &e),
                         rows[i].r);
        assert_string_equal(e.text, rows[i].message);
    }
}

static void test_json_bounds(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf doubling = BUF_INIT, deep = BUF_INIT, many = BUF_INIT;
    Node *made;
    Error e = ERROR_INIT;
    for (int i = 0; i < 64; i++)
        buf_addf(&doubling, "%s{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"}", i ? "," : "[");
    buf_add_str(&doubling, "]");
    assert_int_equal(object_patch_json(a, tree(a, "{\"a\":[1]}"), tree(a, doubling.data), &made, &e), -E2BIG);
    buf_add_str(&deep, "[");
    for (int i = 0; i < 600; i++) {
        buf_addf(&deep, "%s{\"op\":\"add\",\"path\":\"", i ? "," : "");
        for (int k = 0; k <= i; k++)
            buf_add_str(&deep, "/a");
        buf_add_str(&deep, "\",\"value\":{}}");
    }
    buf_add_str(&deep, "]");
    assert_int_equal(object_patch_json(a, tree(a, "{}"), tree(a, deep.data), &made, &e), -E2BIG);
    for (int i = 0; i <= PATCH_OPERATIONS_MAX; i++)
        buf_addf(&many, "%s{\"op\":\"test\",\"path\":\"/b\",\"value\":null}", i ? "," : "[");
    buf_add_str(&many, "]");
    assert_int_equal(object_patch_json(a, tree(a, "{}"), tree(a, many.data), &made, &e), -E2BIG);
    assert_string_equal(e.text, "The allowed maximum operations in a JSON patch is 10000, got 10001");
}

#define POD(spec) "{\"spec\":" spec "}"

static void test_strategic(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    static const struct {
        const KubeKind *kind;
        const char *target, *patch, *wanted;
    } rows[] = {
        /* a list with a merge key; a list of scalars that is replaced */
        {&kube_pod,
         POD("{\"containers\":[{\"name\":\"a\",\"image\":\"1\",\"args\":[\"x\"]},{\"name\":\"b\"}]}"),
         POD("{\"containers\":[{\"name\":\"a\",\"args\":[\"y\"]},{\"name\":\"c\"}]}"),
         POD("{\"containers\":[{\"name\":\"a\",\"image\":\"1\",\"args\":[\"y\"]},{\"name\":\"b\"},{\"name\":"
             "\"c\"}]}")},
        {&kube_pod, POD("{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}"),
         POD("{\"containers\":[{\"name\":\"a\",\"$patch\":\"delete\"}]}"),
         POD("{\"containers\":[{\"name\":\"b\"}]}")},
        {&kube_pod, POD("{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}"),
         POD("{\"containers\":[{\"name\":\"c\"},{\"$patch\":\"replace\"}]}"),
         POD("{\"containers\":[{\"name\":\"c\"}]}")},
        /* taints are atomic; addresses and conditions are merged */
        {&kube_node, POD("{\"taints\":[{\"key\":\"a\",\"effect\":\"NoSchedule\"}]}"),
         POD("{\"taints\":[{\"key\":\"b\",\"effect\":\"NoExecute\"}]}"),
         POD("{\"taints\":[{\"key\":\"b\",\"effect\":\"NoExecute\"}]}")},
        {&kube_node,
         "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"},{\"type\":\"X\"}]}}",
         "{\"status\":{\"$setElementOrder/conditions\":[{\"type\":\"Ready\"},{\"type\":\"X\"}],"
         "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
         "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"X\"}]}}"},
        /* kubectl cordon and label */
        {&kube_node, "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}},\"spec\":{}}",
         "{\"metadata\":{\"labels\":{\"a\":null}},\"spec\":{\"unschedulable\":true}}",
         "{\"metadata\":{\"labels\":{\"b\":\"2\"}},\"spec\":{\"unschedulable\":true}}"},
        /* finalizers are a set */
        {&kube_pod, "{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}",
         "{\"metadata\":{\"finalizers\":[\"b\",\"c\"],\"$deleteFromPrimitiveList/finalizers\":[\"a\"]}}",
         "{\"metadata\":{\"finalizers\":[\"b\",\"c\"]}}"},
        {&kube_pod, "{\"metadata\":{\"finalizers\":[\"a\",\"s\",\"b\"]}}",
         "{\"metadata\":{\"$setElementOrder/finalizers\":[\"b\",\"c\",\"a\"],\"finalizers\":[\"c\"]}}",
         "{\"metadata\":{\"finalizers\":[\"s\",\"b\",\"c\",\"a\"]}}"},
        /* retained keys: another kind of volume */
        {&kube_pod, POD("{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}"),
         POD("{\"volumes\":[{\"name\":\"v\",\"$retainKeys\":[\"name\",\"hostPath\"],\"hostPath\":{\"path\":"
             "\"/\"}}]}"),
         POD("{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/\"}}]}")},
        {&kube_pod, POD("{\"nodeSelector\":{\"a\":\"1\"}}"),
         POD("{\"nodeSelector\":{\"$patch\":\"replace\",\"b\":\"2\"}}"),
         POD("{\"nodeSelector\":{\"b\":\"2\"}}")},
        {&kube_pod, "{}", POD("{\"nodeName\":null,\"a\":{\"b\":null,\"c\":1}}"), POD("{\"a\":{\"c\":1}}")},
        {&kube_pod, POD("{\"imagePullSecrets\":[{\"name\":\"x\"}]}"),
         POD("{\"imagePullSecrets\":[{\"name\":\"y\"}]}"),
         POD("{\"imagePullSecrets\":[{\"name\":\"x\"},{\"name\":\"y\"}]}")},
        {&kube_pod_disruption_budget, POD("{\"selector\":{\"matchLabels\":{\"a\":\"1\"}}}"),
         POD("{\"selector\":{\"matchLabels\":{\"b\":\"1\"}}}"),
         POD("{\"selector\":{\"matchLabels\":{\"b\":\"1\"}}}")},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Node *made;
        Error e = ERROR_INIT;
        const Node *target = tree(a, rows[i].target);
        if (object_patch_strategic(a, rows[i].kind, target, tree(a, rows[i].patch), &made, &e) < 0)
            fail_msg("%s: %s", rows[i].patch, e.text);
        expect_tree(a, made, rows[i].wanted);
        expect_tree(a, target, rows[i].target);
    }
}

static void test_strategic_refusals(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    static const struct {
        const KubeKind *kind;
        const char *target, *patch, *message;
        int r;
    } rows[] = {
        {&kube_machine_config, "{}", "{}", "strategic merge patch format is not supported", -EOPNOTSUPP},
        {&kube_pod, "{}", "[]", "a strategic merge patch must be an object, found a list", -EBADMSG},
        {&kube_pod, POD("{\"containers\":[{\"name\":\"a\"}]}"), POD("{\"containers\":[{\"image\":\"a\"}]}"),
         "map: {\"image\":\"a\"} does not contain declared merge key: name", -EINVAL},
        {&kube_pod, POD("{\"x\":{}}"), POD("{\"x\":{\"$patch\":\"foo\"}}"),
         "unknown patch type: \"foo\" in map: {\"$patch\":\"foo\"}", -EINVAL},
        {&kube_pod, POD("{}"), POD("{\"$retainKeys\":[\"a\"],\"b\":1}"), "invalid patch format of retainKeys",
         -EINVAL},
        {&kube_pod, "{}", "{\"metadata\":{\"finalizers\":[]}}", NULL, 0},
        {&kube_pod, "{\"metadata\":{\"finalizers\":[\"a\"]}}",
         "{\"metadata\":{\"$setElementOrder/finalizers\":[\"b\"],\"finalizers\":[\"c\"]}}",
         "The order in patch list:\n[\"c\"]\n doesn't match $setElementOrder list:\n[\"b\"]\n", -EINVAL},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        Node *made;
        Error e = ERROR_INIT;
        assert_int_equal(object_patch_strategic(a, rows[i].kind, tree(a, rows[i].target),
                                                tree(a, rows[i].patch), &made, &e),
                         rows[i].r);
        if (rows[i].message)
            assert_string_equal(e.text, rows[i].message);
    }
}

/* Every type that a field names is there, and the tables are in order. */
static void test_types(void **state)
{
    (void)state;
    const BuiltinType *t;
    for (size_t i = 0; (t = builtin_type_at(i)); i++) {
        BuiltinField f;
        assert_ptr_equal(builtin_type_get(t->name), t);
        for (const char *at = t->fields; builtin_field_next(&at, &f);) {
            const char *s = f.type.s;
            while (*s == '[' || *s == '{')
                s++;
            bool named = (*s >= 'A' && *s <= 'Z') || memchr(f.type.s, '.', f.type.n);
            if (named != (builtin_type_within(t, f.type) != NULL))
                fail_msg("%s: %.*s", t->name, (int)f.name.n, f.name.s);
        }
    }
    assert_string_equal(builtin_type_of_kind(&kube_daemon_set)->name, "apps.v1.DaemonSet");
    static const KubeKind former = {"policy", "v1beta1", "PodDisruptionBudget", "poddisruptionbudgets", true};
    assert_ptr_equal(builtin_type_of_kind(&former), builtin_type_of_kind(&kube_pod_disruption_budget));
    assert_null(builtin_type_of_kind(&kube_machine_config));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge),         cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_refusals), cmocka_unit_test(test_json_bounds),
        cmocka_unit_test(test_strategic),     cmocka_unit_test(test_strategic_refusals),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
