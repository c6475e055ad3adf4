/* Paths, queries and what cannot be asked at all. */
#include "../scratch.h"

#include "kube/kube_kind.h"
#include "kube/kube_path.h"

static void expect(const KubeRequest *q, const char *path)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    Error e = ERROR_INIT;
    int r = kube_path(q, "basalt", &b, &e);
    if (r < 0)
        fail_msg("%s", e.text);
    assert_string_equal(b.data, path);
}

static void expect_error(const KubeRequest *q, const char *text)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    Error e = ERROR_INIT;
    assert_int_equal(kube_path(q, "basalt", &b, &e), -EINVAL);
    if (!strstr(e.text, text))
        fail_msg("'%s' is not in '%s'", text, e.text);
}

static void test_objects(void **state)
{
    (void)state;
    expect(&(KubeRequest){.verb = KUBE_GET, .kind = &kube_node, .name = "w1"}, "/api/v1/nodes/w1");
    expect(&(KubeRequest){.verb = KUBE_GET, .kind = &kube_pod, .namespace = "n", .name = "p"},
           "/api/v1/namespaces/n/pods/p");
    expect(&(KubeRequest){.verb = KUBE_GET, .kind = &kube_namespace, .name = "n"}, "/api/v1/namespaces/n");
    expect(&(KubeRequest){.verb = KUBE_GET, .kind = &kube_machine_config, .name = "system:a b"},
           "/apis/machineconfiguration.openshift.io/v1/machineconfigs/system%3Aa%20b");
}

static void test_lists(void **state)
{
    (void)state;
    expect(&(KubeRequest){.verb = KUBE_LIST, .kind = &kube_pod}, "/api/v1/pods");
    expect(&(KubeRequest){.verb = KUBE_LIST,
                          .kind = &kube_pod,
                          .namespace = "n",
                          .limit = 500,
                          .resource_version = "0",
                          .label_selector = "a=b,c in (d, e)",
                          .field_selector = "spec.nodeName=w1"},
           "/api/v1/namespaces/n/pods?labelSelector=a%3Db%2Cc%20in%20%28d%2C%20e%29"
           "&fieldSelector=spec.nodeName%3Dw1&resourceVersion=0&limit=500");
    expect(&(KubeRequest){.verb = KUBE_LIST,
                          .kind = &kube_node,
                          .limit = 2,
                          .continue_token = "a+/=",
                          .resource_version = "7"},
           "/api/v1/nodes?limit=2&continue=a%2B%2F%3D");
}

static void test_writes(void **state)
{
    (void)state;
    expect(&(KubeRequest){.verb = KUBE_CREATE, .kind = &kube_node, .name = "w1"},
           "/api/v1/nodes?fieldManager=basalt");
    expect(
        &(KubeRequest){
            .verb = KUBE_CREATE, .kind = &kube_pod, .namespace = "n", .name = "p", .subresource = "eviction"},
        "/api/v1/namespaces/n/pods/p/eviction?fieldManager=basalt");
    expect(&(KubeRequest){.verb = KUBE_UPDATE,
                          .kind = &kube_machine_config_pool,
                          .name = "worker",
                          .subresource = "status",
                          .dry_run = true},
           "/apis/machineconfiguration.openshift.io/v1/machineconfigpools/worker/status"
           "?fieldManager=basalt&dryRun=All");
    expect(&(KubeRequest){.verb = KUBE_PATCH,
                          .kind = &kube_node,
                          .name = "w1",
                          .patch = KUBE_PATCH_APPLY,
                          .field_manager = "me",
                          .force = true},
           "/api/v1/nodes/w1?fieldManager=me&force=true");
    expect(&(KubeRequest){.verb = KUBE_DELETE, .kind = &kube_node, .name = "w1", .propagation = "Orphan"},
           "/api/v1/nodes/w1?propagationPolicy=Orphan");
}

static void test_watches(void **state)
{
    (void)state;
    _cleanup_buf_ Buf b = BUF_INIT;
    KubeRequest q = {.kind = &kube_lease, .namespace = "n", .resource_version = "17"};
    assert_int_equal(kube_watch_path(&q, 300, &b, NULL), 0);
    assert_string_equal(b.data, "/apis/coordination.k8s.io/v1/namespaces/n/leases?watch=true"
                                "&allowWatchBookmarks=true&resourceVersion=17&timeoutSeconds=300");
    q.name = "x";
    assert_int_equal(kube_watch_path(&q, 300, &b, NULL), -EINVAL);
}

static void test_refused(void **state)
{
    (void)state;
    expect_error(&(KubeRequest){.verb = KUBE_GET, .kind = &kube_node, .name = "../secrets"}, "no name");
    expect_error(&(KubeRequest){.verb = KUBE_GET, .kind = &kube_node, .name = ".."}, "no name");
    expect_error(&(KubeRequest){.verb = KUBE_GET, .kind = &kube_node, .name = "a%2fb"}, "no name");
    expect_error(&(KubeRequest){.verb = KUBE_GET, .kind = &kube_node, .name = ""}, "no name");
    expect_error(&(KubeRequest){.verb = KUBE_GET, .kind = &kube_node}, "needs a name");
    expect_error(&(KubeRequest){.verb = KUBE_GET, .kind = &kube_node, .namespace = "n", .name = "a"},
                 "stand in no namespace");
    expect_error(&(KubeRequest){.verb = KUBE_DELETE, .kind = &kube_pod, .name = "a"}, "stand in a namespace");
    expect_error(&(KubeRequest){.verb = KUBE_LIST, .kind = &kube_pod, .name = "a"}, "has no name");
    expect_error(&(KubeRequest){.verb = KUBE_GET, .kind = &kube_node, .name = "a", .subresource = "../b"},
                 "no name of a subresource");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects), cmocka_unit_test(test_lists),   cmocka_unit_test(test_writes),
        cmocka_unit_test(test_watches), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
