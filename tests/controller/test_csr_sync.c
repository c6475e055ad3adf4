/* Requests on the controller's loop, over an API in memory: from a new machine to its certificates, renewals,
 * crowds, calls that fail, what is old. */
#include "../scratch.h"

#include <stdio.h>

#include "controller/controller.h"
#include "controller/csr_rule.h"
#include "format/data_url.h"
#include "kube_fake.h"
#include "test_time.h"

#define SA        "system:serviceaccount:openshift-machine-config-operator:node-bootstrapper"
#define SA_GROUPS "'system:serviceaccounts:openshift-machine-config-operator','system:authenticated'"
#define NODES     "'system:nodes','system:authenticated'"
#define CSR       (&kube_certificate_signing_request)

typedef struct World {
    Scratch s;
    Kube *kube;
    TestTime time;
    Controller *c;
    char certificate[128], key[128];
    KeyPair *node_key;
    char *ca;
    unsigned lines;
} World;

static void say(void *context, const char *line)
{
    ((World *)context)->lines++;
    if (getenv("VERBOSE"))
        printf("%s\n", line);
}

static int64_t now_sec(const World *w)
{
    return test_time_wall((void *)&w->time) / 1000000;
}

static void make_signer(World *w, int64_t until)
{
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL;
    _cleanup_(certificate_freep)
    Certificate *ca = NULL;
    _cleanup_buf_ Buf key_text = BUF_INIT;
    Buf text = BUF_INIT;
    assert_int_equal(key_pair_new(KEY_P256, &key, NULL), 0);
    CertificateSpec spec = {.common_name = "kubelet-signer",
                            .use = CERTIFICATE_CA,
                            .not_before = now_sec(w) - 100,
                            .not_after = until};
    assert_int_equal(certificate_issue(&spec, key, NULL, key, &ca, NULL), 0);
    certificate_write(ca, &text);
    key_pair_write_private(key, &key_text);
    scratch_write(&w->s, "ca.crt", text.data);
    scratch_write(&w->s, "ca.key", key_text.data);
    free(w->ca);
    w->ca = buf_take(&text);
}

static void begin(World *w, bool sign)
{
    static const char *const expected[] = {"late", NULL};
    *w = (World){.s = scratch_open(), .kube = kube_fake_new()};
    test_time_init(&w->time);
    snprintf(w->certificate, sizeof(w->certificate), "%s/ca.crt", w->s.path);
    snprintf(w->key, sizeof(w->key), "%s/ca.key", w->s.path);
    make_signer(w, now_sec(w) + 1000000);
    assert_int_equal(key_pair_new(KEY_P256, &w->node_key, NULL), 0);
    kube_fake_put(
        w->kube, &kube_controller_config,
        "{'metadata':{'name':'machine-config-controller','creationTimestamp':'2026-01-01T00:00:00Z'},"
        "'spec':{'clusterDNSIP':'172.30.0.10'}}");
    w->c = controller_new(&(ControllerOptions){.kube = w->kube,
                                               .time = &w->time.time,
                                               .rendered_age_ms = 3600 * 1000,
                                               .csr = {.signing_certificate = sign ? w->certificate : NULL,
                                                       .signing_key = sign ? w->key : NULL,
                                                       .expected = expected,
                                                       .window_sec = 7200},
                                               .log = say,
                                               .context = w});
}

static void end(World *w)
{
    controller_free(w->c);
    kube_free(w->kube);
    key_pair_free(w->node_key);
    free(w->ca);
    scratch_close(&w->s);
}

static void settle(World *w, unsigned ms)
{
    for (unsigned t = 0; t < ms; t += 100) {
        w->time.ms += 100;
        controller_step(w->c, true);
    }
}

static void put_request(World *w, const char *name, const char *node, bool serving, bool by_node)
{
    _cleanup_buf_ Buf pem = BUF_INIT, text = BUF_INIT;
    char cn[128], created[32];
    const char *dns[] = {node, NULL}, *ip[] = {"192.0.2.1", NULL};
    snprintf(cn, sizeof(cn), "system:node:%s", node);
    CertificateSpec spec = {.common_name = cn, .organization = "system:nodes"};
    if (serving)
        spec.dns = dns, spec.ip = ip;
    assert_int_equal(certificate_request_make(&spec, w->node_key, &pem, NULL), 0);
    buf_addf(&text,
             "{'metadata':{'name':'%s','creationTimestamp':'%s'},'spec':{'signerName':'%s','username':'%s',"
             "'groups':[%s],'usages':['key encipherment','digital signature','%s auth'],'request':'",
             name, kube_time_text(now_sec(w) * 1000000, created),
             serving ? CSR_SIGNER_SERVING : CSR_SIGNER_CLIENT, by_node ? cn : SA, by_node ? NODES : SA_GROUPS,
             serving ? "server" : "client");
    base64_encode(pem.data, pem.len, &text);
    buf_add_str(&text, "'}}");
    kube_fake_put(w->kube, CSR, text.data);
}

static const char *decision(World *w, const char *name)
{
    const Node *n = node_get_path(kube_fake_get(w->kube, CSR, NULL, name), "status.conditions.0.type");
    return n ? n->string : "";
}

/* The certificate, checked against the signer and the key. */
static bool issued(World *w, const char *name)
{
    _cleanup_(certificate_freep)
    Certificate *c = NULL;
    _cleanup_buf_ Buf pem = BUF_INIT;
    const Node *n = node_get_path(kube_fake_get(w->kube, CSR, NULL, name), "status.certificate");
    if (!n)
        return false;
    assert_int_equal(base64_decode(n->string, n->len, &pem), 0);
    assert_int_equal(certificate_read(pem.data, pem.len, &c, NULL), 0);
    assert_int_equal(certificate_verify(c, w->ca, w->node_key, (time_t)now_sec(w), NULL), 0);
    assert_true(certificate_not_after(c) - certificate_not_before(c) == 24 * 3600 + 300);
    return true;
}

static void put_node(World *w, const char *name, const char *address)
{
    char text[512];
    snprintf(text, sizeof(text),
             "{'metadata':{'name':'%s'},'status':{'nodeInfo':{'kubeletVersion':'v1'},'addresses':["
             "{'type':'InternalIP','address':'%s'}]}}",
             name, address);
    kube_fake_put(w->kube, &kube_node, text);
}

static void test_machine(void **state _unused_)
{
    World w;
    begin(&w, true);
    put_request(&w, "join", "n1", false, false);
    settle(&w, 1000);
    assert_string_equal(decision(&w, "join"), "Approved");
    assert_true(issued(&w, "join"));
    /* its kubelet asks for the other one before it has reported an address */
    put_request(&w, "serve", "n1", true, true);
    settle(&w, 1000);
    assert_string_equal(decision(&w, "serve"), "");
    put_node(&w, "n1", "192.0.2.1");
    settle(&w, 6000);
    assert_true(issued(&w, "serve"));
    /* a second machine of that name */
    put_request(&w, "again", "n1", false, false);
    settle(&w, 10000);
    assert_string_equal(decision(&w, "again"), "");
    /* a day later: it renews, nobody joins but who is expected */
    w.time.ms += 20 * 3600 * 1000;
    put_request(&w, "renew", "n1", false, true);
    put_request(&w, "new", "n2", false, false);
    put_request(&w, "late", "late", false, false);
    settle(&w, 1000);
    assert_true(issued(&w, "renew"));
    assert_true(issued(&w, "late"));
    assert_string_equal(decision(&w, "new"), "");
    /* a person approves it after all */
    Node *object = (Node *)kube_fake_get(w.kube, CSR, NULL, "new");
    _cleanup_arena_ Arena *a = arena_new();
    object = node_copy(a, object);
    Node *condition = node_new(a, NODE_OBJECT), *list = node_new(a, NODE_ARRAY);
    node_set_string(a, condition, "type", "Approved");
    node_append(list, condition);
    node_set(a, node_set(a, object, "status", node_new(a, NODE_OBJECT)), "conditions", list);
    KubeAnswer answer;
    KubeRequest q = {
        .verb = KUBE_UPDATE, .kind = CSR, .name = "new", .subresource = "approval", .body = object};
    assert_int_equal(kube_call(w.kube, &q, a, &answer, NULL), 0);
    settle(&w, 1000);
    assert_true(issued(&w, "new"));
    assert_null(kube_fake_get(w.kube, CSR, NULL, "join")); /* long ago */
    end(&w);
}

/* One that has another's address, and one that asks for another's name. */
static void test_denied(void **state _unused_)
{
    World w;
    begin(&w, true);
    put_node(&w, "n1", "192.0.2.1");
    put_node(&w, "n2", "192.0.2.1");
    put_request(&w, "serve", "n2", true, true);
    settle(&w, 1000);
    assert_string_equal(decision(&w, "serve"), "Denied");
    assert_false(issued(&w, "serve"));
    end(&w);
}

/* The first key that gets a name keeps it, until the node is there or an hour is over. */
static void test_race(void **state _unused_)
{
    World w;
    begin(&w, true);
    put_request(&w, "one", "n1", false, false);
    settle(&w, 1000);
    assert_string_equal(decision(&w, "one"), "Approved");
    put_request(&w, "same", "n1", false, false);
    key_pair_free(w.node_key);
    assert_int_equal(key_pair_new(KEY_P256, &w.node_key, NULL), 0);
    put_request(&w, "two", "n1", false, false);
    settle(&w, 1000);
    assert_string_equal(decision(&w, "same"), "Approved");
    assert_string_equal(decision(&w, "two"), "");
    end(&w);
}

static void test_without_signer(void **state _unused_)
{
    World w;
    begin(&w, false);
    put_request(&w, "join", "n1", false, false);
    settle(&w, 5000);
    assert_string_equal(decision(&w, "join"), "Approved");
    assert_false(issued(&w, "join"));
    unsigned calls = kube_fake_calls(w.kube, KUBE_UPDATE, NULL);
    settle(&w, 60000);
    assert_int_equal(calls, kube_fake_calls(w.kube, KUBE_UPDATE, NULL));
    end(&w);
}

/* An expired signer signs nothing, and a new one in its place is taken without a restart. */
static void test_signer(void **state _unused_)
{
    World w;
    begin(&w, true);
    make_signer(&w, now_sec(&w) - 10);
    put_request(&w, "join", "n1", false, false);
    settle(&w, 3000);
    assert_string_equal(decision(&w, "join"), "Approved");
    assert_false(issued(&w, "join"));
    make_signer(&w, now_sec(&w) + 1000000);
    settle(&w, 2000);
    assert_true(issued(&w, "join"));
    end(&w);
}

static void test_crowd(void **state _unused_)
{
    World w;
    char name[32], node[32];
    begin(&w, true);
    w.time.ms += 10000 * 1000; /* the window is over */
    for (unsigned i = 0; i < 150; i++) {
        snprintf(name, sizeof(name), "csr-%u", i);
        snprintf(node, sizeof(node), "x%u", i);
        put_request(&w, name, node, false, false);
    }
    unsigned before = kube_fake_calls(w.kube, KUBE_GET, CSR);
    settle(&w, 1000);
    assert_int_equal(kube_fake_calls(w.kube, KUBE_GET, CSR) - before, 100);
    settle(&w, 600 * 1000); /* they are looked at now and then, not all the time */
    unsigned looks = kube_fake_calls(w.kube, KUBE_GET, CSR) - before;
    assert_in_range(looks, 100 * 10, 100 * 40);
    w.time.ms += 25 * 3600 * 1000;
    settle(&w, 1000);
    assert_int_equal(kube_fake_objects(w.kube, CSR), 0);
    end(&w);
}

/* Each call fails once, and its answer gets lost once; rivals write between reading and writing. */
static void test_faults(void **state _unused_)
{
    for (unsigned i = 0; i < 24; i++) {
        World w;
        begin(&w, true);
        put_node(&w, "n1", "192.0.2.1");
        settle(&w, 1000);
        kube_fake_fail(w.kube, &(KubeFakeFault){.any = true,
                                                .skip = i / 4,
                                                .code = i % 4 == 3   ? 409
                                                        : i % 4 == 2 ? 500
                                                                     : 0,
                                                .reason = i % 4 == 3 ? "Conflict" : NULL,
                                                .carried_out = i % 4 == 1});
        put_request(&w, "join", "late", false, false);
        put_request(&w, "serve", "n1", true, true);
        settle(&w, 8000);
        assert_true(issued(&w, "join"));
        assert_true(issued(&w, "serve"));
        const Node *list = node_get_path(kube_fake_get(w.kube, CSR, NULL, "join"), "status.conditions");
        assert_int_equal(list->n, 1); /* approved once */
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine),        cmocka_unit_test(test_denied), cmocka_unit_test(test_race),
        cmocka_unit_test(test_without_signer), cmocka_unit_test(test_signer), cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
