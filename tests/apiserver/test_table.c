/* Tables: rows of built-in kinds and of custom resources, ages, paths. */
#include "data_test.h"

#include "apiserver/human_duration.h"
#include "apiserver/json_path.h"
#include "apiserver/table.h"
#include "kube/kube_kind.h"

#define NOW  1700000000 /* 2023-11-14T22:13:20Z */
#define META "\"metadata\":{\"name\":\"x\",\"creationTimestamp\":\"2023-11-14T21:13:20Z\"}"

static const KubeKind role = {"rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false};
static const KubeKind new_event = {"events.k8s.io", "v1", "Event", "events", true};
static const KubeKind endpoints = {"", "v1", "Endpoints", "endpoints", true};
static const KubeKind binding = {"rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", true};

static void test_builtin(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    static const struct {
        const KubeKind *kind;
        const char *object, *cells;
    } rows[] = {
        {&kube_node,
         "{\"metadata\":{\"name\":\"n\",\"creationTimestamp\":\"2023-11-14T21:13:20Z\",\"labels\":{"
         "\"node-role.kubernetes.io/worker\":\"\",\"node-role.kubernetes.io/master\":\"\"}},\"spec\":{"
         "\"unschedulable\":true},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}],"
         "\"addresses\":[{"
         "\"type\":\"InternalIP\",\"address\":\"10.0.0.1\"}],\"nodeInfo\":{\"kubeletVersion\":\"v1.20.2\","
         "\"osImage\":"
         "\"Basalt\"}}}",
         "[\"n\",\"Ready,SchedulingDisabled\",\"master,worker\",\"60m\",\"v1.20.2\",\"10.0.0.1\",\"<none>\","
         "\"Basalt\","
         "\"<unknown>\",\"<unknown>\"]"},
        {&kube_node, "{" META "}",
         "[\"x\",\"Unknown\",\"<none>\",\"60m\",\"\",\"<none>\",\"<none>\",\"<unknown>\",\"<unknown>\",\"<"
         "unknown>\"]"},
        {&kube_pod,
         "{" META ",\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]},"
         "\"status\":{\"phase\":"
         "\"Running\",\"podIPs\":[{\"ip\":\"10.1.0.1\"}],\"containerStatuses\":[{\"name\":\"a\",\"ready\":"
         "true,"
         "\"restartCount\":2,\"state\":{\"running\":{}},\"lastState\":{\"terminated\":{\"finishedAt\":"
         "\"2023-11-14T22:03:20Z\"}}},{\"name\":\"b\",\"restartCount\":0,\"state\":{\"waiting\":{\"reason\":"
         "\"CrashLoopBackOff\"}}}]}}",
         "[\"x\",\"1/2\",\"CrashLoopBackOff\",\"2 (10m "
         "ago)\",\"60m\",\"10.1.0.1\",\"n\",\"<none>\",\"<none>\"]"},
        {&kube_pod,
         "{" META ",\"spec\":{\"initContainers\":[{\"name\":\"i\"},{\"name\":\"j\"}],\"containers\":[{"
         "\"name\":\"a\"}]},"
         "\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"i\",\"state\":{"
         "\"terminated\":{"
         "\"exitCode\":0}}},{\"name\":\"j\",\"state\":{\"running\":{}}}]}}",
         "[\"x\",\"0/1\",\"Init:1/2\",\"0\",\"60m\",\"<none>\",\"<none>\",\"<none>\",\"<none>\"]"},
        {&kube_pod,
         "{\"metadata\":{\"name\":\"x\",\"deletionTimestamp\":\"2023-11-14T22:13:20Z\"},\"status\":{"
         "\"phase\":\"Running\"}}",
         "[\"x\",\"0/0\",\"Terminating\",\"0\",\"<unknown>\",\"<none>\",\"<none>\",\"<none>\",\"<none>\"]"},
        {&kube_pod,
         "{" META ",\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[{"
         "\"state\":{"
         "\"terminated\":{\"exitCode\":3}}}]}}",
         "[\"x\",\"0/1\",\"ExitCode:3\",\"0\",\"60m\",\"<none>\",\"<none>\",\"<none>\",\"<none>\"]"},
        {&kube_namespace, "{" META ",\"status\":{\"phase\":\"Active\"}}", "[\"x\",\"Active\",\"60m\"]"},
        {&kube_config_map, "{" META ",\"data\":{\"a\":\"\"},\"binaryData\":{\"b\":\"\"}}",
         "[\"x\",2,\"60m\"]"},
        {&kube_secret, "{" META ",\"type\":\"Opaque\",\"data\":{\"a\":\"\"}}",
         "[\"x\",\"Opaque\",1,\"60m\"]"},
        {&kube_lease, "{" META ",\"spec\":{\"holderIdentity\":\"h\"}}", "[\"x\",\"h\",\"60m\"]"},
        {&kube_event,
         "{" META ",\"involvedObject\":{\"kind\":\"Node\",\"name\":\"n\"},\"type\":\"Warning\",\"reason\":"
         "\"R\",\"message\":"
         "\" "
         "m\\n\",\"firstTimestamp\":\"2023-11-14T22:11:20Z\",\"lastTimestamp\":\"2023-11-14T22:13:00Z\","
         "\"count\":4,"
         "\"source\":{\"component\":\"c\",\"host\":\"h\"}}",
         "[\"20s\",\"Warning\",\"R\",\"node/n\",\"\",\"c, h\",\"m\",\"2m\",4,\"x\"]"},
        {&kube_certificate_signing_request,
         "{" META ",\"spec\":{\"signerName\":\"s\",\"username\":\"u\"},\"status\":{\"certificate\":\"QQ==\","
         "\"conditions\":[{"
         "\"type\":\"Approved\"}]}}",
         "[\"x\",\"60m\",\"s\",\"u\",\"<none>\",\"Approved,Issued\"]"},
        {&kube_pod_disruption_budget,
         "{" META ",\"spec\":{\"minAvailable\":\"50%\"},\"status\":{\"disruptionsAllowed\":1}}",
         "[\"x\",\"50%\",\"N/A\",1,\"60m\"]"},
        {&kube_daemon_set,
         "{" META ",\"spec\":{\"selector\":{\"matchLabels\":{\"b\":\"1\",\"a\":\"2\"},\"matchExpressions\":[{"
         "\"key\":\"c\","
         "\"operator\":\"In\",\"values\":[\"y\",\"x\"]}]},\"template\":{\"spec\":{\"nodeSelector\":{\"os\":"
         "\"linux\"},"
         "\"containers\":[{\"name\":\"m\",\"image\":\"i\"}]}}},\"status\":{\"desiredNumberScheduled\":3,"
         "\"numberReady\":2}}",
         "[\"x\",3,0,2,0,0,\"os=linux\",\"60m\",\"m\",\"i\",\"a=2,b=1,c in (x,y)\"]"},
        {&binding,
         "{" META ",\"roleRef\":{\"kind\":\"Role\",\"name\":\"r\"},\"subjects\":[{\"kind\":\"User\",\"name\":"
         "\"u\"},{\"kind\":"
         "\"ServiceAccount\",\"namespace\":\"n\",\"name\":\"s\"}]}",
         "[\"x\",\"Role/r\",\"60m\",\"u\",\"\",\"n/s\"]"},
        {&new_event,
         "{" META ",\"regarding\":{\"kind\":\"Pod\",\"name\":\"p\"},\"type\":\"Normal\",\"reason\":\"R\","
         "\"note\":\"m\","
         "\"eventTime\":\"2023-11-14T22:11:20.000001Z\",\"reportingController\":\"c\"}",
         "[\"2m\",\"Normal\",\"R\",\"pod/p\",\"\",\"c\",\"m\",\"2m\",1,\"x\"]"},
        {&endpoints,
         "{" META ",\"subsets\":[{\"addresses\":[{\"ip\":\"10.0.0.1\"},{\"ip\":\"10.0.0.2\"}],\"ports\":[{"
         "\"port\":80},{"
         "\"port\":443}]}]}",
         "[\"x\",\"10.0.0.1:80,10.0.0.1:443,10.0.0.2:80 + 1 more...\",\"60m\"]"},
        {&role, "{" META "}", "[\"x\",\"2023-11-14T21:13:20Z\"]"},
        {&kube_custom_resource_definition, "{" META "}", "[\"x\",\"2023-11-14T21:13:20Z\"]"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        const TableColumns *columns = table_columns_builtin(rows[i].kind);
        const Node *t = table_make(a, columns, tree(a, rows[i].object), NOW, TABLE_NONE);
        expect_tree(a, node_get_path(t, "rows.0.cells"), rows[i].cells);
        assert_int_equal(node_get(t, "columnDefinitions")->n, node_get_path(t, "rows.0.cells")->n);
    }
}

static void test_list(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const Node *list =
        tree(a, "{\"kind\":\"NamespaceList\",\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"c\","
                "\"remainingItemCount\":3},\"items\":[{" META ",\"status\":{\"phase\":\"Active\"}}]}");
    expect_tree(
        a, table_make(a, table_columns_builtin(&kube_namespace), list, NOW, TABLE_METADATA),
        "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/"
        "v1\",\"metadata\":{\"resourceVersion\":\"7\",\"continue\":"
        "\"c\",\"remainingItemCount\":3},\"columnDefinitions\":[{\"name\":\"Name\",\"type\":\"string\","
        "\"format\":"
        "\"name\",\"description\":\"The name, unique within the "
        "namespace.\",\"priority\":0},{\"name\":\"Status\","
        "\"type\":\"string\",\"format\":\"\",\"description\":\"Active or "
        "Terminating.\",\"priority\":0},{\"name\":"
        "\"Age\",\"type\":\"string\",\"format\":\"\",\"description\":\"Time since the object was created.\","
        "\"priority\":0}],\"rows\":[{\"cells\":[\"x\",\"Active\",\"60m\"],\"object\":{\"kind\":"
        "\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\"," META "}}]}");
    expect_tree(a, list,
                "{\"kind\":\"NamespaceList\",\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"c\","
                "\"remainingItemCount\":3},\"items\":[{" META ",\"status\":{\"phase\":\"Active\"}}]}");
}

static void test_custom(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    TableColumns *columns;
    const Node *definitions =
        tree(a, "[{\"name\":\"Config\",\"type\":\"string\",\"jsonPath\":\".status.configuration.name\"},"
                "{\"name\":\"Updated\",\"type\":\"string\",\"jsonPath\":\".status.conditions[?(@.type=="
                "\\\"Updated\\\")].status\"},"
                "{\"name\":\"Count\",\"type\":\"integer\",\"jsonPath\":\".status.machineCount\"},"
                "{\"name\":\"By\",\"type\":\"string\",\"jsonPath\":\".metadata.annotations.example\\\\.com/"
                "by\",\"priority\":1},"
                "{\"name\":\"Age\",\"type\":\"date\",\"jsonPath\":\".metadata.creationTimestamp\"},"
                "{\"name\":\"List\",\"type\":\"string\",\"jsonPath\":\".spec.l\"}]");
    assert_int_equal(table_columns_read(a, definitions, &columns, &r), 0);
    const Node *object =
        tree(a, "{\"metadata\":{\"name\":\"p\",\"creationTimestamp\":\"2023-11-14T21:13:20Z\","
                "\"annotations\":{\"example.com/by\":\"me\"}},\"spec\":{\"l\":[1,\"a\"]},\"status\":{"
                "\"machineCount\":3,\"conditions\":[{\"type\":\"Degraded\",\"status\":\"False\"},{\"type\":"
                "\"Updated\",\"status\":\"True\"}]}}");
    expect_tree(a, node_get_path(table_make(a, columns, object, NOW, TABLE_NONE), "rows.0.cells"),
                "[\"p\",null,\"True\",3,\"me\",\"60m\",\"[1,\\\"a\\\"]\"]");
    assert_int_equal(table_columns_read(a, NULL, &columns, &r), 0);
    expect_tree(a, node_get_path(table_make(a, columns, object, NOW, TABLE_NONE), "rows.0.cells"),
                "[\"p\",\"60m\"]");
    assert_int_equal(table_columns_read(a, tree(a, "[{\"name\":\"a\",\"type\":\"text\",\"jsonPath\":\"x\"}]"),
                                        &columns, &r),
                     -EINVAL);
    assert_int_equal(r.errors, 2);
}

static void test_durations(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    enum { M = 60, H = 3600, D = 24 * H, Y = 365 * D };
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {-2, "<invalid>"},   {-1, "0s"},
        {0, "0s"},           {119, "119s"},
        {120, "2m"},         {125, "2m5s"},
        {10 * M + 3, "10m"}, {179 * M, "179m"},
        {3 * H, "3h"},       {3 * H + 4 * M, "3h4m"},
        {8 * H + M, "8h"},   {47 * H, "47h"},
        {2 * D, "2d"},       {2 * D + 5 * H, "2d5h"},
        {8 * D + H, "8d"},   {729LL * D, "729d"},
        {2LL * Y, "2y"},     {2LL * Y + 3 * D, "2y3d"},
        {8LL * Y + D, "8y"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        assert_string_equal(human_duration(a, rows[i].seconds), rows[i].text);
    int64_t t;
    assert_int_equal(time_read("2023-11-14T22:13:20Z", &t), 0);
    assert_int_equal(t, NOW);
    assert_int_equal(time_read("2023-11-15T00:13:20.123456+02:00", &t), 0);
    assert_int_equal(t, NOW);
    assert_int_equal(time_read("yesterday", &t), -EINVAL);
}

static void test_paths(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    const Node *root = tree(a, "{\"a\":{\"b.c/d\":1,\"l\":[{\"n\":1,\"v\":\"x\"},{\"n\":2,\"v\":\"y\"}]}}");
    static const char *const rows[][2] = {
        {".a.b\\.c/d", "1"},
        {".a['b.c/d']", "1"},
        {"{.a.l[0].v}", "\"x\""},
        {".a.l[-1].v", "\"y\""},
        {".a.l[*].v", "\"x\""},
        {".a.l[?(@.n==2)].v", "\"y\""},
        {".a.l[?(@.v == 'y')].n", "2"},
        {".a.l[?(@.n>1)].n", "2"},
        {".a.l[?(@.z)].n", NULL},
        {".a.l[5]", NULL},
        {".a.l[?(@.n!=1)].n", "2"},
        {"$.a.l[1].n", "2"},
        {".a.x.y", NULL},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        JsonPath *p;
        Error e = ERROR_INIT;
        if (json_path_read(a, rows[i][0], &p, &e) < 0)
            fail_msg("%s: %s", rows[i][0], e.text);
        const Node *n = json_path_first(p, root);
        if (!n != !rows[i][1])
            fail_msg("%s", rows[i][0]);
        if (n)
            expect_tree(a, n, rows[i][1]);
    }
    static const char *const bad[] = {"",      "a",        "..a",         ".a[", ".a[x]",
                                      ".a['b", ".a[?(@.b", ".a[?(b==1)]", ".a.", ".a[0:1]"};
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        JsonPath *p;
        Error e = ERROR_INIT;
        if (json_path_read(a, bad[i], &p, &e) != -EINVAL)
            fail_msg("'%s' was read", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtin),   cmocka_unit_test(test_list),  cmocka_unit_test(test_custom),
        cmocka_unit_test(test_durations), cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
