/* From one config to another and back: what is written, kept and given back; failed and killed at every step;
 * with a reboot that leads to the new system, and with one that does not. */
#include <signal.h>
#include <sys/wait.h>

#include "fake_machine.h"
#include "tree_text.h"

#include "daemon/config_file.h"
#include "format/json.h"

static const char head[] =
    "{\"apiVersion\":\"machineconfiguration.openshift.io/v1\",\"kind\":\"MachineConfig\","
    "\"metadata\":{\"name\":\"%s\"},\"spec\":{%s\"config\":{\"ignition\":{\"version\":\"3.4.0\"},%s}}}";
#define UNIT(body) "[Service]\\nExecStart=/bin/true\\n[Install]\\n" body "\\n"
#define FILE_OF(path, data, more)                                                                            \
    "{\"path\":\"" path "\",\"contents\":{\"source\":\"data:," data "\"}" more "}"

/* What the machine has to begin with, and two further ones. */
static const char config_a[] = "\"storage\":{\"files\":[" FILE_OF("/etc/chrony.conf", "a", "") "," FILE_OF(
    "/etc/dropped", "a",
    "") "]},"
        "\"systemd\":{\"units\":["
        "{\"name\":\"app.service\",\"enabled\":true,\"contents\":\"" UNIT(
            "WantedBy=multi-user.target") "\"},"
                                          "{\"name\":\"old.timer\",\"enabled\":true,\"contents\":\"" UNIT(
                                              "WantedBy=timers.target") "\"}]},"
                                                                        "\"passwd\":{\"users\":[{\"name\":"
                                                                        "\"core\",\"sshAuthorizedKeys\":["
                                                                        "\"key a\"]}]}";
static const char config_b[] =
    "\"storage\":{\"files\":[" FILE_OF("/etc/chrony.conf", "b", ",\"mode\":384") "," FILE_OF(
        "/etc/admin.conf", "b",
        ",\"user\":{\"name\":\"core\"},\"group\":{\"name\":"
        "\"wheel\"}") "," FILE_OF("/etc/some/new/file", "b",
                                  "") "]},"
                                      "\"systemd\":{\"units\":["
                                      "{\"name\":\"app.service\","
                                      "\"enabled\":true,"
                                      "\"contents\":\"" UNIT("WantedBy=graphical."
                                                             "target\\nAlias=other."
                                                             "service") "\","
                                                                        "\"dropins\":["
                                                                        "{\"name\":"
                                                                        "\"10-x."
                                                                        "conf\","
                                                                        "\"contents\":"
                                                                        "\"[Service]"
                                                                        "\\n\"}]},"
                                                                        "{\"name\":"
                                                                        "\"masked."
                                                                        "service\","
                                                                        "\"mask\":"
                                                                        "true},{"
                                                                        "\"name\":"
                                                                        "\"vendor."
                                                                        "service\","
                                                                        "\"enabled\":"
                                                                        "true},"
                                                                        "{\"name\":"
                                                                        "\"getty@tty9."
                                                                        "service\","
                                                                        "\"enabled\":"
                                                                        "true},{"
                                                                        "\"name\":"
                                                                        "\"off."
                                                                        "service\","
                                                                        "\"enabled\":"
                                                                        "false}]},"
                                                                        "\"passwd\":{"
                                                                        "\"users\":[{"
                                                                        "\"name\":"
                                                                        "\"core\","
                                                                        "\"sshAuthoriz"
                                                                        "edKeys\":["
                                                                        "\"key "
                                                                        "a\",\"key "
                                                                        "b\"],"
                                                                        "\"passwordHas"
                                                                        "h\":\"$y$"
                                                                        "new\"}]}";
static const char config_c[] = "\"storage\":{\"files\":[" FILE_OF("/etc/chrony.conf", "c", "") "]}";
#define SYSTEM_A "\"kernelArguments\":[],\"osImageURL\":\"quay.io/os@sha256:1111\","
#define SYSTEM_B                                                                                             \
    "\"kernelArguments\":[\"hugepages=1 hugepages=2\",\"nosmt\"],\"osImageURL\":\"quay.io/os@sha256:2222\","

static MachineConfig *config(Arena *a, const char *name, const char *system, const char *ignition)
{
    MachineConfig *mc;
    Node *n;
    Report r = REPORT_INIT(a);
    const char *text = arena_printf(a, head, name, system, ignition);
    Source *source = ARENA_NEW(a, Source);
    *source = (Source){.name = "test", .text = text, .len = strlen(text)};
    assert_int_equal(json_read(a, source, SEVERITY_ERROR, &n, &r), 0);
    Error e = ERROR_INIT;
    if (config_from_node(a, n, &mc, &e) < 0)
        fail_msg("%s", e.text);
    return mc;
}

typedef struct Target {
    const char *name, *system, *ignition;
    bool reboot;
} Target;
static const Target target_a = {"rendered-a", SYSTEM_A, config_a, false},
                    target_b_live = {"rendered-b", SYSTEM_A, config_b, false},
                    target_b = {"rendered-b", SYSTEM_B, config_b, true},
                    target_c = {"rendered-c", SYSTEM_A, config_c, false};

/* Everything is allowed without a reboot, so that a test says itself whether there is one. */
static int apply(FakeMachine *f, const Target *target, Error *e)
{
    _cleanup_arena_ Arena *a = arena_new();
    Report r = REPORT_INIT(a);
    MachineConfig *from = NULL, *to = config(a, target->name, target->system, target->ignition);
    MachineConfigDiff *d;
    static const DisruptionAction actions[] = {{DISRUPTION_DAEMON_RELOAD, NULL},
                                               {DISRUPTION_RESTART, "app.service"}};
    DisruptionEntry entries[] = {{actions[0], NULL, 0}, {actions[1], NULL, 0}};
    Disruption x = {
        .entries = entries, .n = target->reboot ? 0 : 2, .drain = target->reboot, .reboot = target->reboot};
    assert_int_equal(config_file_current(a, f->s.fd, &from, NULL), 0);
    assert_int_equal(machine_config_diff(a, from, to, &d, &r), 0);
    int k = node_apply(&f->m, a, d, &x, e);
    report_done(&r);
    return k;
}

static SettleResult settle(FakeMachine *f)
{
    _cleanup_arena_ Arena *a = arena_new();
    SettleResult result;
    const char *why;
    Error e = ERROR_INIT;
    if (node_apply_settle(&f->m, a, &result, &why, &e) < 0)
        fail_msg("%s", e.text);
    return result;
}

static void begin(FakeMachine *f)
{
    fake_open(f);
    scratch_write(&f->s, "/etc/admin.conf", "the admin's\n");
    fchmodat(f->s.fd, "etc/admin.conf", 0600, 0);
    scratch_write(&f->s, "/usr/lib/systemd/system/vendor.service",
                  "[Install]\nWantedBy=basic.target\nAlso=more.socket\n");
    scratch_write(&f->s, "/usr/lib/systemd/system/more.socket", "[Install]\nWantedBy=sockets.target\n");
    scratch_write(&f->s, "/usr/lib/systemd/system/getty@.service",
                  "[Install]\nWantedBy=getty-%i.target getty.target\n");
    scratch_write(&f->s, "/usr/lib/systemd/system/off.service", "[Install]\nWantedBy=multi-user.target\n");
    scratch_write(&f->s, "/etc/systemd/system/multi-user.target.wants/keep", "");
    assert_int_equal(symlinkat("/usr/lib/systemd/system/off.service", f->s.fd,
                               "etc/systemd/system/multi-user.target.wants/off.service"),
                     0);
    Error e = ERROR_INIT;
    if (apply(f, &target_a, &e) != 0)
        fail_msg("%s", e.text);
    unlinkat(f->s.fd, "services.log", 0);
    unlinkat(f->s.fd, "run/os/staged", 0);
}

static void expect_absent(const FakeMachine *f, const char *path)
{
    struct stat st;
    if (fstatat(f->s.fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        fail_msg("%s is there", path);
}

static void expect_link(const FakeMachine *f, const char *path, const char *target)
{
    char got[256] = "";
    if (readlinkat(f->s.fd, path, got, sizeof(got) - 1) < 0)
        fail_msg("%s is no link", path);
    assert_string_equal(got, target);
}

#define WANTS(target, unit) "etc/systemd/system/" target ".wants/" unit

static void expect_a(const FakeMachine *f)
{
    scratch_expect(&f->s, "/etc/chrony.conf", "a");
    scratch_expect(&f->s, "/etc/dropped", "a");
    scratch_expect(&f->s, "/home/core/.ssh/authorized_keys.d/ignition", "key a\n");
    expect_link(f, WANTS("multi-user.target", "app.service"), "/etc/systemd/system/app.service");
    expect_link(f, WANTS("timers.target", "old.timer"), "/etc/systemd/system/old.timer");
}

static void expect_b(const FakeMachine *f)
{
    struct stat st;
    scratch_expect(&f->s, "/etc/chrony.conf", "b");
    scratch_expect(&f->s, "/etc/admin.conf", "b");
    scratch_expect(&f->s, "/etc/some/new/file", "b");
    scratch_expect(&f->s, "/etc/systemd/system/app.service.d/10-x.conf", "[Service]\n");
    scratch_expect(&f->s, "/etc/shadow", "root:*:1::::::\ncore:$y$new:2:0:99999:7:::\nlast:*:3::::::\n");
    scratch_expect(&f->s, "/home/core/.ssh/authorized_keys.d/ignition", "key a\nkey b\n");
    assert_int_equal(fstatat(f->s.fd, "etc/chrony.conf", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(fstatat(f->s.fd, "etc/admin.conf", &st, 0), 0);
    assert_int_equal(st.st_uid, 1000);
    assert_int_equal(st.st_gid, 10);
    assert_int_equal(fstatat(f->s.fd, "etc/shadow", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    expect_absent(f, "etc/dropped");
    expect_absent(f, "etc/systemd/system/old.timer");
    expect_absent(f, WANTS("timers.target", "old.timer"));
    expect_absent(f, WANTS("multi-user.target", "app.service"));
    expect_absent(f, WANTS("multi-user.target", "off.service"));
    expect_link(f, WANTS("graphical.target", "app.service"), "/etc/systemd/system/app.service");
    expect_link(f, "etc/systemd/system/other.service", "/etc/systemd/system/app.service");
    expect_link(f, "etc/systemd/system/masked.service", "/dev/null");
    expect_link(f, WANTS("basic.target", "vendor.service"), "/usr/lib/systemd/system/vendor.service");
    expect_link(f, WANTS("sockets.target", "more.socket"), "/usr/lib/systemd/system/more.socket");
    expect_link(f, WANTS("getty-tty9.target", "getty@tty9.service"),
                "/usr/lib/systemd/system/getty@.service");
    expect_link(f, WANTS("getty.target", "getty@tty9.service"), "/usr/lib/systemd/system/getty@.service");
}

static void test_apply_and_release(void **state)
{
    (void)state;
    FakeMachine f;
    struct stat st;
    begin(&f);
    expect_a(&f);
    assert_int_equal(apply(&f, &target_b_live, NULL), 0);
    expect_b(&f);
    scratch_expect(&f.s, "/services.log", "DaemonReload\nRestart app.service\n");
    assert_int_equal(apply(&f, &target_c, NULL), 0);
    scratch_expect(&f.s, "/etc/admin.conf", "the admin's\n"); /* as it was taken over */
    assert_int_equal(fstatat(f.s.fd, "etc/admin.conf", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_uid, 0);
    expect_absent(&f, "etc/machine-config-daemon/orig/etc/admin.conf.mcdorig");
    expect_absent(&f, "etc/machine-config-daemon/noorig/etc/some/new/file.mcdnoorig");
    expect_absent(&f, "etc/some/new/file");
    expect_absent(&f, "etc/systemd/system/masked.service");
    expect_absent(&f, "etc/systemd/system/other.service");
    expect_absent(&f, "home/core/.ssh/authorized_keys.d/ignition");
    scratch_expect(&f.s, "/etc/shadow", "root:*:1::::::\ncore:*:2:0:99999:7:::\nlast:*:3::::::\n");
    assert_int_equal(settle(&f), SETTLE_NOTHING);
    scratch_close(&f.s);
}

/* A path that was in a config from the first boot on has no former state; what the image has comes. */
static void test_release_to_the_image(void **state)
{
    (void)state;
    FakeMachine f;
    begin(&f);
    unlinkat(f.s.fd, "etc/machine-config-daemon/noorig/etc/dropped.mcdnoorig", 0);
    scratch_write(&f.s, "/usr/etc/dropped", "the image's\n");
    assert_int_equal(apply(&f, &target_c, NULL), 0);
    scratch_expect(&f.s, "/etc/dropped", "the image's\n");
    scratch_close(&f.s);
}

static void test_reboot_arrives(void **state)
{
    (void)state;
    FakeMachine f;
    begin(&f);
    assert_int_equal(apply(&f, &target_b, NULL), 1);
    expect_b(&f);
    scratch_expect(&f.s, "/run/os/staged", "quay.io/os@sha256:2222\nhugepages=1 hugepages=2 nosmt ");
    assert_int_equal(settle(&f), SETTLE_REBOOT); /* the daemon died before it came */
    fake_boot(&f, true);
    assert_int_equal(settle(&f), SETTLE_ARRIVED);
    expect_b(&f);
    assert_int_equal(settle(&f), SETTLE_NOTHING);
    expect_absent(&f, "etc/machine-config-daemon/undo");
    scratch_close(&f.s);
}

static void test_other_system_boots(void **state)
{
    (void)state;
    FakeMachine f;
    _cleanup_arena_ Arena *a = arena_new();
    FailedConfig failed;
    begin(&f);
    _cleanup_free_ char *was = tree_text(f.s.fd);
    assert_int_equal(apply(&f, &target_b, NULL), 1);
    fake_boot(&f, false);
    assert_int_equal(settle(&f), SETTLE_OS_FAILED);
    assert_int_equal(node_apply_failed(&f.m, a, &failed, NULL), 0);
    assert_string_equal(failed.config, "rendered-b");
    assert_string_equal(failed.why, "booted sha256:1111, not quay.io/os@sha256:2222");
    assert_true(failed.reboot);
    fake_boot(&f, false);
    assert_int_equal(node_apply_failed(&f.m, a, &failed, NULL), 0);
    assert_false(failed.reboot);
    assert_int_equal(node_apply_forget_failed(&f.m, NULL), 0);
    assert_int_equal(node_apply_failed(&f.m, a, &failed, NULL), 0);
    assert_null(failed.config);
    tree_expect(f.s.fd, was);
    scratch_close(&f.s);
}

static void test_failing_service(void **state)
{
    (void)state;
    FakeMachine f;
    Error e = ERROR_INIT;
    begin(&f);
    _cleanup_free_ char *was = tree_text(f.s.fd);
    f.fail_service = "app.service";
    assert_int_equal(apply(&f, &target_b_live, &e), -EIO);
    assert_string_equal(e.text, "app.service failed");
    scratch_expect(&f.s, "/services.log",
                   "DaemonReload\nRestart app.service\nDaemonReload\nRestart app.service\n");
    unlinkat(f.s.fd, "services.log", 0);
    tree_expect(f.s.fd, was);
    scratch_close(&f.s);
}

static void test_failing_registry(void **state)
{
    (void)state;
    FakeMachine f;
    Error e = ERROR_INIT;
    begin(&f);
    _cleanup_free_ char *was = tree_text(f.s.fd);
    f.fail_stage = true;
    assert_int_equal(apply(&f, &target_b, &e), -EHOSTUNREACH);
    assert_string_equal(e.text, "the registry is away");
    tree_expect(f.s.fd, was);
    scratch_close(&f.s);
}

/* ---- at every step ---- */

typedef struct Steps {
    unsigned n, stop;
    bool kill;
} Steps;

static int count_step(void *context, const char *what)
{
    Steps *s = context;
    (void)what;
    if (++s->n != s->stop)
        return 0;
    if (s->kill)
        kill(getpid(), SIGKILL);
    return -EIO;
}

static void fail_each_step(const Target *target)
{
    for (unsigned stop = 1;; stop++) {
        FakeMachine f;
        Steps steps = {.stop = stop};
        const TransactionHooks hooks = {count_step, &steps};
        begin(&f);
        _cleanup_free_ char *was = tree_text(f.s.fd);
        f.m.hooks = &hooks;
        int r = apply(&f, target, NULL);
        f.m.hooks = NULL;
        unlinkat(f.s.fd, "services.log", 0);
        if (r >= 0) {
            scratch_close(&f.s);
            break;
        }
        (void)settle(&f); /* where going back failed, too */
        tree_expect(f.s.fd, was);
        scratch_close(&f.s);
    }
}

static void test_failed_at_each_step(void **state)
{
    (void)state;
    fail_each_step(&target_b);
    fail_each_step(&target_b_live);
}

static bool killed(FakeMachine *f, const Target *target, unsigned stop)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        Steps steps = {.stop = stop, .kill = true};
        const TransactionHooks hooks = {count_step, &steps};
        f->m.hooks = &hooks;
        int r = target ? apply(f, target, NULL) : (int)settle(f);
        _exit(r < 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

static void kill_each_step(const Target *target)
{
    for (unsigned stop = 1, more = 1; more; stop++) {
        FakeMachine f;
        begin(&f);
        _cleanup_free_ char *was = tree_text(f.s.fd);
        more = killed(&f, target, stop);
        if (more)
            (void)killed(&f, NULL, 1 + stop % 7); /* and again, while it goes back */
        SettleResult result = settle(&f);
        unlinkat(f.s.fd, "services.log", 0);
        _cleanup_free_ char *now = tree_text(f.s.fd);
        if (result == SETTLE_REBOOT || strcmp(now, was))
            expect_b(&f); /* all of it, or nothing */
        else
            expect_a(&f);
        scratch_close(&f.s);
    }
}

static void test_killed_at_each_step(void **state)
{
    (void)state;
    kill_each_step(&target_b);
    kill_each_step(&target_b_live);
}

static void test_killed_after_a_bad_boot(void **state)
{
    (void)state;
    for (unsigned stop = 1, more = 1; more; stop++) {
        FakeMachine f;
        begin(&f);
        _cleanup_free_ char *was = tree_text(f.s.fd);
        assert_int_equal(apply(&f, &target_b, NULL), 1);
        fake_boot(&f, false);
        more = killed(&f, NULL, stop);
        (void)settle(&f);
        assert_int_equal(node_apply_forget_failed(&f.m, NULL), 0);
        tree_expect(f.s.fd, was);
        scratch_close(&f.s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply_and_release),       cmocka_unit_test(test_release_to_the_image),
        cmocka_unit_test(test_reboot_arrives),          cmocka_unit_test(test_other_system_boots),
        cmocka_unit_test(test_failing_service),         cmocka_unit_test(test_failing_registry),
        cmocka_unit_test(test_failed_at_each_step),     cmocka_unit_test(test_killed_at_each_step),
        cmocka_unit_test(test_killed_after_a_bad_boot),
    };
    if (geteuid() != 0)
        return 77;
    umask(022);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
