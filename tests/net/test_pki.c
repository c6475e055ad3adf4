/* What is issued is read by OpenSSL's own program, whose verdict does not come from our code. */
#include "../scratch.h"

#include <stdio.h>

#include "net/pki.h"

static const time_t NOW = 1700000000;
static const char LONG_NAME[] = "system:openshift:openshift-authenticator-of-a-name-past-sixty-four-bytes!";

static void put(const Scratch *s, const char *file, const Certificate *c, const KeyPair *k)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (c)
        certificate_write(c, &b);
    else
        key_pair_write_private(k, &b);
    scratch_write(s, file, b.data);
}

static char *shell(const Scratch *s, const char *command)
{
    char line[1024], piece[4096];
    Buf out = BUF_INIT;
    snprintf(line, sizeof(line), "cd %s && %s 2>&1", s->path, command);
    FILE *p = popen(line, "re");
    assert_non_null(p);
    for (size_t n; (n = fread(piece, 1, sizeof(piece), p)) > 0;)
        buf_add(&out, piece, n);
    assert_int_equal(pclose(p), 0);
    return buf_take(&out);
}

static Certificate *issue(const CertificateSpec *spec, const KeyPair *k, const Certificate *ca,
                          const KeyPair *ca_key)
{
    Certificate *c = NULL;
    Error e = ERROR_INIT;
    if (certificate_issue(spec, k, ca, ca_key, &c, &e) < 0)
        fail_msg("%s", e.text);
    return c;
}

static const char *const DNS[] = {"api.example.com", "*.apps.example.com", NULL};
static const char *const IP[] = {"192.0.2.1", "::1", NULL};

static void check(KeyKind kind, const char *label, const char *usage)
{
    Scratch s = scratch_open();
    _cleanup_(key_pair_freep)
    KeyPair *ca_key = NULL, *key = NULL;
    assert_int_equal(key_pair_new(kind, &ca_key, NULL), 0);
    assert_int_equal(key_pair_new(kind, &key, NULL), 0);
    _cleanup_(certificate_freep)
    Certificate *ca = issue(&(CertificateSpec){.common_name = "root",
                                               .unit = "u",
                                               .use = CERTIFICATE_CA,
                                               .not_before = NOW,
                                               .not_after = NOW + 1000},
                            ca_key, NULL, ca_key);
    _cleanup_(certificate_freep)
    Certificate *leaf = issue(&(CertificateSpec){.common_name = LONG_NAME,
                                                 .organization = "system:masters",
                                                 .use = CERTIFICATE_SERVER | CERTIFICATE_CLIENT,
                                                 .dns = DNS,
                                                 .ip = IP,
                                                 .not_before = NOW,
                                                 .not_after = NOW + 100},
                              key, ca, ca_key);
    put(&s, "ca.crt", ca, NULL);
    put(&s, "leaf.crt", leaf, NULL);
    put(&s, "leaf.key", NULL, key);
    _cleanup_free_ char *head = shell(&s, "head -1 leaf.key");
    assert_string_equal(head, label);
    _cleanup_free_ char *verdict =
        shell(&s, "openssl verify -x509_strict -attime 1700000050 -purpose sslserver -verify_ip ::1 "
                  "-verify_hostname x.apps.example.com -CAfile ca.crt leaf.crt");
    assert_string_equal(verdict, "leaf.crt: OK\n");
    _cleanup_free_ char *text = shell(&s, "openssl x509 -noout -text -nameopt utf8 -in leaf.crt");
    assert_non_null(strstr(text, LONG_NAME));
    assert_non_null(strstr(text, usage));
    assert_non_null(strstr(text, "X509v3 Basic Constraints: critical\n                CA:FALSE"));
    assert_non_null(strstr(text, "X509v3 Subject Key Identifier"));
    assert_non_null(strstr(text, "X509v3 Authority Key Identifier"));
    assert_non_null(strstr(text, "TLS Web Client Authentication, TLS Web Server Authentication"));
    assert_non_null(strstr(
        text,
        "DNS:api.example.com, DNS:*.apps.example.com, IP Address:192.0.2.1, IP Address:0:0:0:0:0:0:0:1"));
    assert_null(strstr(text, "(Negative)"));

    _cleanup_buf_ Buf bundle = BUF_INIT, pem = BUF_INIT;
    certificate_write(ca, &bundle);
    assert_int_equal(certificate_verify(leaf, bundle.data, key, NOW + 50, NULL), 0);
    assert_true(certificate_verify(leaf, bundle.data, ca_key, NOW + 50, NULL) < 0);
    assert_int_equal(certificate_verify(leaf, bundle.data, NULL, NOW + 101, NULL), -EKEYREJECTED);
    assert_int_equal(certificate_verify(leaf, bundle.data, NULL, NOW - 1, NULL), -EKEYREJECTED);
    assert_int_equal(certificate_verify(leaf, "", NULL, NOW + 50, NULL), -EKEYREJECTED);
    assert_int_equal(certificate_not_before(leaf), NOW);
    assert_int_equal(certificate_not_after(leaf), NOW + 100);
    char name[128];
    assert_string_equal(certificate_common_name(leaf, name, sizeof(name)), LONG_NAME);

    _cleanup_(key_pair_freep)
    KeyPair *again = NULL;
    key_pair_write_private(key, &pem);
    assert_int_equal(key_pair_read(pem.data, pem.len, &again, NULL), 0);
    assert_int_equal(certificate_verify(leaf, bundle.data, again, NOW + 50, NULL), 0);
    scratch_close(&s);
}

static void test_p256(void **state)
{
    (void)state;
    check(KEY_P256, "-----BEGIN EC PRIVATE KEY-----\n",
          "X509v3 Key Usage: critical\n                Digital Signature\n");
}

static void test_rsa(void **state)
{
    (void)state;
    check(KEY_RSA2048, "-----BEGIN RSA PRIVATE KEY-----\n",
          "X509v3 Key Usage: critical\n                Digital Signature, Key Encipherment\n");
}

static void test_refused(void **state)
{
    (void)state;
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL, *none = NULL;
    Certificate *c = NULL;
    assert_int_equal(key_pair_new(KEY_P256, &key, NULL), 0);
    static const char *const injected[] = {"a.example.com,IP:192.0.2.9", NULL}, *const no_ip[] = {"192.0.2",
                                                                                                  NULL};
    CertificateSpec spec = {.common_name = "x", .dns = injected, .not_before = NOW, .not_after = NOW + 1};
    assert_true(certificate_issue(&spec, key, NULL, key, &c, NULL) < 0);
    spec.dns = NULL;
    spec.ip = no_ip;
    assert_true(certificate_issue(&spec, key, NULL, key, &c, NULL) < 0);
    assert_null(c);
    assert_true(key_pair_read("no key", 6, &none, NULL) < 0);
    assert_true(certificate_read("no certificate", 14, &c, NULL) < 0);
    /* A kind that has no traditional label, so that it could not be written. */
    static const char ed25519[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
                                  "-----END PRIVATE KEY-----\n";
    Error e = ERROR_INIT;
    assert_int_equal(key_pair_read(ed25519, strlen(ed25519), &none, &e), -EINVAL);
    assert_string_equal(e.text, "a private key that is neither RSA nor EC");
}

static char *seeded(const char *seed, KeyKind kind)
{
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL;
    _cleanup_buf_ Buf b = BUF_INIT;
    pki_seed(seed);
    assert_int_equal(key_pair_new(kind, &key, NULL), 0);
    _cleanup_(certificate_freep)
    Certificate *c = issue(
        &(CertificateSpec){
            .common_name = "x", .use = CERTIFICATE_CA, .not_before = NOW, .not_after = NOW + 1},
        key, NULL, key);
    key_pair_write_private(key, &b);
    certificate_write(c, &b);
    char hash[128];
    assert_int_equal(password_hash("p", hash, NULL), 0);
    assert_memory_equal(hash, "$2b$10$", 7);
    buf_add_str(&b, hash);
    return buf_take(&b);
}

/* Last: the seed stays for the rest of the process. */
static void test_seed(void **state)
{
    (void)state;
    for (KeyKind kind = KEY_P256; kind <= KEY_RSA2048; kind++) {
        _cleanup_free_ char *a = seeded("one", kind), *b = seeded("one", kind), *c = seeded("two", kind);
        assert_string_equal(a, b);
        assert_string_not_equal(a, c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_p256), cmocka_unit_test(test_rsa),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
