/* A node's certificates over days of a clock that runs fast: the first, renewals, refusals, calls that fail,
 * what a killed run leaves. */
#include "../scratch.h"

#include "csr_signer.h"
#include "kube/certificate_rotation.h"
#include "test_time.h"

enum { LIFE = 24 * 3600 };

typedef struct World {
    Scratch s;
    Kube *kube;
    TestTime time;
    CsrSigner signer;
    CertificateRotation *r;
    const char *const *dns, *const *ip;
} World;

static int64_t now_sec(const World *w)
{
    return test_time_wall((void *)&w->time) / 1000000;
}

static void restart(World *w)
{
    certificate_rotation_free(w->r);
    w->r = certificate_rotation_new(&(CertificateRotationOptions){.bootstrap = w->kube,
                                                                  .own = w->kube,
                                                                  .directory = w->s.path,
                                                                  .prefix = "kubelet-client",
                                                                  .node = "n1",
                                                                  .dns = w->dns,
                                                                  .ip = w->ip,
                                                                  .time = &w->time.time});
}

static void begin(World *w)
{
    *w = (World){.s = scratch_open(), .kube = kube_fake_new()};
    test_time_init(&w->time);
    csr_signer_init(&w->signer, now_sec(w), LIFE);
    kube_fake_before(w->kube, csr_signer_answer, &w->signer);
    restart(w);
}

static void end(World *w)
{
    certificate_rotation_free(w->r);
    kube_free(w->kube);
    csr_signer_done(&w->signer);
    scratch_close(&w->s);
}

/* Runs for so long or until a new pair is stored; how many seconds that took, -1: none was. */
static int64_t run(World *w, int64_t seconds)
{
    int64_t start = now_sec(w), end = start + seconds;
    while (now_sec(w) < end) {
        w->signer.now = now_sec(w);
        if (certificate_rotation_step(w->r, NULL) == 1)
            return now_sec(w) - start;
        int ms = certificate_rotation_timeout_ms(w->r);
        w->time.ms += ms < 10 ? 10 : ms < 3600 * 1000 ? ms : 3600 * 1000;
    }
    return -1;
}

/* The pair behind the link is whole. */
static void check_pair(World *w)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    _cleanup_(certificate_freep)
    Certificate *c = NULL;
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL;
    struct stat st;
    assert_int_equal(root_read(w->s.fd, "kubelet-client-current.pem", 1 << 20, &text), 0);
    assert_int_equal(certificate_read(text.data, text.len, &c, NULL), 0);
    assert_int_equal(key_pair_read(text.data, text.len, &key, NULL), 0);
    assert_true(certificate_belongs_to(c, key));
    assert_int_equal(fstatat(w->s.fd, "kubelet-client-current.pem", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(certificate_rotation_until(w->r) == certificate_not_after(c));
}

static void test_days(void **state _unused_)
{
    World w;
    begin(&w);
    assert_in_range(run(&w, 60), 0, 5);
    check_pair(&w);
    for (unsigned day = 0; day < 5; day++) {
        w.time.chance = day * 4320 / 4 * 4;
        int64_t took = run(&w, 2 * LIFE);
        assert_in_range(took, LIFE * 7 / 10 - 10, LIFE * 9 / 10 + 10);
        check_pair(&w);
        assert_int_equal(scratch_count(&w.s, "."), 3); /* the link, this pair, the former */
    }
    assert_int_equal(w.signer.issued, 6);
    /* while nothing is due nobody is asked, and it says when to come again */
    unsigned gets = kube_fake_calls(w.kube, KUBE_GET, NULL);
    assert_true(certificate_rotation_timeout_ms(w.r) > 10 * 3600 * 1000);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(certificate_rotation_step(w.r, NULL), 0);
    assert_int_equal(gets, kube_fake_calls(w.kube, KUBE_GET, NULL));
    restart(&w);
    assert_in_range(run(&w, 2 * LIFE), 1000, LIFE);
    end(&w);
}

static void test_chance(void **state _unused_)
{
    World w;
    begin(&w);
    for (uint32_t i = 0; i < 2; i++) {
        w.time.chance = i * (LIFE / 5);
        assert_true(run(&w, 2 * LIFE) >= 0);
        int64_t from = certificate_rotation_until(w.r) - LIFE;
        assert_int_equal(certificate_rotation_renews(w.r) - from, LIFE * (7 + 2 * i) / 10);
    }
    end(&w);
}

static void test_refused(void **state _unused_)
{
    static const char *const answers[] = {"Denied", "Failed", "other"};
    for (size_t i = 0; i < ELEMENTS(answers); i++) {
        World w;
        begin(&w);
        w.signer.answer = answers[i];
        assert_int_equal(run(&w, 200), -1);
        assert_int_equal(kube_fake_objects(w.kube, &kube_certificate_signing_request), 1);
        assert_int_equal(run(&w, 1000), -1);
        assert_in_range(kube_fake_objects(w.kube, &kube_certificate_signing_request), 3, 5); /* other keys */
        w.signer.answer = NULL;
        assert_true(run(&w, 400) >= 0);
        check_pair(&w);
        /* a renewal that is refused harms nothing */
        w.signer.answer = answers[i];
        assert_int_equal(run(&w, LIFE * 95 / 100), -1);
        check_pair(&w);
        assert_true(certificate_rotation_until(w.r) > 0);
        assert_int_equal(run(&w, LIFE), -1);
        assert_int_equal(certificate_rotation_until(w.r), 0); /* over; from here on as at first */
        w.signer.answer = NULL;
        assert_true(run(&w, 400) >= 0);
        end(&w);
    }
}

/* A person takes a day; the request is removed and made again, of the same key; we are restarted meanwhile.
 */
static void test_waiting(void **state _unused_)
{
    World w;
    char request[64];
    begin(&w);
    w.signer.answer = "wait";
    assert_int_equal(run(&w, 3600), -1);
    unsigned gets = kube_fake_calls(w.kube, KUBE_GET, NULL);
    assert_in_range(gets, 30, 90);
    snprintf(request, sizeof(request), "%s", certificate_rotation_request(w.r));
    assert_true(kube_fake_delete(w.kube, &kube_certificate_signing_request, NULL, request));
    assert_int_equal(run(&w, 200), -1);
    assert_string_equal(certificate_rotation_request(w.r), request);
    restart(&w);
    assert_int_equal(run(&w, 200), -1);
    assert_string_equal(certificate_rotation_request(w.r), request);
    assert_int_equal(kube_fake_objects(w.kube, &kube_certificate_signing_request), 1);
    w.signer.answer = NULL;
    assert_in_range(run(&w, 400), 0, 80);
    check_pair(&w);
    end(&w);
}

static void test_names(void **state _unused_)
{
    static const char *const dns[] = {"n1", NULL}, *const one[] = {"192.0.2.1", NULL},
                             *const two[] = {"192.0.2.1", "2001:db8::1", NULL};
    World w;
    begin(&w);
    w.dns = dns;
    w.ip = one;
    restart(&w);
    assert_in_range(run(&w, 60), 0, 5);
    certificate_rotation_set_names(w.r, dns, one);
    assert_int_equal(run(&w, 1000), -1);
    certificate_rotation_set_names(w.r, dns, two);
    assert_in_range(run(&w, 60), 0, 5);
    assert_int_equal(run(&w, 1000), -1);
    end(&w);
}

static void test_faults(void **state _unused_)
{
    for (unsigned i = 0; i < 20; i++) {
        World w;
        begin(&w);
        kube_fake_fail(w.kube, &(KubeFakeFault){.any = true,
                                                .skip = i / 5,
                                                .code = i % 5 == 2   ? 500
                                                        : i % 5 == 3 ? 429
                                                        : i % 5 == 4 ? 403
                                                                     : 0,
                                                .carried_out = i % 5 == 1});
        assert_true(run(&w, 1000) >= 0);
        check_pair(&w);
        assert_true(run(&w, 2 * LIFE) >= 0);
        check_pair(&w);
        end(&w);
    }
}

/* What is not whole is as good as missing, and nothing of it is in the way. */
static void test_rubbish(void **state _unused_)
{
    World w;
    begin(&w);
    scratch_write(&w.s, "kubelet-client-current.pem", "-----BEGIN CERTIFICATE-----\nx");
    scratch_write(&w.s, "kubelet-client.key.tmp", "");
    scratch_write(&w.s, "kubelet-client-updated.pem", "x");
    scratch_write(&w.s, "kubelet-client-2020-01-01-00-00-00.pem", "x");
    scratch_write(&w.s, "kubelet-server-current.pem", "another's");
    assert_in_range(run(&w, 60), 0, 5);
    check_pair(&w);
    scratch_expect(&w.s, "kubelet-server-current.pem", "another's");
    assert_int_equal(scratch_count(&w.s, "."), 3);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days),    cmocka_unit_test(test_chance), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_waiting), cmocka_unit_test(test_names),  cmocka_unit_test(test_faults),
        cmocka_unit_test(test_rubbish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
