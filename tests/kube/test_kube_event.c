/* What Events are called, when they are counted up, put together, and left out. */
#include "../scratch.h"

#include "kube/kube_event.h"
#include "kube_fake.h"
#include "test_time.h"

typedef struct Bench {
    Kube *kube;
    TestTime time;
    KubeRecorder *recorder;
    const Node *pool;
} Bench;

static void open_bench(Bench *b)
{
    b->kube = kube_fake_new();
    test_time_init(&b->time);
    b->recorder = kube_recorder_new(b->kube, "controller", "host", &b->time.time);
    b->pool = kube_fake_put(b->kube, &kube_machine_config_pool, "{'metadata':{'name':'worker'}}");
}

static void close_bench(Bench *b)
{
    kube_recorder_free(b->recorder);
    kube_free(b->kube);
}

static int record(Bench *b, const char *message)
{
    return kube_record(b->recorder,
                       &(KubeOccurrence){.object = b->pool, .reason = "Rendered", .message = message}, NULL);
}

/* Its name: the object's, and nanoseconds since 1970 in hexadecimal. */
static const Node *event_at(Bench *b, int64_t wall_us)
{
    char name[300];
    snprintf(name, sizeof(name), "worker.%llx", (unsigned long long)wall_us * 1000);
    return kube_fake_get(b->kube, &kube_event, "default", name);
}

static const char *value(const Node *event, const char *path)
{
    const Node *n = node_get_path(event, path);
    return n ? n->string : "(none)";
}

static void test_made(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b);
    int64_t first = test_time_wall(&b.time);
    assert_int_equal(record(&b, "it is new"), 1);
    const Node *event = event_at(&b, first);
    assert_non_null(event);
    assert_string_equal(value(event, "involvedObject.kind"), "MachineConfigPool");
    assert_string_equal(value(event, "involvedObject.apiVersion"), "machineconfiguration.openshift.io/v1");
    assert_string_equal(value(event, "involvedObject.name"), "worker");
    assert_string_equal(value(event, "involvedObject.uid"), kube_uid(b.pool));
    assert_string_equal(value(event, "type"), "Normal");
    assert_string_equal(value(event, "source.component"), "controller");
    assert_string_equal(value(event, "source.host"), "host");
    assert_string_equal(value(event, "count"), "1");
    assert_string_equal(value(event, "firstTimestamp"), "2026-01-01T00:00:00Z");
    b.time.ms += 60000;
    assert_int_equal(record(&b, "it is new"), 1);
    event = event_at(&b, first);
    assert_string_equal(value(event, "count"), "2");
    assert_string_equal(value(event, "firstTimestamp"), "2026-01-01T00:00:00Z");
    assert_string_equal(value(event, "lastTimestamp"), "2026-01-01T00:01:00Z");
    assert_int_equal(kube_fake_objects(b.kube, &kube_event), 1);
    /* Gone after its hour: it is made again, with its count. */
    kube_fake_delete(b.kube, &kube_event, "default", kube_name(event));
    b.time.ms += 1000;
    assert_int_equal(record(&b, "it is new"), 1);
    assert_string_equal(value(event_at(&b, test_time_wall(&b.time)), "count"), "3");
    close_bench(&b);
}

static void test_alike(void **state)
{
    (void)state;
    Bench b;
    char message[64];
    open_bench(&b);
    for (unsigned i = 0; i < 15; i++) {
        snprintf(message, sizeof(message), "number %u", i);
        b.time.ms += 1000;
        assert_int_equal(record(&b, message), 1);
    }
    assert_int_equal(kube_fake_objects(b.kube, &kube_event), 11);
    const Node *event = event_at(&b, test_time_wall(&b.time) - 4000000);
    assert_string_equal(value(event, "message"), "(combined from similar events): number 14");
    assert_string_equal(value(event, "count"), "5");
    close_bench(&b);
}

static void test_too_many(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b);
    for (unsigned i = 0; i < 25; i++)
        assert_int_equal(record(&b, "again"), 1);
    assert_int_equal(record(&b, "again"), 0);
    b.time.ms += 299999;
    assert_int_equal(record(&b, "again"), 0);
    b.time.ms += 1;
    assert_int_equal(record(&b, "again"), 1);
    assert_int_equal(record(&b, "again"), 0);
    close_bench(&b);
}

static void test_failure(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b);
    kube_fake_fail(b.kube, &(KubeFakeFault){.verb = KUBE_CREATE, .code = 403, .reason = "Forbidden"});
    assert_int_equal(record(&b, "x"), -EACCES);
    assert_int_equal(record(&b, "x"), 1);
    assert_string_equal(value(event_at(&b, test_time_wall(&b.time)), "count"), "1");
    close_bench(&b);
}

static void test_names(void **state)
{
    (void)state;
    Bench b;
    Buf longest = BUF_INIT;
    open_bench(&b);
    b.pool = kube_fake_put(b.kube, &kube_node, "{'metadata':{'name':'system:node:a'}}");
    while (longest.len < 1022)
        buf_add_char(&longest, 'x');
    buf_add_str(&longest, "äöü");
    assert_int_equal(record(&b, longest.data), 1);
    char name[300];
    snprintf(name, sizeof(name), "%s.%llx", kube_uid(b.pool),
             (unsigned long long)test_time_wall(&b.time) * 1000);
    const Node *event = kube_fake_get(b.kube, &kube_event, "default", name);
    assert_non_null(event);
    const char *message = value(event, "message");
    assert_true(strlen(message) <= KUBE_EVENT_MESSAGE_MAX);
    assert_string_equal(message + strlen(message) - 4, "x…");
    buf_done(&longest);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made),    cmocka_unit_test(test_alike), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_failure), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
