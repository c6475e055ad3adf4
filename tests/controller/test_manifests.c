/* The objects that a cluster begins with: made once, whatever fails under way, and not again. */
#include "../scratch.h"
#include "controller/manifests.h"
#include "kube_fake.h"

typedef struct Setup {
    Scratch dir;
    Kube *kube;
} Setup;

static void begin(Setup *s)
{
    *s = (Setup){.dir = scratch_open(), .kube = kube_fake_new()};
    scratch_write(&s->dir, "a.yaml",
                  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x}\n---\n"
                  "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\n"
                  "metadata: {name: 00-worker}\n");
    scratch_write(&s->dir, "b.json",
                  "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"b\", "
                  "\"namespace\": \"x\"}}");
    scratch_write(&s->dir, "c.yml",
                  "apiVersion: config.openshift.io/v1\nkind: DNS\nmetadata: {name: cluster}\n");
    scratch_write(&s->dir, "readme.txt", "not a manifest: [\n");
}

static void end(Setup *s)
{
    kube_free(s->kube);
    scratch_close(&s->dir);
}

static bool there(const Setup *s, const KubeKind *kind, const char *namespace, const char *name)
{
    return kube_fake_get(s->kube, kind, namespace, name) != NULL;
}

static void test_once(void **state _unused_)
{
    Setup s;
    Manifests m;
    Error e = ERROR_INIT;
    begin(&s);
    if (manifests_make(s.kube, s.dir.path, &m, &e) != 1)
        fail_msg("%s", e.text);
    assert_int_equal(m.made, 3);
    assert_int_equal(m.unknown, 1);
    assert_true(there(&s, &kube_config_map, "x", "a"));
    assert_true(there(&s, &kube_secret, "x", "b"));
    assert_true(there(&s, &kube_machine_config, NULL, "00-worker"));
    kube_fake_delete(s.kube, &kube_secret, "x", "b"); /* by an administrator */
    assert_int_equal(manifests_make(s.kube, s.dir.path, &m, &e), 0);
    assert_false(there(&s, &kube_secret, "x", "b"));
    end(&s);
}

/* Each call fails once, in turn; the next try goes on. */
static void test_failures(void **state _unused_)
{
    bool failed = true;
    for (unsigned skip = 0; failed; skip++) {
        Setup s;
        Manifests m;
        begin(&s);
        kube_fake_fail(s.kube, &(KubeFakeFault){
                                   .any = true, .skip = skip, .carried_out = skip % 2, .error = ECONNRESET});
        Error e = ERROR_INIT;
        failed = manifests_make(s.kube, s.dir.path, &m, &e) < 0;
        assert_true(!failed || *e.text);
        kube_fake_reset_faults(s.kube);
        if (failed && manifests_make(s.kube, s.dir.path, &m, &e) < 0)
            fail_msg("call %u: %s", skip, e.text);
        assert_true(there(&s, &kube_secret, "x", "b"));
        assert_true(there(&s, &kube_config_map, "kube-system", "bootstrap"));
        assert_true(skip < 20);
        end(&s);
    }
}

/* What cannot be read stops before anything is made, and the message has no line of it. */
static void test_broken(void **state _unused_)
{
    Setup s;
    Manifests m;
    Error e = ERROR_INIT;
    begin(&s);
    scratch_write(&s.dir, "z.yaml", "password: [hush\n");
    assert_int_equal(manifests_make(s.kube, s.dir.path, &m, &e), -EINVAL);
    assert_non_null(strstr(e.text, "z.yaml"));
    assert_null(strstr(e.text, "hush"));
    assert_false(there(&s, &kube_config_map, "x", "a"));
    assert_true(manifests_make(s.kube, "/nowhere", &m, &e) < 0);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_once), cmocka_unit_test(test_failures),
                                       cmocka_unit_test(test_broken)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
