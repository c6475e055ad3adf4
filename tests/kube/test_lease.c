/* Two that compete for a Lease, with clocks that tests move and calls that fail. */
#include "../scratch.h"

#include "kube/lease.h"
#include "kube_fake.h"
#include "test_time.h"

typedef struct Bench {
    Kube *kube;
    TestTime time[2]; /* clocks that do not agree */
    Lease *lease[2];
} Bench;

static void open_bench(Bench *b)
{
    static const char *const names[] = {"one", "two"};
    b->kube = kube_fake_new();
    for (unsigned i = 0; i < 2; i++) {
        test_time_init(&b->time[i]);
        b->time[i].ms += i * 123456789;
        b->time[i].wall_us -= i * INT64_C(86400000000);
        b->lease[i] = lease_new(
            b->kube,
            &(LeaseOptions){.namespace = "n", .name = "l", .identity = names[i], .time = &b->time[i].time});
    }
}

static void close_bench(Bench *b)
{
    lease_free(b->lease[0]);
    lease_free(b->lease[1]);
    kube_free(b->kube);
}

static void pass(Bench *b, int64_t ms)
{
    b->time[0].ms += ms;
    b->time[1].ms += ms;
}

static const char *spec(Bench *b, const char *key)
{
    const Node *n = node_get(node_get(kube_fake_get(b->kube, &kube_lease, "n", "l"), "spec"), key);
    return n ? n->string : "";
}

static void test_election(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b);
    assert_int_equal(lease_step(b.lease[0], NULL), 1);
    assert_true(lease_held(b.lease[0]));
    assert_int_equal(lease_step(b.lease[1], NULL), 0);
    assert_false(lease_held(b.lease[1]));
    assert_string_equal(lease_holder(b.lease[1]), "one");
    assert_string_equal(spec(&b, "holderIdentity"), "one");
    assert_string_equal(spec(&b, "leaseDurationSeconds"), "15");
    assert_string_equal(spec(&b, "leaseTransitions"), "0");
    assert_string_equal(spec(&b, "acquireTime"), "2026-01-01T00:00:00.000000Z");
    assert_int_equal(lease_timeout_ms(b.lease[0]), 2000);
    for (unsigned i = 0; i < 50; i++) {
        pass(&b, 1000);
        assert_int_equal(lease_step(b.lease[0], NULL), 0);
        assert_int_equal(lease_step(b.lease[1], NULL), 0);
        assert_true(lease_held(b.lease[0]));
        assert_false(lease_held(b.lease[1]));
    }
    assert_string_equal(spec(&b, "acquireTime"), "2026-01-01T00:00:00.000000Z");
    assert_string_equal(spec(&b, "renewTime"), "2026-01-01T00:00:50.000000Z");
    /* The holder looks at nothing while all goes well: the first look, and the other's. */
    assert_int_equal(kube_fake_calls(b.kube, KUBE_GET, NULL), 1 + 26);
    close_bench(&b);
}

/* The holder dies: the other takes over when it has not changed for its duration, not earlier. */
static void test_death(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b);
    lease_step(b.lease[0], NULL);
    lease_step(b.lease[1], NULL);
    int64_t waited = 0;
    while (!lease_held(b.lease[1])) {
        assert_true(waited < 20000);
        pass(&b, 500);
        waited += 500;
        lease_step(b.lease[1], NULL);
        assert_false(lease_held(b.lease[0]) && lease_held(b.lease[1]));
    }
    assert_true(waited >= 15000 && waited <= 17500);
    assert_string_equal(spec(&b, "holderIdentity"), "two");
    assert_string_equal(spec(&b, "leaseTransitions"), "1");
    assert_int_equal(lease_step(b.lease[0], NULL), 1); /* it learns that it lost */
    assert_false(lease_held(b.lease[0]));
    close_bench(&b);
}

static void test_no_server(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b);
    lease_step(b.lease[0], NULL);
    lease_step(b.lease[1], NULL);
    kube_fake_fail(b.kube, &(KubeFakeFault){.any = true, .times = 1000});
    for (int64_t ms = 0; ms < 10000; ms += 100) {
        assert_true(lease_held(b.lease[0]));
        (void)lease_step(b.lease[0], NULL);
        pass(&b, 100);
    }
    assert_false(lease_held(b.lease[0]));
    assert_int_equal(lease_timeout_ms(b.lease[0]), 0);
    assert_int_equal(lease_step(b.lease[0], NULL), 1);
    /* The server is back: the name in it is still the old one's, who goes on. */
    kube_fake_reset_faults(b.kube);
    pass(&b, 3000);
    assert_int_equal(lease_step(b.lease[0], NULL), 1);
    assert_true(lease_held(b.lease[0]));
    close_bench(&b);
}

static void test_release(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b);
    assert_int_equal(lease_release(b.lease[0], NULL), 0);
    lease_step(b.lease[0], NULL);
    lease_step(b.lease[1], NULL);
    assert_int_equal(lease_release(b.lease[1], NULL), 0);
    assert_string_equal(spec(&b, "holderIdentity"), "one");
    assert_int_equal(lease_release(b.lease[0], NULL), 0);
    assert_false(lease_held(b.lease[0]));
    assert_string_equal(spec(&b, "holderIdentity"), "");
    pass(&b, 2000);
    assert_int_equal(lease_step(b.lease[1], NULL), 1);
    assert_true(lease_held(b.lease[1]));
    assert_string_equal(spec(&b, "leaseTransitions"), "1");
    close_bench(&b);
}

static void rival(void *context, Kube *k, const KubeRequest *q)
{
    bool *armed = context;
    if (!*armed || (q->verb != KUBE_CREATE && q->verb != KUBE_UPDATE))
        return;
    *armed = false;
    kube_fake_put(k, &kube_lease,
                  "{'metadata':{'name':'l','namespace':'n'},'spec':{'holderIdentity':'rival',"
                  "'leaseDurationSeconds':15,'leaseTransitions':7}}");
}

/* Somebody is quicker between the look and the write. */
static void test_race(void **state)
{
    (void)state;
    Bench b;
    bool armed = true;
    Error e = ERROR_INIT;
    open_bench(&b);
    kube_fake_before(b.kube, rival, &armed);
    assert_int_equal(lease_step(b.lease[0], &e), -EEXIST);
    assert_false(lease_held(b.lease[0]));
    pass(&b, 2000);
    assert_int_equal(lease_step(b.lease[0], NULL), 0);
    pass(&b, 15000);
    armed = true;
    kube_fake_put(b.kube, &kube_lease,
                  "{'metadata':{'name':'l','namespace':'n'},'spec':{'holderIdentity':''}}");
    assert_int_equal(lease_step(b.lease[0], &e), -ESTALE);
    assert_false(lease_held(b.lease[0]));
    /* While it is held: the name of another in it ends that at once. */
    kube_fake_before(b.kube, NULL, NULL);
    kube_fake_delete(b.kube, &kube_lease, "n", "l");
    pass(&b, 2000);
    assert_int_equal(lease_step(b.lease[0], NULL), 1);
    armed = true;
    rival(&armed, b.kube, &(KubeRequest){.verb = KUBE_UPDATE});
    pass(&b, 2000);
    assert_int_equal(lease_step(b.lease[0], NULL), 1);
    assert_false(lease_held(b.lease[0]));
    close_bench(&b);
}

/* Its answer is lost, but it was written: the next try finds its own name. */
static void test_lost_answer(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b);
    kube_fake_fail(b.kube, &(KubeFakeFault){.verb = KUBE_CREATE, .error = ECONNRESET, .carried_out = true});
    assert_int_equal(lease_step(b.lease[0], NULL), -ECONNRESET);
    assert_false(lease_held(b.lease[0]));
    pass(&b, 2000);
    assert_int_equal(lease_step(b.lease[0], NULL), 1);
    assert_true(lease_held(b.lease[0]));
    kube_fake_fail(b.kube, &(KubeFakeFault){.verb = KUBE_UPDATE, .error = ECONNRESET, .carried_out = true});
    pass(&b, 2000);
    assert_int_equal(lease_step(b.lease[0], NULL), -ECONNRESET);
    assert_true(lease_held(b.lease[0]));
    pass(&b, 2000);
    assert_int_equal(lease_step(b.lease[0], NULL), 0);
    assert_string_equal(spec(&b, "renewTime"), "2026-01-01T00:00:06.000000Z");
    close_bench(&b);
}

/* Never two at once, whatever fails, as long as clocks run at the same pace. */
static void test_random(void **state)
{
    (void)state;
    uint32_t seed = 7;
    unsigned changes = 0;
    for (unsigned round = 0; round < 50; round++) {
        Bench b;
        open_bench(&b);
        for (unsigned i = 0; i < 400; i++) {
            seed = seed * 1664525 + 1013904223;
            unsigned who = (seed >> 20) & 1;
            b.time[who].chance = seed >> 8;
            if (((seed >> 12) & 31) == 0) {
                kube_fake_reset_faults(b.kube);
                kube_fake_fail(b.kube, &(KubeFakeFault){.any = true,
                                                        .times = (seed >> 24) & 15,
                                                        .skip = (seed >> 28) & 3,
                                                        .error = ETIMEDOUT,
                                                        .carried_out = seed & 128});
            }
            pass(&b, (seed >> 16) % (((seed >> 13) & 15) ? 900 : 12000));
            changes += lease_step(b.lease[who], NULL) == 1;
            assert_false(lease_held(b.lease[0]) && lease_held(b.lease[1]));
        }
        close_bench(&b);
    }
    assert_true(changes > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_election), cmocka_unit_test(test_death), cmocka_unit_test(test_no_server),
        cmocka_unit_test(test_release),  cmocka_unit_test(test_race),  cmocka_unit_test(test_lost_answer),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
