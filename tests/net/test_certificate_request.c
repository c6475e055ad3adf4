/* Requests of our own are read by OpenSSL's program, and requests of that program by us: good ones and those
 * that must be refused. */
#include "../scratch.h"

#include <stdio.h>

#include "net/certificate_request.h"

static const char *const DNS[] = {"node1", "Node1.Example.com", NULL};
static const char *const IP[] = {"192.0.2.7", "2001:db8::7", NULL};

static void shell(const Scratch *s, const char *command)
{
    char line[4096];
    snprintf(line, sizeof(line), "cd %s && { %s; } >out 2>&1 || { cat out >&2; false; }", s->path, command);
    assert_int_equal(system(line), 0);
}

static int read_file(const Scratch *s, const char *name, CertificateRequest **ret, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    assert_int_equal(root_read(s->fd, name, 1 << 20, &text), 0);
    return certificate_request_read(text.data, text.len, ret, e);
}

static void test_round(void **state _unused_)
{
    for (KeyKind kind = KEY_P256; kind <= KEY_RSA2048; kind++) {
        Scratch s = scratch_open();
        _cleanup_(key_pair_freep)
        KeyPair *key = NULL;
        _cleanup_(certificate_request_freep)
        CertificateRequest *q = NULL;
        _cleanup_buf_ Buf text = BUF_INIT;
        char id[KEY_ID_SIZE], read_id[KEY_ID_SIZE];
        assert_int_equal(key_pair_new(kind, &key, NULL), 0);
        CertificateSpec spec = {
            .common_name = "system:node:node1", .organization = "system:nodes", .dns = DNS, .ip = IP};
        assert_int_equal(certificate_request_make(&spec, key, &text, NULL), 0);
        scratch_write(&s, "q", text.data);
        shell(&s, "openssl req -verify -noout -in q && openssl req -noout -text -in q | grep -q "
                  "'DNS:node1, DNS:Node1.Example.com, IP Address:192.0.2.7, IP "
                  "Address:2001:DB8:0:0:0:0:0:7'");
        assert_int_equal(certificate_request_read(text.data, text.len, &q, NULL), 0);
        assert_string_equal(q->names.common_name, "system:node:node1");
        assert_int_equal(q->names.n_organizations, 1);
        assert_string_equal(q->names.organizations[0], "system:nodes");
        assert_string_equal(q->names.dns[1], "node1.example.com");
        assert_string_equal(q->names.ip[1], "2001:db8::7");
        assert_null(q->names.ip[2]);
        assert_int_equal(q->other_extensions + q->names.other_names + q->names.other_subject, 0);
        key_pair_id(key, id);
        key_pair_id(q->key, read_id);
        assert_string_equal(id, read_id);
        scratch_close(&s);
    }
}

/* The signer says what it is good for and for how long; the request only brings the key. */
static void test_signed(void **state _unused_)
{
    Scratch s = scratch_open();
    _cleanup_(key_pair_freep)
    KeyPair *ca_key = NULL;
    _cleanup_(certificate_freep)
    Certificate *ca = NULL, *c = NULL;
    _cleanup_(certificate_request_freep)
    CertificateRequest *q = NULL;
    _cleanup_buf_ Buf text = BUF_INIT;
    CertificateNames names;
    shell(&s, "openssl req -new -newkey rsa:2048 -nodes -keyout k -subj /O=system:nodes/CN=n -out q -addext "
              "basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign");
    assert_int_equal(read_file(&s, "q", &q, NULL), 0);
    assert_true(q->authority);
    assert_int_equal(q->other_extensions, 1);
    assert_int_equal(key_pair_new(KEY_P256, &ca_key, NULL), 0);
    CertificateSpec spec = {
        .common_name = "ca", .use = CERTIFICATE_CA, .not_before = 1000, .not_after = 2000};
    assert_int_equal(certificate_issue(&spec, ca_key, NULL, ca_key, &ca, NULL), 0);
    spec = (CertificateSpec){
        .common_name = "n", .use = CERTIFICATE_CLIENT, .not_before = 1100, .not_after = 1200};
    assert_int_equal(certificate_issue(&spec, q->key, ca, ca_key, &c, NULL), 0);
    certificate_write(ca, &text);
    assert_int_equal(certificate_verify(c, text.data, q->key, 1150, NULL), 0);
    assert_true(certificate_signed_by(c, ca_key) && !certificate_is_authority(c));
    assert_int_equal(certificate_names(q->arena, c, &names, NULL), 0);
    assert_string_equal(names.common_name, "n");
    assert_null(names.dns);
    scratch_close(&s);
}

#define REQ "openssl req -new -nodes -keyout k -out q "
static const struct {
    const char *command, *message;
} refused[] = {
    {REQ "-newkey rsa:1024 -subj /CN=n", "an RSA key of 1024 bits"},
    {REQ "-newkey ec -pkeyopt ec_paramgen_curve:P-521 -subj /CN=n", "neither RSA nor"},
    {REQ "-newkey ec -pkeyopt ec_paramgen_curve:secp256k1 -subj /CN=n", "neither RSA nor"},
    {REQ "-newkey ed25519 -subj /CN=n", "neither RSA nor"},
    {REQ "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=a/CN=b", "two common names"},
    {REQ "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=n -addext 'subjectAltName=DNS:a b'",
     "DNS name"},
    {REQ
     "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=n -addext subjectAltName=DER:3006820461006263",
     "characters that no name has"},
    {REQ "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=n -addext subjectAltName=DER:30058703010203",
     "an IP address of 3 bytes"},
    {REQ "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=n -addext subjectAltName=DER:0401",
     "cannot be read"},
    {REQ "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=n -addext subjectAltName="
         "$(seq -f DNS:n%g -s, 65)",
     "more than 64 names"},
    {REQ "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=n && cat k >>q", "something stands behind"},
    {REQ
     "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=n && openssl req -in q -outform DER -out d && "
     "printf XX | dd of=d bs=1 seek=$(($(stat -c %s d)-2)) conv=notrunc && openssl req -inform DER -in d "
     "-out q",
     "not signed by its key"},
    {"openssl genrsa 2048 >q", "not one certificate request"},
    {"head -c 20000 /dev/zero | tr '\\0' a >q", "not one certificate request"},
};

static void test_refused(void **state _unused_)
{
    for (size_t i = 0; i < ELEMENTS(refused); i++) {
        Scratch s = scratch_open();
        CertificateRequest *q = NULL;
        Error e = ERROR_INIT;
        shell(&s, refused[i].command);
        if (read_file(&s, "q", &q, &e) >= 0 || !strstr(e.text, refused[i].message))
            fail_msg("%s: %s", refused[i].command, e.text);
        scratch_close(&s);
    }
}

static void test_told(void **state _unused_)
{
    Scratch s = scratch_open();
    _cleanup_(certificate_request_freep)
    CertificateRequest *q = NULL;
    shell(&s, REQ "-newkey ec -pkeyopt ec_paramgen_curve:P-384 -subj /O=a/O=b/C=DE/CN=n -addext "
                  "subjectAltName=DNS:x,email:a@b.example,URI:https://x.example,IP:::1");
    assert_int_equal(read_file(&s, "q", &q, NULL), 0);
    assert_int_equal(q->names.n_organizations, 2);
    assert_int_equal(q->names.other_subject, 1);
    assert_int_equal(q->names.other_names, 2);
    assert_string_equal(q->names.ip[0], "::1");
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_signed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
