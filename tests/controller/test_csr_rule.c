/* A table of requests and what becomes of each: those that nodes make, and what somebody would try who has
 * the bootstrap credentials of every machine, or one node. */
#include "../scratch.h"

#include <stdio.h>

#include "controller/csr_rule.h"
#include "format/data_url.h"
#include "format/json.h"

#define SA "system:serviceaccount:openshift-machine-config-operator:node-bootstrapper"
#define SA_GROUPS                                                                                            \
    "'system:serviceaccounts','system:serviceaccounts:openshift-machine-config-operator','system:"           \
    "authenticated'"
#define TOKEN_GROUPS                                                                                         \
    "'system:bootstrappers','system:bootstrappers:kubeadm:default-node-token','system:authenticated'"
#define NODE_GROUPS "'system:nodes','system:authenticated'"
#define CLIENT      "'key encipherment','digital signature','client auth'"
#define SERVER      "'digital signature','key encipherment','server auth'"
enum { INSTALLED = 1767225600, WINDOW = 7200 };

typedef enum There { ABSENT, PREPARED, JOINED } There;

typedef struct Case {
    const char *what;
    CsrVerdict verdict;
    const char *reason;
    const char *user, *groups, *usages, *cn; /* NULL: as a bootstrapper has them */
    const char *o;                           /* NULL: system:nodes */
    const char *dns, *ip;
    const char *openssl; /* makes the request instead */
    const char *claimed, *expected, *signer, *status;
    bool serving, other_key;
    There there;
    int late;
} Case;

#define NODE_N1 .user = "system:node:n1", .groups = NODE_GROUPS
#define SERVES  .serving = true, .usages = SERVER, NODE_N1, .there = JOINED
#define REQ     "openssl req -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout k -out q "

static const Case cases[] = {
    /* joining */
    {"installing, by service account", CSR_APPROVE, "Installing"},
    {"installing, by token", CSR_APPROVE, "Installing", .user = "system:bootstrap:abcdef",
     .groups = TOKEN_GROUPS},
    {"usages of a P-256 key", CSR_APPROVE, "Installing", .usages = "'digital signature','client auth'"},
    {"node made beforehand, not joined", CSR_APPROVE, "Installing", .there = PREPARED},
    {"expected, long after", CSR_APPROVE, "NodeExpected", .late = 1000000, .expected = "n1"},
    {"not expected, long after", CSR_LEAVE, "NodeNotExpected", .late = 1000000, .expected = "n2"},
    {"a second too late", CSR_LEAVE, "NodeNotExpected", .late = WINDOW + 1},
    {"older than the cluster", CSR_LEAVE, "NodeNotExpected", .late = -11},
    {"decided already", CSR_LEAVE, "Decided", .status = "{'conditions':[{'type':'Denied'}]}"},
    {"another signer", CSR_LEAVE, "OtherSigner", .signer = "kubernetes.io/kube-apiserver-client"},
    {"legacy signer", CSR_LEAVE, "OtherSigner", .signer = "kubernetes.io/legacy-unknown"},
    /* with the bootstrap credentials */
    {"take over a node", CSR_LEAVE, "NodeExists", .there = JOINED},
    {"take over a node that is expected", CSR_LEAVE, "NodeExists", .there = JOINED, .expected = "n1"},
    {"race a node that was just approved", CSR_LEAVE, "OtherKey", .other_key = true},
    {"become admin by organization", CSR_DENY, "Misshapen", .o = "system:masters"},
    {"become admin by name", CSR_DENY, "Misshapen", .cn = "system:admin"},
    {"become admin beside a node", CSR_DENY, "Misshapen",
     .openssl = REQ "-subj /O=system:nodes/O=system:masters/CN=system:node:n1"},
    {"no organization", CSR_DENY, "Misshapen", .openssl = REQ "-subj /CN=system:node:n1"},
    {"organization twice", CSR_DENY, "Misshapen",
     .openssl = REQ "-subj /O=system:nodes/O=system:nodes/CN=system:node:n1"},
    {"no name", CSR_DENY, "Misshapen", .cn = "system:node:"},
    {"name with a colon", CSR_DENY, "Misshapen", .cn = "system:node:n1:x"},
    {"name with capitals", CSR_DENY, "Misshapen", .cn = "system:node:N1"},
    {"name that ends in a dot", CSR_DENY, "Misshapen", .cn = "system:node:n1."},
    {"name with a slash", CSR_DENY, "Misshapen", .cn = "system:node:../n1"},
    {"prefix in capitals", CSR_DENY, "Misshapen", .cn = "System:Node:n1"},
    {"the API as a node", CSR_DENY, "ReservedName", .cn = "system:node:api-int.test.example.com", .late = 5},
    {"a client with a server's names", CSR_DENY, "Misshapen", .dns = "api-int.test.example.com"},
    {"a client with an address", CSR_DENY, "Misshapen", .ip = "192.0.2.1"},
    {"a client that serves", CSR_DENY, "Misshapen",
     .usages = "'digital signature','key encipherment','client auth','server auth'"},
    {"a client that only serves", CSR_DENY, "Misshapen", .usages = SERVER},
    {"a client that signs certificates", CSR_DENY, "Misshapen",
     .usages = "'digital signature','cert sign','client auth'"},
    {"usages repeated to fill the number", CSR_DENY, "Misshapen",
     .usages = "'digital signature','digital signature','client auth'"},
    {"any usage", CSR_DENY, "Misshapen", .usages = "'any'"},
    {"no usages", CSR_DENY, "Misshapen", .usages = ""},
    {"a unit", CSR_DENY, "Misshapen", .openssl = REQ "-subj /O=system:nodes/OU=x/CN=system:node:n1"},
    {"a country", CSR_DENY, "Misshapen", .openssl = REQ "-subj /C=DE/O=system:nodes/CN=system:node:n1"},
    {"an authority", CSR_DENY, "Misshapen",
     .openssl = REQ "-subj /O=system:nodes/CN=system:node:n1 -addext basicConstraints=critical,CA:TRUE"},
    {"a mail address", CSR_DENY, "Misshapen",
     .openssl = REQ "-subj /O=system:nodes/CN=system:node:n1 -addext subjectAltName=email:root@n1"},
    {"two common names", CSR_DENY, "Misshapen",
     .openssl = REQ "-subj /O=system:nodes/CN=system:node:n1/CN=system:admin"},
    {"a short key", CSR_DENY, "Misshapen",
     .openssl =
         "openssl req -new -nodes -newkey rsa:1024 -keyout k -out q -subj /O=system:nodes/CN=system:node:n1"},
    {"no request at all", CSR_DENY, "Misshapen", .openssl = "echo x >q"},
    {"a server's certificate before there is a node", CSR_DENY, "NotItself", .serving = true,
     .usages = SERVER, .dns = "n1"},
    /* who is neither */
    {"an admin in the bootstrapper's place", CSR_LEAVE, "OtherRequestor", .user = "system:admin",
     .groups = "'system:masters','system:authenticated'"},
    {"the bootstrapper's name alone", CSR_LEAVE, "OtherRequestor", .groups = "'system:authenticated'"},
    {"a bootstrapper that is an admin too", CSR_LEAVE, "OtherRequestor",
     .groups = SA_GROUPS ",'system:masters'"},
    {"another service account", CSR_LEAVE, "OtherRequestor",
     .user = "system:serviceaccount:openshift-machine-config-operator:default"},
    {"the same name in another namespace", CSR_LEAVE, "OtherRequestor",
     .user = "system:serviceaccount:x:node-bootstrapper",
     .groups = "'system:serviceaccounts','system:serviceaccounts:x','system:authenticated'"},
    {"a node's name without its group", CSR_LEAVE, "OtherRequestor", .user = "system:node:n1",
     .groups = "'system:authenticated'"},
    {"a group that only begins so", CSR_LEAVE, "OtherRequestor", .user = "system:bootstrap:abcdef",
     .groups = "'system:bootstrapp','system:authenticated'"},
    /* with one node */
    {"renewal", CSR_APPROVE, "SelfRenewal", NODE_N1, .there = JOINED, .late = 10000000},
    {"renewal of another node", CSR_DENY, "NotItself", NODE_N1, .there = JOINED, .cn = "system:node:n2"},
    {"renewal of a node that was removed", CSR_LEAVE, "NodeGone", NODE_N1},
    {"a node becomes admin", CSR_DENY, "Misshapen", NODE_N1, .there = JOINED, .o = "system:masters"},
    {"a node takes a server's name along", CSR_DENY, "Misshapen", NODE_N1, .there = JOINED, .dns = "n1"},
    {"serves as itself", CSR_APPROVE, "NodeServes", SERVES, .dns = "n1", .ip = "192.0.2.1"},
    {"serves with its other name, in capitals", CSR_APPROVE, "NodeServes", SERVES, .dns = "N1.Example.com"},
    {"serves, IPv6 written otherwise", CSR_APPROVE, "NodeServes", SERVES, .ip = "2001:DB8:0::1"},
    {"serves a name it has not", CSR_LEAVE, "NameNotReported", SERVES, .dns = "n3"},
    {"serves a part of its name", CSR_LEAVE, "NameNotReported", SERVES, .dns = "example.com"},
    {"serves an address it has not", CSR_LEAVE, "NameNotReported", SERVES, .ip = "192.0.2.11"},
    {"serves as the API, which it says is its address", CSR_DENY, "ReservedName", SERVES,
     .dns = "api-int.test.example.com"},
    {"serves as a service", CSR_DENY, "ReservedName", SERVES, .dns = "kubernetes.default.svc"},
    {"serves as localhost", CSR_DENY, "ReservedName", SERVES, .ip = "127.0.0.1"},
    {"serves as all", CSR_DENY, "ReservedName", SERVES, .dns = "*.example.com"},
    {"serves an address that another node has", CSR_DENY, "OthersName", SERVES, .ip = "192.0.2.1",
     .claimed = "192.0.2.1"},
    {"serves as another node", CSR_DENY, "NotItself", SERVES, .dns = "n2", .cn = "system:node:n2"},
    {"serves nothing", CSR_DENY, "Misshapen", SERVES},
    {"serves and is a client", CSR_DENY, "Misshapen", .serving = true, NODE_N1, .there = JOINED, .dns = "n1",
     .usages = "'digital signature','key encipherment','server auth','client auth'"},
    {"serves before it is there", CSR_LEAVE, "NodeGone", .serving = true, .usages = SERVER, NODE_N1,
     .dns = "n1"},
    {"serves an URI", CSR_DENY, "Misshapen", SERVES,
     .openssl = REQ "-subj /O=system:nodes/CN=system:node:n1 -addext subjectAltName=DNS:n1,URI:https://n1"},
};

static void make_request(const Case *c, KeyPair *key, Buf *ret)
{
    if (c->openssl) {
        Scratch s = scratch_open();
        char line[1024];
        snprintf(line, sizeof(line), "cd %s && { %s; } 2>out || { cat out >&2; false; }", s.path, c->openssl);
        assert_int_equal(system(line), 0);
        assert_int_equal(root_read(s.fd, "q", 1 << 20, ret), 0);
        scratch_close(&s);
        return;
    }
    const char *dns[] = {c->dns, NULL}, *ip[] = {c->ip, NULL};
    CertificateSpec spec = {.common_name = c->cn ? c->cn : "system:node:n1",
                            .organization = c->o ? c->o : "system:nodes",
                            .dns = dns,
                            .ip = ip};
    assert_int_equal(certificate_request_make(&spec, key, ret, NULL), 0);
}

static Node *make_object(Arena *a, const Case *c, KeyPair *key)
{
    _cleanup_buf_ Buf pem = BUF_INIT, text = BUF_INIT;
    _cleanup_report_ Report r = REPORT_INIT(a);
    char created[32];
    time_t when = INSTALLED + c->late;
    struct tm tm;
    make_request(c, key, &pem);
    strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&when, &tm));
    buf_addf(&text,
             "{'metadata':{'name':'csr','creationTimestamp':'%s'},'status':%s,'spec':{'signerName':'%s','"
             "username':'%s',"
             "'groups':[%s],'usages':[%s],'request':'",
             created, c->status ? c->status : "{}",
             c->signer    ? c->signer
             : c->serving ? CSR_SIGNER_SERVING
                          : CSR_SIGNER_CLIENT,
             c->user ? c->user : SA, c->groups ? c->groups : SA_GROUPS, c->usages ? c->usages : CLIENT);
    base64_encode(pem.data, pem.len, &text);
    buf_add_str(&text, "'}}");
    for (char *p = text.data; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    Source source = {.name = "test", .text = text.data, .len = text.len};
    Node *object;
    assert_int_equal(json_read(a, &source, SEVERITY_ERROR, &object, &r), 0);
    return object;
}

static void test_table(void **state _unused_)
{
    static const char *const verdicts[] = {"left", "approved", "denied"};
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL;
    unsigned bad = 0;
    assert_int_equal(key_pair_new(KEY_P256, &key, NULL), 0);
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        _cleanup_arena_ Arena *a = arena_new();
        const char *expected[] = {c->expected, NULL};
        CsrNode node = {
            .joined = c->there == JOINED,
            .addresses =
                " n1.example.com 192.0.2.1 2001:db8::1 api-int.test.example.com kubernetes.default.svc "
                "127.0.0.1 *.example.com "};
        CsrSetting s = {.node = c->there == ABSENT ? NULL : &node,
                        .other_key = c->other_key,
                        .claimed = c->claimed,
                        .expected = expected,
                        .installed = INSTALLED,
                        .window = WINDOW};
        CsrFacts f;
        CsrDecision d;
        CertificateSpec spec;
        csr_facts_read(a, make_object(a, c, key), &f);
        csr_decide(&f, &s, &d);
        if (d.verdict != c->verdict || strcmp(d.reason, c->reason) != 0 || !*d.message) {
            printf("%s: %s, %s: %s\n", c->what, verdicts[d.verdict], d.reason, d.message);
            bad++;
        }
        /* What is approved can be signed; what has not the shape can not, whoever approves it. */
        int r = csr_certificate(&f, &spec, NULL);
        assert_true(d.verdict != CSR_APPROVE || r == 0);
        assert_true(strcmp(d.reason, "Misshapen") != 0 || r < 0);
        assert_true(r < 0 || spec.use == (c->serving ? CERTIFICATE_SERVER : CERTIFICATE_CLIENT));
        csr_facts_done(&f);
    }
    assert_int_equal(bad, 0);
}

/* What is not known lets nobody in. */
static void test_nothing_known(void **state _unused_)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL;
    CsrFacts f;
    CsrDecision d;
    assert_int_equal(key_pair_new(KEY_P256, &key, NULL), 0);
    csr_facts_read(a, make_object(a, &cases[0], key), &f);
    csr_decide(&f, &(CsrSetting){.window = WINDOW}, &d);
    assert_int_equal(d.verdict, CSR_LEAVE);
    csr_decide(&f, &(CsrSetting){.installed = INSTALLED}, &d);
    assert_int_equal(d.verdict, CSR_LEAVE);
    csr_facts_done(&f);
    csr_facts_read(a, node_new(a, NODE_OBJECT), &f);
    csr_decide(&f, &(CsrSetting){0}, &d);
    assert_int_equal(d.verdict, CSR_LEAVE);
    csr_facts_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_nothing_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
