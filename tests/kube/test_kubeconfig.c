/* Kubeconfigs that are good, and those that are not: with the place of the fault and without what is secret.
 */
#include "../scratch.h"

#include "kube/kubeconfig.h"

#define CLUSTER "clusters: [{name: c, cluster: {server: 'https://h:6443'}}]\n"
#define USER    "users: [{name: u, user: {token: hush}}]\n"
#define CONTEXT "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"

static int read_text(Arena *a, const char *text, const char *context, KubeConfig *c, Buf *said)
{
    _cleanup_report_ Report report = REPORT_INIT(a);
    Source source = {.name = "config", .text = text, .len = strlen(text), .secret = true};
    int r =
        kubeconfig_read(a, &source, &(KubeconfigOptions){.context = context, .directory = "/d"}, c, &report);
    report_write(&report, REPORT_TEXT, said);
    return r;
}

static void expect_finding(const char *text, const char *finding)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf said = BUF_INIT;
    KubeConfig c;
    assert_true(read_text(a, text, NULL, &c, &said) < 0);
    if (!strstr(said.data, finding))
        fail_msg("'%s' is not in '%s'", finding, said.data);
    assert_null(strstr(said.data, "hush"));
}

static void test_inline(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf said = BUF_INIT;
    KubeConfig c;
    static const char text[] =
        "clusters:\n- name: c\n  cluster:\n    server: https://api.example.com:6443/k/\n"
        "    certificate-authority: ca.crt\n    certificate-authority-data: Q0E=\n"
        "    tls-server-name: other\n    proxy-url: http://p:1\n"
        "users:\n- name: u\n  user: {client-certificate-data: Q0U=, client-key: key.pem}\n"
        "- name: v\n  user: {token: hush, tokenFile: /t}\n"
        "contexts:\n- name: x\n  context: {cluster: c, user: u, namespace: n}\n"
        "- name: y\n  context: {cluster: c, user: v}\n"
        "- name: z\n  context: {cluster: c}\n"
        "current-context: x\n";
    assert_int_equal(read_text(a, text, NULL, &c, &said), 0);
    assert_string_equal(c.server, "https://api.example.com:6443/k");
    assert_string_equal(c.authority.text, "CA");
    assert_null(c.authority.file);
    assert_string_equal(c.tls_server_name, "other");
    assert_string_equal(c.proxy, "http://p:1");
    assert_string_equal(c.certificate.text, "CE");
    assert_string_equal(c.key.file, "/d/key.pem");
    assert_string_equal(c.namespace, "n");
    assert_int_equal(read_text(a, text, "y", &c, &said), 0);
    assert_string_equal(c.token.file, "/t");
    assert_null(c.token.text);
    assert_string_equal(c.namespace, "default");
    assert_int_equal(read_text(a, text, "z", &c, &said), 0);
    assert_null(c.token.file);
    assert_int_equal(said.len, 0);
    assert_int_equal(read_text(a, text, "w", &c, &said), -EINVAL);
    assert_non_null(strstr(said.data, "there is no context of the name 'w'"));
}

static void test_servers(void **state)
{
    (void)state;
    static const char *const good[] = {"https://h",        "https://h:1/",        "https://[::1]:6443/a/b",
                                       "https://10.0.0.1", "http://localhost:80", "http://127.0.0.5",
                                       "http://[::1]:8"};
    static const char *const bad[] = {"h",
                                      "ftp://h",
                                      "https://",
                                      "https://u:p@h",
                                      "https://h:x",
                                      "https://h:70000",
                                      "https://h?q",
                                      "https://h/a#b",
                                      "http://h",
                                      "http://10.0.0.1",
                                      "https://h/ a",
                                      "http://127.0.0.1.example.com",
                                      "https://[::1",
                                      "https://h/a@b"};
    for (size_t i = 0; i < ELEMENTS(good) + ELEMENTS(bad); i++) {
        _cleanup_arena_ Arena *a = arena_new();
        _cleanup_buf_ Buf said = BUF_INIT;
        bool expected = i < ELEMENTS(good);
        const char *url = expected ? good[i] : bad[i - ELEMENTS(good)];
        KubeConfig c;
        char *text = arena_printf(a, "clusters: [{name: c, cluster: {server: '%s'}}]\n" USER CONTEXT, url);
        int r = read_text(a, text, NULL, &c, &said);
        if ((r >= 0) != expected)
            fail_msg("%s: %d %s", url, r, said.len ? said.data : "");
    }
}

static void test_findings(void **state)
{
    (void)state;
    expect_finding("", "the text is empty");
    expect_finding("[]", "expected a mapping");
    expect_finding(CLUSTER USER "contexts: []\n", "no context is chosen");
    expect_finding(CLUSTER USER "contexts: []\ncurrent-context: x\n",
                   "config:4:18: error: $.contexts: there is no context of the name 'x'");
    expect_finding("clusters: []\n" USER CONTEXT, "there is no cluster of the name 'c'");
    expect_finding(CLUSTER "users: 7\n" CONTEXT, "config:2:8: error: $.users: expected a list");
    expect_finding("clusters: [{name: c, cluster: {}}]\n" USER CONTEXT, "the cluster has no server");
    expect_finding("clusters: [{name: c, cluster: {server: 'https://h', certificate-authority: a, "
                   "insecure-skip-tls-verify: true}}]\n" USER CONTEXT,
                   "exclude each other");
    expect_finding(CLUSTER "users: [{name: u, user: {client-key-data: '**hush**'}}]\n" CONTEXT,
                   "$.users.0.user.client-key-data: expected PEM in base64");
    expect_finding(CLUSTER "users: [{name: u, user: {client-key: k}}]\n" CONTEXT,
                   "the key has no certificate");
    expect_finding(CLUSTER "users: [{name: u, user: {exec: {command: x}}}]\n" CONTEXT,
                   "config:2:26: error: $.users.0.user.exec: 'exec' is not supported");
    expect_finding(CLUSTER "users: [{name: u, user: {username: a, password: hush}}]\n" CONTEXT,
                   "'password' is not supported");
    expect_finding(CLUSTER "users: [{name: u, user: {token: \"hush\\nX-Evil: 1\"}}]\n" CONTEXT,
                   "expected a string of one line");
    expect_finding("kind: Pod\n" CLUSTER USER CONTEXT, "expected Config");
}

static void test_files(void **state)
{
    (void)state;
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_report_ Report report = REPORT_INIT(a);
    Scratch s = scratch_open();
    KubeConfig c;
    char *path = arena_printf(a, "%s/sub/config", s.path), *token = arena_printf(a, "%s/sub/t", s.path);
    scratch_write(&s, "sub/config", CLUSTER "users: [{name: u, user: {tokenFile: t}}]\n" CONTEXT);
    assert_int_equal(kubeconfig_load(a, path, NULL, &c, &report), 0);
    assert_string_equal(c.token.file, token);
    assert_int_equal(kubeconfig_load(a, arena_printf(a, "%s/none", s.path), NULL, &c, &report), -ENOENT);
    assert_int_equal(report.errors, 1);

    Error e = ERROR_INIT;
    scratch_write(&s, "sub/namespace", "ours\n");
    char *directory = arena_printf(a, "%s/sub", s.path);
    assert_int_equal(kubeconfig_of_pod(a, directory, "fd00::1", "443", &c, &e), 0);
    assert_string_equal(c.server, "https://[fd00::1]:443");
    assert_string_equal(c.namespace, "ours");
    assert_int_equal(kubeconfig_of_pod(a, directory, NULL, "443", &c, &e), -ENOENT);
    assert_int_equal(kubeconfig_of_pod(a, directory, "a b", "443", &c, &e), -EINVAL);
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inline),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
