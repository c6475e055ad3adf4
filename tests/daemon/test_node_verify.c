/* A machine that was brought to a config is what it says; each way of tampering with it is found, told
 * without secrets, and mended by a repair. */
#include "fake_machine.h"

#include "daemon/node_verify.h"
#include "format/json.h"

#include "daemon/config_file.h"

static const char config_text[] =
    "{\"apiVersion\":\"machineconfiguration.openshift.io/"
    "v1\",\"kind\":\"MachineConfig\",\"metadata\":{\"name\":"
    "\"rendered-v\"},\"spec\":{\"kernelArguments\":[\"hugepages=1\",\"hugepages=1\"],\"osImageURL\":"
    "\"quay.io/os@sha256:1111\",\"config\":{\"ignition\":{\"version\":\"3.4.0\"},\"storage\":{\"files\":["
    "{\"path\":\"/etc/chrony.conf\",\"contents\":{\"source\":\"data:,one%0Atwo%0A\"}},"
    "{\"path\":\"/etc/private\",\"mode\":384,\"contents\":{\"source\":\"data:,hunter2\"}},"
    "{\"path\":\"/etc/kubernetes/kubeconfig\",\"contents\":{\"source\":\"data:,hunter2\"}},"
    "{\"path\":\"/usr/local/bin/"
    "x\",\"mode\":493,\"contents\":{\"source\":\"data:,x\"}}]},\"systemd\":{\"units\":["
    "{\"name\":\"a.service\",\"enabled\":true,\"contents\":\"[Install]\\nWantedBy=multi-user.target\\n\","
    "\"dropins\":[{\"name\":\"x.conf\",\"contents\":\"[Unit]\\n\"}]},{\"name\":\"m.service\",\"mask\":true},"
    "{\"name\":\"off.service\",\"enabled\":false}]},\"passwd\":{\"users\":[{\"name\":\"core\","
    "\"sshAuthorizedKeys\":[\"key\"],\"passwordHash\":\"$y$h\"}]}}}}";

static MachineConfig *config(Arena *a)
{
    MachineConfig *mc;
    Node *n;
    Report r = REPORT_INIT(a);
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = "test", .text = config_text, .len = strlen(config_text)};
    assert_int_equal(json_read(a, source, SEVERITY_ERROR, &n, &r), 0);
    assert_int_equal(config_from_node(a, n, &mc, NULL), 0);
    return mc;
}

static void begin(FakeMachine *f, Arena *a)
{
    MachineConfigDiff *d;
    Report r = REPORT_INIT(a);
    Disruption x = {.n = 0};
    fake_open(f);
    mkdirat(f->s.fd, "usr", 0755);
    mkdirat(f->s.fd, "var", 0755);
    mkdirat(f->s.fd, "var/usrlocal", 0755);
    assert_int_equal(symlinkat("../var/usrlocal", f->s.fd, "usr/local"), 0);
    assert_int_equal(machine_config_diff(a, NULL, config(a), &d, &r), 0);
    assert_int_equal(node_apply(&f->m, a, d, &x, NULL), 0);
    scratch_write(&f->s, "/proc/cmdline", "ro hugepages=1 hugepages=1\n");
}

static size_t verify(const FakeMachine *f, Arena *a, NodeRepair *repair, const char **ret)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    Error e = ERROR_INIT;
    if (node_verify(&f->m, a, config(a), NULL, &r, repair, &e) < 0)
        fail_msg("%s", e.text);
    *ret = r.n ? r.entries[0].message : "";
    return r.n;
}

static void put(FakeMachine *f, const char *path, const char *text)
{
    int fd = openat(f->s.fd, path + 1, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(file_write_fd(fd, text, strlen(text)), 0);
    close(fd);
}

static void tamper_line(FakeMachine *f)
{
    put(f, "/etc/chrony.conf", "one\nthree\n");
}
static void tamper_short(FakeMachine *f)
{
    put(f, "/etc/chrony.conf", "one\n");
}
static void tamper_binary(FakeMachine *f)
{
    put(f, "/etc/chrony.conf", "one\n\001\n");
}
static void tamper_private(FakeMachine *f)
{
    put(f, "/etc/private", "hunter3");
}
static void tamper_credentials(FakeMachine *f)
{
    put(f, "/etc/kubernetes/kubeconfig", "hunter3");
}
static void tamper_mode(FakeMachine *f)
{
    fchmodat(f->s.fd, "usr/local/bin/x", 0777, 0);
}
static void tamper_owner(FakeMachine *f)
{
    fchownat(f->s.fd, "etc/chrony.conf", 3, 4, 0);
}
static void tamper_gone(FakeMachine *f)
{
    unlinkat(f->s.fd, "etc/chrony.conf", 0);
}
static void tamper_link(FakeMachine *f)
{
    unlinkat(f->s.fd, "etc/chrony.conf", 0);
    assert_int_equal(symlinkat("private", f->s.fd, "etc/chrony.conf"), 0);
}
static void tamper_dropin(FakeMachine *f)
{
    put(f, "/etc/systemd/system/a.service.d/x.conf", "[Unit]\nAfter=b\n");
}
static void tamper_mask(FakeMachine *f)
{
    unlinkat(f->s.fd, "etc/systemd/system/m.service", 0);
}
static void tamper_disable(FakeMachine *f)
{
    unlinkat(f->s.fd, "etc/systemd/system/multi-user.target.wants/a.service", 0);
}
static void tamper_enable(FakeMachine *f)
{
    assert_int_equal(symlinkat("x", f->s.fd, "etc/systemd/system/multi-user.target.wants/off.service"), 0);
}
static void tamper_keys(FakeMachine *f)
{
    put(f, "/home/core/.ssh/authorized_keys.d/ignition", "other\n");
}
static void tamper_password(FakeMachine *f)
{
    put(f, "/etc/shadow", "core:$y$other:1::::::\n");
}

static const struct {
    void (*tamper)(FakeMachine *);
    const char *told;
} ways[] = {
    {tamper_line, "/etc/chrony.conf: line 2 is \"three\", should be \"two\""},
    {tamper_short, "/etc/chrony.conf: line 2 is nothing, should be \"two\""},
    {tamper_binary, "/etc/chrony.conf: line 2 is bytes that are no text, should be \"two\""},
    {tamper_private, "/etc/private: contents differ from line 1 on (not shown)"},
    {tamper_credentials, "/etc/kubernetes/kubeconfig: contents differ from line 1 on (not shown)"},
    {tamper_mode, "/usr/local/bin/x: mode is 0777, should be 0755"},
    {tamper_owner, "/etc/chrony.conf: owner is 3:4, should be 0:0"},
    {tamper_gone, "/etc/chrony.conf: is missing"},
    {tamper_link, "/etc/chrony.conf: is no regular file"},
    {tamper_dropin, "/etc/systemd/system/a.service.d/x.conf: line 2 is \"After=b\", should be nothing"},
    {tamper_mask, "/etc/systemd/system/m.service: is missing"},
    {tamper_disable,
     "a.service is not enabled: /etc/systemd/system/multi-user.target.wants/a.service is missing"},
    {tamper_enable, "off.service is enabled, by /etc/systemd/system/multi-user.target.wants/off.service"},
    {tamper_keys, "/home/core/.ssh/authorized_keys.d/ignition: other keys than declared (not shown)"},
    {tamper_password, "the password of core is another one (not shown)"},
};

static void test_found_and_mended(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    FakeMachine f;
    NodeRepair repair;
    const char *told;
    begin(&f, a);
    assert_int_equal(verify(&f, a, &repair, &told), 0);
    for (size_t i = 0; i < ELEMENTS(ways); i++) {
        Error e = ERROR_INIT;
        ways[i].tamper(&f);
        assert_int_equal(verify(&f, a, &repair, &told), 1);
        assert_string_equal(told, ways[i].told);
        if (node_apply_repair(&f.m, a, config(a), &repair, &e) < 0)
            fail_msg("%s", e.text);
        size_t n = verify(&f, a, &repair, &told);
        if (n)
            fail_msg("after %s: %s", ways[i].told, told);
    }
    scratch_close(&f.s);
}

static void test_system(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    FakeMachine f;
    NodeRepair repair;
    const char *told;
    begin(&f, a);
    scratch_write(&f.s, "/proc/cmdline", "ro hugepages=1\n");
    assert_int_equal(verify(&f, a, &repair, &told), 1);
    assert_string_equal(told, "booted without the kernel argument hugepages=1");
    scratch_write(&f.s, "/proc/cmdline", "hugepages=1 ro hugepages=1\n");
    scratch_write(&f.s, "/run/os/booted", "quay.io/os@sha256:9");
    assert_int_equal(verify(&f, a, &repair, &told), 1);
    assert_string_equal(told, "booted sha256:9, should be quay.io/os@sha256:1111");
    scratch_close(&f.s);
}

static void test_scope(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(a);
    static const char *const one[] = {"/etc/private"};
    const VerifyScope scope = {one, 1};
    FakeMachine f;
    NodeRepair repair;
    begin(&f, a);
    tamper_line(&f);
    tamper_disable(&f);
    tamper_keys(&f);
    assert_int_equal(node_verify(&f.m, a, config(a), &scope, &r, &repair, NULL), 0);
    assert_int_equal(r.n, 0);
    tamper_private(&f);
    assert_int_equal(node_verify(&f.m, a, config(a), &scope, &r, &repair, NULL), 0);
    assert_int_equal(r.n, 1);
    scratch_close(&f.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_and_mended),
        cmocka_unit_test(test_system),
        cmocka_unit_test(test_scope),
    };
    if (geteuid() != 0)
        return 77;
    umask(022);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
