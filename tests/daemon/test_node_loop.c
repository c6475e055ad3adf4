/* The whole of it, with the API in memory and a machine in a directory: first boot, a change that reboots
 * nothing, one that drains and reboots, drift, refusals, an API that is away. */
#include <poll.h>
#include <stdio.h>

#include "fake_machine.h"
#include "kube_fake.h"

#include "base/clock.h"
#include "daemon/node_agent.h"
#include "daemon/node_loop.h"

typedef struct Fleet {
    FakeMachine f;
    Kube *api;
    NodeLoop *loop;
} Fleet;

#define CONFIG(name, system, files)                                                                          \
    "{'apiVersion':'machineconfiguration.openshift.io/v1','kind':'MachineConfig','metadata':{'name':'" name  \
    "'},'spec':{" system "'config':{'ignition':{'version':'3.4.0'},'storage':{'files':[" files "]}}}}"
#define FILE_OF(path, data) "{'path':'" path "','contents':{'source':'data:," data "'}}"

static void start(Fleet *t)
{
    t->loop = node_loop_new(&(NodeLoopOptions){.kube = t->api, .node = "n1", .machine = &t->f.m});
}

static void begin(Fleet *t)
{
    *t = (Fleet){.api = kube_fake_new()};
    fake_open(&t->f);
    kube_fake_put(t->api, &kube_machine_config, CONFIG("rendered-a", "", FILE_OF("/etc/chrony.conf", "a")));
    kube_fake_put(t->api, &kube_machine_config, CONFIG("rendered-b", "", FILE_OF("/etc/chrony.conf", "b")));
    kube_fake_put(t->api, &kube_machine_config,
                  CONFIG("rendered-r", "'kernelArguments':['nosmt'],'osImageURL':'quay.io/os@sha256:2222',",
                         FILE_OF("/etc/chrony.conf", "r")));
    kube_fake_put(t->api, &kube_machine_config, CONFIG("rendered-x", "'fips':true,", ""));
    kube_fake_put(t->api, &kube_node, "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1'}}");
    kube_fake_put(t->api, &kube_node, "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n2'}}");
    scratch_write(&t->f.s, FIRST_ANNOTATIONS,
                  "{\"machineconfiguration.openshift.io/currentConfig\":\"rendered-a\"}");
    scratch_write(&t->f.s, "/etc/chrony.conf", "a");
    start(t);
}

static void end(Fleet *t)
{
    node_loop_free(t->loop);
    kube_free(t->api);
    scratch_close(&t->f.s);
}

static const char *annotation(Fleet *t, const char *name)
{
    const char *value = kube_annotation(kube_fake_get(t->api, &kube_node, NULL, "n1"), name);
    return value ? value : "";
}

static void annotate(Fleet *t, const char *name, const char *value)
{
    _cleanup_arena_ Arena *a = arena_new();
    KubeAnswer answer;
    Node *body = node_new(a, NODE_OBJECT);
    node_set_string(a,
                    node_set(a, node_set(a, body, "metadata", node_new(a, NODE_OBJECT)), "annotations",
                             node_new(a, NODE_OBJECT)),
                    name, value);
    assert_int_equal(
        kube_call(t->api, &(KubeRequest){.verb = KUBE_PATCH, .kind = &kube_node, .name = "n1", .body = body},
                  a, &answer, NULL),
        0);
}

/* Steps until an annotation has a value. */
static void run_until(Fleet *t, const char *name, const char *value)
{
    int64_t last = monotonic_ms() + 5000;
    Error e = ERROR_INIT;
    for (unsigned steps = 0;
         strncmp(annotation(t, name), value, strlen(value)) || (!*value && *annotation(t, name));) {
        int r = node_loop_step(t->loop, &e);
        assert_true(r >= 0);
        if (monotonic_ms() > last || steps++ > 10000)
            fail_msg("%s is \"%s\", not \"%s\"", name, annotation(t, name), value);
        struct pollfd p = {.fd = node_loop_drift_fd(t->loop), .events = POLLIN};
        int timeout = node_loop_timeout_ms(t->loop);
        if (r == 0)
            poll(&p, 1, timeout < 0 || timeout > 20 ? 20 : timeout);
    }
}

static void run_a_while(Fleet *t, int ms)
{
    for (int64_t last = monotonic_ms() + ms; monotonic_ms() < last;)
        if (node_loop_step(t->loop, NULL) <= 0)
            poll(NULL, 0, 5);
}

static void test_first_boot(void **state)
{
    (void)state;
    Fleet t;
    begin(&t);
    run_until(&t, NODE_STATE, "Done");
    assert_string_equal(annotation(&t, NODE_CURRENT), "rendered-a");
    assert_string_equal(annotation(&t, NODE_DESIRED), "rendered-a");
    assert_int_equal(faccessat(t.f.s.fd, "etc/machine-config-daemon/node-annotations.json.bak", F_OK, 0), 0);
    end(&t);
}

static void test_live_change(void **state)
{
    (void)state;
    Fleet t;
    begin(&t);
    run_until(&t, NODE_STATE, "Done");
    annotate(&t, NODE_DESIRED, "rendered-b");
    run_until(&t, NODE_CURRENT, "rendered-b");
    run_until(&t, NODE_STATE, "Done");
    scratch_expect(&t.f.s, "/etc/chrony.conf", "b");
    scratch_expect(&t.f.s, "/services.log", "Restart chronyd.service\n");
    assert_string_equal(annotation(&t, NODE_DESIRED_DRAIN), "");
    unsigned patches = kube_fake_calls(t.api, KUBE_PATCH, &kube_node),
             gets = kube_fake_calls(t.api, KUBE_GET, NULL);
    run_a_while(&t, 200);
    assert_int_equal(kube_fake_calls(t.api, KUBE_PATCH, &kube_node), patches); /* at rest nothing is asked */
    assert_int_equal(kube_fake_calls(t.api, KUBE_GET, NULL), gets);
    end(&t);
}

static void restart(Fleet *t)
{
    node_loop_free(t->loop);
    start(t);
}

static void test_drain_and_reboot(void **state)
{
    (void)state;
    Fleet t;
    begin(&t);
    run_until(&t, NODE_STATE, "Done");
    annotate(&t, NODE_DESIRED, "rendered-r");
    run_until(&t, NODE_DESIRED_DRAIN, "drain-rendered-r");
    assert_string_equal(annotation(&t, NODE_STATE), "Working");
    run_a_while(&t, 50);
    scratch_expect(&t.f.s, "/etc/chrony.conf", "a"); /* pods are still there */
    restart(&t);
    annotate(&t, NODE_LAST_DRAIN, "drain-rendered-r");
    run_until(&t, NODE_STATE, "Rebooting");
    run_a_while(&t, 50);
    scratch_expect(&t.f.s, "/services.log", "Reboot\n");
    assert_string_equal(annotation(&t, NODE_CURRENT), "rendered-a");
    fake_boot(&t.f, true);
    restart(&t);
    run_until(&t, NODE_DESIRED_DRAIN, "uncordon-rendered-r");
    assert_string_equal(annotation(&t, NODE_STATE), "Rebooting");
    annotate(&t, NODE_LAST_DRAIN, "uncordon-rendered-r");
    run_until(&t, NODE_STATE, "Done");
    assert_string_equal(annotation(&t, NODE_CURRENT), "rendered-r");
    end(&t);
}

static void test_system_does_not_boot(void **state)
{
    (void)state;
    Fleet t;
    begin(&t);
    annotate(&t, NODE_TOPOLOGY, "SingleReplica");
    run_until(&t, NODE_STATE, "Done");
    annotate(&t, NODE_DESIRED, "rendered-r");
    run_until(&t, NODE_STATE, "Rebooting");
    run_a_while(&t, 50);
    assert_string_equal(annotation(&t, NODE_DESIRED_DRAIN), ""); /* nowhere to go to */
    fake_boot(&t.f, false);
    unlinkat(t.f.s.fd, "services.log", 0);
    restart(&t);
    run_until(&t, NODE_REASON, "booted sha256:1111, not quay.io/os@sha256:2222");
    run_a_while(&t, 50);
    scratch_expect(&t.f.s, "/etc/chrony.conf", "a");
    scratch_expect(&t.f.s, "/services.log", "Reboot\n"); /* services still have what is undone */
    fake_boot(&t.f, false);
    unlinkat(t.f.s.fd, "services.log", 0);
    restart(&t);
    run_a_while(&t, 100);
    assert_string_equal(annotation(&t, NODE_STATE), "Degraded");
    assert_int_equal(faccessat(t.f.s.fd, "services.log", F_OK, 0), -1); /* not again and again */
    annotate(&t, NODE_DESIRED, "rendered-b");
    run_until(&t, NODE_STATE, "Done");
    end(&t);
}

static void test_drift(void **state)
{
    (void)state;
    Fleet t;
    begin(&t);
    run_until(&t, NODE_STATE, "Done");
    int64_t from = monotonic_ms();
    scratch_write(&t.f.s, "/etc/chrony.conf", "z");
    run_until(&t, NODE_STATE, "Degraded");
    assert_true(monotonic_ms() - from < 1000);
    assert_string_equal(annotation(&t, NODE_REASON),
                        "unexpected on-disk state validating against rendered-a: "
                        "/etc/chrony.conf: line 1 is \"z\", should be \"a\"");
    assert_int_equal(kube_fake_objects(t.api, &kube_event), 1);
    scratch_write(&t.f.s, "/etc/chrony.conf", "a");
    run_until(&t, NODE_STATE, "Done");
    annotate(&t, NODE_REPAIR, "true");
    scratch_write(&t.f.s, "/etc/chrony.conf", "z");
    from = monotonic_ms();
    run_a_while(&t, 600);
    scratch_expect(&t.f.s, "/etc/chrony.conf", "a");
    run_until(&t, NODE_STATE, "Done");
    end(&t);
}

/* Somebody else wants the file otherwise: told, and not fought over without a pause. */
static void test_quarrel(void **state)
{
    (void)state;
    Fleet t;
    begin(&t);
    run_until(&t, NODE_STATE, "Done");
    annotate(&t, NODE_REPAIR, "true");
    for (unsigned i = 0; strcmp(annotation(&t, NODE_STATE), "Degraded"); i++) {
        assert_true(i < 8);
        scratch_write(&t.f.s, "/etc/chrony.conf", "z");
        run_a_while(&t, 300);
    }
    assert_non_null(strstr(annotation(&t, NODE_REASON), "changed again and again"));
    run_until(&t, NODE_STATE, "Done"); /* the other one has had enough */
    end(&t);
}

static void test_refused(void **state)
{
    (void)state;
    Fleet t;
    begin(&t);
    run_until(&t, NODE_STATE, "Done");
    annotate(&t, NODE_DESIRED, "rendered-x");
    run_until(&t, NODE_STATE, "Unreconcilable");
    assert_string_equal(annotation(&t, NODE_REASON),
                        "FIPS mode is decided at a machine's first boot: it is off and stays so");
    annotate(&t, NODE_DESIRED, "rendered-a");
    run_until(&t, NODE_STATE, "Done");
    annotate(&t, NODE_DESIRED, "rendered-nowhere");
    run_until(&t, NODE_REASON, "MachineConfig rendered-nowhere: ");
    kube_fake_put(t.api, &kube_machine_config,
                  CONFIG("rendered-nowhere", "", FILE_OF("/etc/chrony.conf", "n")));
    run_until(&t, NODE_CURRENT, "rendered-nowhere");
    end(&t);
}

static void test_api_is_away(void **state)
{
    (void)state;
    Fleet t;
    begin(&t);
    run_until(&t, NODE_STATE, "Done");
    kube_fake_fail(t.api, &(KubeFakeFault){.verb = KUBE_PATCH, .kind = &kube_node, .skip = 1, .times = 2});
    kube_fake_fail(t.api,
                   &(KubeFakeFault){.verb = KUBE_GET, .kind = &kube_machine_config, .times = 1, .code = 503});
    annotate(&t, NODE_DESIRED, "rendered-b");
    run_until(&t, NODE_CURRENT, "rendered-b");
    run_until(&t, NODE_STATE, "Done");
    kube_fake_cut(t.api, ECONNRESET);
    annotate(&t, NODE_DESIRED, "rendered-a");
    run_until(&t, NODE_CURRENT, "rendered-a");
    end(&t);
}

static void test_failing_change_goes_back(void **state)
{
    (void)state;
    Fleet t;
    begin(&t);
    run_until(&t, NODE_STATE, "Done");
    t.f.fail_service = "chronyd.service";
    annotate(&t, NODE_DESIRED, "rendered-b");
    run_until(&t, NODE_STATE, "Degraded");
    assert_string_equal(annotation(&t, NODE_REASON), "chronyd.service failed");
    scratch_expect(&t.f.s, "/etc/chrony.conf", "a");
    run_a_while(&t, 1300); /* once more, and it stays told */
    assert_string_equal(annotation(&t, NODE_STATE), "Degraded");
    t.f.fail_service = NULL;
    run_until(&t, NODE_STATE, "Done");
    assert_string_equal(annotation(&t, NODE_CURRENT), "rendered-b");
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_boot),
        cmocka_unit_test(test_live_change),
        cmocka_unit_test(test_drain_and_reboot),
        cmocka_unit_test(test_system_does_not_boot),
        cmocka_unit_test(test_drift),
        cmocka_unit_test(test_quarrel),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_api_is_away),
        cmocka_unit_test(test_failing_change_goes_back),
    };
    if (geteuid() != 0)
        return 77;
    umask(022);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
