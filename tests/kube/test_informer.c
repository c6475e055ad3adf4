/* What an informer tells, asks and waits, when all goes well and when it does not. */
#include "../scratch.h"

#include "kube/informer.h"
#include "kube/name_table.h"
#include "kube_fake.h"
#include "test_time.h"

typedef struct Bench {
    Kube *kube;
    Informer *informer;
    TestTime time;
    Buf told; /* "+a=1 -b ! " */
} Bench;

static void told_seen(void *context, const Node *object)
{
    buf_addf(&((Bench *)context)->told, "+%s ", kube_name(object));
}

static void told_gone(void *context, const char *namespace, const char *name, const Node *last)
{
    buf_addf(&((Bench *)context)->told, "-%s%s%s%s ", namespace, *namespace ? "/" : "", name,
             last ? "" : "?");
}

static void told_synced(void *context)
{
    buf_add_str(&((Bench *)context)->told, "! ");
}

static void put(Bench *b, const char *name, unsigned value)
{
    _cleanup_arena_ Arena *a = arena_new();
    kube_fake_put(b->kube, &kube_node,
                  arena_printf(a, "{'metadata':{'name':'%s'},'spec':{'value':%u}}", name, value));
}

static void open_bench(Bench *b, unsigned page)
{
    *b = (Bench){.kube = kube_fake_new()};
    test_time_init(&b->time);
    const InformerOptions options = {.kind = &kube_node,
                                     .page = page,
                                     .time = &b->time.time,
                                     .handler = {told_seen, told_gone, told_synced, b}};
    b->informer = informer_new(b->kube, &options);
}

static void close_bench(Bench *b)
{
    informer_free(b->informer);
    kube_free(b->kube);
    buf_done(&b->told);
}

/* Steps while there is something to do now. */
static void run(Bench *b)
{
    for (unsigned n = 0; n < 100; n++) {
        if (n && informer_timeout_ms(b->informer) != 0)
            return;
        (void)informer_step(b->informer, NULL);
    }
    fail_msg("it never rests");
}

static void expect_told(Bench *b, const char *want)
{
    assert_string_equal(b->told.len ? b->told.data : "", want);
    b->told.len = 0;
}

static void test_plain(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b, 2);
    put(&b, "a", 1);
    put(&b, "b", 1);
    put(&b, "c", 1);
    assert_false(informer_synced(b.informer));
    run(&b);
    expect_told(&b, "+a +b +c ! ");
    assert_true(informer_synced(b.informer));
    assert_int_equal(kube_fake_calls(b.kube, KUBE_LIST, &kube_node), 2);
    put(&b, "b", 2);
    put(&b, "d", 1);
    kube_fake_delete(b.kube, &kube_node, NULL, "a");
    run(&b);
    expect_told(&b, "+b +d -a ");
    assert_int_equal(informer_count(b.informer), 3);
    assert_int_equal(informer_timeout_ms(b.informer), -1);
    close_bench(&b);
}

/* A watch that breaks is taken up where it was: nothing is listed again, nothing told twice. */
static void test_cut(void **state)
{
    (void)state;
    static const int errors[] = {EPIPE, ECONNRESET, EREMOTEIO};
    for (size_t i = 0; i < ELEMENTS(errors); i++) {
        Bench b;
        open_bench(&b, 0);
        put(&b, "a", 1);
        run(&b);
        b.time.ms += 60000;
        kube_fake_cut(b.kube, errors[i]);
        put(&b, "b", 1);
        run(&b);
        if (errors[i] != EPIPE) {
            assert_int_equal(informer_timeout_ms(b.informer), KUBE_BACKOFF_FIRST_MS);
            b.time.ms += KUBE_BACKOFF_FIRST_MS;
            run(&b);
        }
        expect_told(&b, "+a ! +b ");
        assert_int_equal(kube_fake_calls(b.kube, KUBE_LIST, NULL), 1);
        assert_int_equal(kube_fake_watches(b.kube), 2);
        close_bench(&b);
    }
}

/* A server that ends each watch at once is not asked all the time. */
static void test_brief(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b, 0);
    run(&b);
    int64_t pause = KUBE_BACKOFF_FIRST_MS;
    for (unsigned i = 0; i < 9; i++) {
        kube_fake_cut(b.kube, EPIPE);
        run(&b);
        assert_int_equal(informer_timeout_ms(b.informer), pause);
        pause = pause * 2 > KUBE_BACKOFF_LAST_MS ? KUBE_BACKOFF_LAST_MS : pause * 2;
        b.time.ms += informer_timeout_ms(b.informer);
        run(&b);
    }
    assert_int_equal(kube_fake_calls(b.kube, KUBE_LIST, NULL), 1);
    close_bench(&b);
}

static void test_too_old(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b, 0);
    put(&b, "a", 1);
    put(&b, "b", 1);
    put(&b, "c", 1);
    run(&b);
    expect_told(&b, "+a +b +c ! ");
    b.time.ms += 5000;
    kube_fake_delete(b.kube, &kube_node, NULL, "b");
    put(&b, "c", 2);
    put(&b, "d", 1);
    kube_fake_compact(b.kube);
    run(&b);
    expect_told(&b, "+c +d -b? ! ");
    assert_int_equal(kube_fake_calls(b.kube, KUBE_LIST, NULL), 2);
    /* Once more, at once: now it waits. */
    put(&b, "e", 1);
    kube_fake_compact(b.kube);
    run(&b);
    expect_told(&b, "");
    assert_true(informer_timeout_ms(b.informer) > 0);
    b.time.ms += informer_timeout_ms(b.informer);
    run(&b);
    expect_told(&b, "+e ! ");
    close_bench(&b);
}

static void test_bookmark(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b, 0);
    put(&b, "a", 1);
    run(&b);
    kube_fake_put(b.kube, &kube_config_map, "{'metadata':{'name':'x','namespace':'n'}}");
    run(&b);
    kube_fake_compact(b.kube);
    kube_fake_bookmark(b.kube);
    run(&b);
    b.time.ms += 5000;
    kube_fake_cut(b.kube, EPIPE);
    run(&b);
    expect_told(&b, "+a ! ");
    assert_int_equal(kube_fake_calls(b.kube, KUBE_LIST, NULL), 1);
    assert_int_equal(informer_timeout_ms(b.informer), -1);
    close_bench(&b);
}

/* A token that grows too old between two parts: the list starts again, and what went meanwhile is gone. */
static void compact_once(void *context, Kube *k, const KubeRequest *q)
{
    bool *armed = context;
    if (q->verb == KUBE_LIST && q->continue_token && *armed) {
        *armed = false;
        kube_fake_delete(k, &kube_node, NULL, "a");
        kube_fake_compact(k);
    }
}

static void test_token(void **state)
{
    (void)state;
    Bench b;
    bool armed = true;
    open_bench(&b, 1);
    put(&b, "a", 1);
    put(&b, "b", 1);
    kube_fake_before(b.kube, compact_once, &armed);
    run(&b);
    expect_told(&b, "+a ");
    assert_int_equal(informer_timeout_ms(b.informer), KUBE_BACKOFF_FIRST_MS);
    b.time.ms += KUBE_BACKOFF_FIRST_MS;
    run(&b);
    expect_told(&b, "+b -a? ! ");
    close_bench(&b);
}

static void test_pauses(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b, 0);
    put(&b, "a", 1);
    kube_fake_fail(b.kube, &(KubeFakeFault){.verb = KUBE_LIST, .code = 429, .retry_after_sec = 9});
    kube_fake_fail(b.kube, &(KubeFakeFault){.verb = KUBE_LIST, .error = ECONNREFUSED});
    kube_fake_fail(b.kube, &(KubeFakeFault){.watch = true, .code = 500});
    kube_fake_fail(b.kube, &(KubeFakeFault){.watch = true, .error = ETIMEDOUT});
    b.time.chance = 300;
    run(&b);
    assert_int_equal(informer_timeout_ms(b.informer), 9300);
    b.time.ms += 9300;
    run(&b);
    assert_int_equal(informer_timeout_ms(b.informer), 1300);
    expect_told(&b, "");
    b.time.ms += 1300;
    run(&b);
    expect_told(&b, "+a ! ");
    assert_int_equal(informer_timeout_ms(b.informer), 2300);
    b.time.ms += 2300;
    run(&b);
    assert_int_equal(informer_timeout_ms(b.informer), 4300);
    b.time.ms += 4300;
    put(&b, "b", 1);
    run(&b);
    expect_told(&b, "+b ");
    assert_int_equal(kube_fake_calls(b.kube, KUBE_LIST, NULL), 3);
    close_bench(&b);
}

static void test_long_parts(void **state)
{
    (void)state;
    Bench b;
    open_bench(&b, 4);
    for (char name[] = "a"; name[0] <= 'd'; name[0]++)
        put(&b, name, 1);
    kube_fake_fail(b.kube, &(KubeFakeFault){.verb = KUBE_LIST, .error = EFBIG, .times = 2});
    run(&b);
    expect_told(&b, "+a +b +c +d ! ");
    assert_int_equal(kube_fake_calls(b.kube, KUBE_LIST, NULL), 6);
    close_bench(&b);
}

/* Random histories with everything that can fail: at the end the informer knows what is there. */
static void test_random(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (unsigned round = 0; round < 200; round++) {
        Bench b;
        open_bench(&b, 3);
        for (unsigned i = 0; i < 60; i++) {
            seed = seed * 1664525 + 1013904223;
            char name[] = {(char)('a' + (seed >> 24) % 8), '\0'};
            switch ((seed >> 16) % 12) {
            case 0:
                kube_fake_cut(b.kube, (seed & 1) ? EPIPE : ECONNRESET);
                break;
            case 1:
                kube_fake_compact(b.kube);
                break;
            case 2:
                kube_fake_reset_faults(b.kube);
                kube_fake_fail(b.kube, &(KubeFakeFault){.any = true, .code = 503});
                break;
            case 3:
            case 4:
                kube_fake_delete(b.kube, &kube_node, NULL, name);
                break;
            case 5:
            case 6:
                b.time.ms += seed % 3000;
                (void)informer_step(b.informer, NULL);
                break;
            default:
                put(&b, name, seed);
            }
        }
        kube_fake_reset_faults(b.kube);
        for (unsigned i = 0; i < 20; i++) {
            b.time.ms += KUBE_BACKOFF_LAST_MS * 2;
            run(&b);
        }
        assert_int_equal(informer_count(b.informer), kube_fake_objects(b.kube, &kube_node));
        int there[256] = {0}; /* what was told, added up */
        for (char *p = b.told.data; p && *p; p = strchr(p, ' ') + 1)
            if (*p != '!')
                there[(unsigned char)p[1]] = *p == '+';
        for (char name[] = "a"; name[0] <= 'h'; name[0]++)
            assert_int_equal(there[(unsigned char)name[0]],
                             kube_fake_get(b.kube, &kube_node, NULL, name) != NULL);
        close_bench(&b);
    }
}

static void test_names(void **state)
{
    (void)state;
    NameTable t = {0};
    char name[32];
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "node-%u", i);
        name_table_get(&t, i % 2 ? "n" : "", name)->mark = i % 3;
    }
    assert_int_equal(t.n, 10000);
    for (unsigned i = 0; i < 10000; i += 5) {
        snprintf(name, sizeof(name), "node-%u", i);
        assert_int_equal(name_table_remove(&t, i % 2 ? "" : "n", name), 0);
        assert_int_equal(name_table_remove(&t, i % 2 ? "n" : "", name), 1);
    }
    assert_int_equal(t.n, 8000);
    size_t at = 0, taken = 0;
    for (NameEntry *e; (e = name_table_take_other(&t, 0, &at)); taken++)
        free(e);
    assert_int_equal(t.n + taken, 8000);
    for (unsigned i = 0; i < 10000; i++)
        if (i % 5 && i % 3 == 0) {
            snprintf(name, sizeof(name), "node-%u", i);
            assert_int_equal(name_table_remove(&t, i % 2 ? "n" : "", name), 1);
        }
    assert_int_equal(t.n, 0);
    name_table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),   cmocka_unit_test(test_cut),        cmocka_unit_test(test_brief),
        cmocka_unit_test(test_too_old), cmocka_unit_test(test_bookmark),   cmocka_unit_test(test_token),
        cmocka_unit_test(test_pauses),  cmocka_unit_test(test_long_parts), cmocka_unit_test(test_random),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
