/* Certificate signing requests of nodes, as far as they go now. Of a request only its name, state and times
 * are kept; what is decided is decided on the request as it is at that moment, read anew, and on its node,
 * read anew. At most so many are looked at while they wait, the oldest first: whoever has the bootstrap
 * credentials could make any number. The signer's files are read for each signature: they are renewed. */
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "controller/controller_state.h"
#include "controller/csr_rule.h"
#include "format/data_url.h"

enum {
    LOOKED_AT_MAX = 100,
    RETRY_MS = 1000,
    YOUNG_SEC = 120, /* what waits for a node's address to be reported does not wait long */
    LOOK_YOUNG_MS = 5 * 1000,
    LOOK_OLD_MS = 60 * 1000,
    SWEEP_MS = 10 * 60 * 1000,
    KEEP_DECIDED_SEC = 3600,
    KEEP_PENDING_SEC = 24 * 3600,
    CLOCK_SKEW_SEC = 300,
    PEM_MAX = 1 << 20,
};

typedef struct CsrItem {
    char *name;
    CsrSigner signer;
    CsrState state;
    int64_t created, decided; /* seconds since 1970 */
    int64_t look_at;          /* not before then */
    char *node;               /* of an approved one of a bootstrapper: whose name it was given, */
    char key[KEY_ID_SIZE];    /* and which key */
    char reason[32];          /* why it was left; "": not yet */
} CsrItem;

static void item_free(CsrItem *i)
{
    if (!i)
        return;
    free(i->node);
    free(i->name);
    free(i);
}

void csr_sync_done(Controller *c)
{
    for (size_t i = 0; i < c->csrs.n; i++)
        item_free(c->csrs.items[i]);
    name_list_done(&c->csrs);
}

static int64_t wall_sec(const Controller *c)
{
    return c->time->wall_us(c->time->context) / 1000000;
}

/* ---- what is there ---- */

static void remember_key(CsrItem *i, const Node *object)
{
    _cleanup_arena_ Arena *a = arena_new();
    CsrFacts f;
    csr_facts_read(a, object, &f);
    const char *node = csr_by_bootstrapper(&f) ? csr_node_name(&f) : NULL;
    if (node && (i->node = strdup(node)))
        key_pair_id(f.request->key, i->key);
    i->decided = f.decided;
    csr_facts_done(&f);
}

void controller_csr_seen(Controller *c, const Node *object)
{
    CsrItem *i = calloc(1, sizeof(*i));
    if (!kube_name(object)) {
        free(i);
        return;
    }
    if (!i || !(i->name = strdup(kube_name(object))))
        abort();
    i->signer = csr_signer(object);
    i->state = csr_state(object);
    i->created = kube_created(object);
    if (i->state != CSR_PENDING)
        remember_key(i, object);
    CsrItem *former = name_list_put(&c->csrs, i);
    if (former && former->state == i->state) {
        i->look_at = former->look_at;
        memcpy(i->reason, former->reason, sizeof(i->reason));
    }
    item_free(former);
}

void controller_csr_gone(Controller *c, const char *name)
{
    item_free(name_list_take(&c->csrs, name));
}

void csr_sync_again(Controller *c)
{
    for (size_t i = 0; i < c->csrs.n; i++)
        ((CsrItem *)c->csrs.items[i])->look_at = 0;
}

/* ---- calls ---- */

static int call(Controller *c, const KubeRequest *q, Arena *a, KubeAnswer *ret)
{
    Error e = ERROR_INIT;
    int r = kube_call(c->o.kube, q, a, ret, &e);
    if (r < 0 && r != -ENOENT && r != -ESTALE)
        controller_log(c, "CertificateSigningRequest %s: %s", q->name, e.text);
    return r;
}

static int write_object(Controller *c, Arena *a, const Node *object, const char *subresource)
{
    KubeAnswer answer;
    KubeRequest q = {.verb = KUBE_UPDATE,
                     .kind = &kube_certificate_signing_request,
                     .name = kube_name(object),
                     .subresource = subresource,
                     .body = object};
    int r = call(c, &q, a, &answer);
    if (r >= 0)
        controller_csr_seen(c, answer.object);
    return r;
}

static Node *status_of(Arena *a, Node *object)
{
    Node *status = node_get(object, "status");
    return status && status->kind == NODE_OBJECT ? status
                                                 : node_set(a, object, "status", node_new(a, NODE_OBJECT));
}

static void add_condition(const Controller *c, Arena *a, Node *object, const char *type, const CsrDecision *d)
{
    Node *status = status_of(a, object), *list = node_get(status, "conditions");
    Node *condition = node_new(a, NODE_OBJECT);
    char now[32];
    if (!list || list->kind != NODE_ARRAY)
        list = node_set(a, status, "conditions", node_new(a, NODE_ARRAY));
    node_set_string(a, condition, "type", type);
    node_set_string(a, condition, "status", "True");
    node_set_string(a, condition, "reason", d->reason);
    node_set_string(a, condition, "message", d->message);
    node_set_string(a, condition, "lastUpdateTime", kube_time_text(c->time->wall_us(c->time->context), now));
    node_append(list, condition);
}

/* ---- deciding ---- */

static bool joined(const Node *node)
{
    const char *version = node_string(node_get_path(node, "status.nodeInfo.kubeletVersion"));
    const Node *conditions = node_get_path(node, "status.conditions");
    return (version && *version) || (conditions && conditions->kind == NODE_ARRAY && conditions->n);
}

/* 0 and *ret, NULL when there is none; < 0: nobody knows. */
static int read_node(Controller *c, Arena *a, const char *name, const CsrNode **ret)
{
    KubeAnswer answer;
    int r = call(c, &(KubeRequest){.verb = KUBE_GET, .kind = &kube_node, .name = name}, a, &answer);
    *ret = NULL;
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    CsrNode *n = ARENA_NEW(a, CsrNode);
    _cleanup_free_ char *addresses = fleet_node_addresses(answer.object);
    *n = (CsrNode){.joined = joined(answer.object), .addresses = arena_strdup(a, addresses)};
    *ret = n;
    return 0;
}

static bool other_key(const Controller *c, const CsrFacts *f, const char *node)
{
    char key[KEY_ID_SIZE];
    key_pair_id(f->request->key, key);
    for (size_t k = 0; k < c->csrs.n; k++) {
        const CsrItem *i = c->csrs.items[k];
        if (i->signer == CSR_CLIENT && (i->state == CSR_APPROVED || i->state == CSR_ISSUED) && i->node &&
            strcmp(i->node, node) == 0 && strcmp(i->key, key) != 0)
            return true;
    }
    return false;
}

static bool is_of(const FleetNode *n, const char *name)
{
    char word[CERTIFICATE_NAME_MAX + 3];
    snprintf(word, sizeof(word), " %s ", name);
    return strcmp(n->name, name) == 0 || strstr(n->addresses, word);
}

static const char *claimed(const Controller *c, const CsrFacts *f, const char *node)
{
    const char *const *lists[] = {f->request->names.dns, f->request->names.ip};
    for (size_t k = 0; k < c->fleet.nodes.n; k++) {
        const FleetNode *n = c->fleet.nodes.items[k];
        for (size_t i = 0; i < ELEMENTS(lists) && strcmp(n->name, node) != 0; i++)
            for (const char *const *name = lists[i]; name && *name; name++)
                if (is_of(n, *name))
                    return *name;
    }
    return NULL;
}

static int decide(Controller *c, Arena *a, const CsrFacts *f, CsrDecision *ret)
{
    const char *node = csr_node_name(f);
    CsrSetting s = {.expected = c->o.csr.expected, .installed = c->installed, .window = c->o.csr.window_sec};
    int r = node ? read_node(c, a, node, &s.node) : 0;
    if (r < 0)
        return r;
    if (node) {
        s.other_key = other_key(c, f, node);
        s.claimed = claimed(c, f, node);
    }
    csr_decide(f, &s, ret);
    return 0;
}

static void leave(Controller *c, const char *name, const CsrFacts *f, const CsrDecision *d)
{
    CsrItem *i = name_list_get(&c->csrs, name);
    bool young = f->created + YOUNG_SEC > wall_sec(c);
    if (!i)
        return;
    i->look_at = controller_now(c) + (young ? LOOK_YOUNG_MS : LOOK_OLD_MS);
    if (strcmp(i->reason, d->reason) != 0) /* told once */
        controller_log(c, "CertificateSigningRequest %s is left for a person: %s", name, d->message);
    snprintf(i->reason, sizeof(i->reason), "%s", d->reason);
}

static int settle(Controller *c, Arena *a, const CsrFacts *f, Node *object)
{
    CsrDecision d;
    int r = decide(c, a, f, &d);
    if (r < 0)
        return r;
    if (d.verdict == CSR_LEAVE) {
        leave(c, f->name, f, &d);
        return 0;
    }
    bool yes = d.verdict == CSR_APPROVE;
    add_condition(c, a, object, yes ? "Approved" : "Denied", &d);
    r = write_object(c, a, object, "approval");
    if (r >= 0)
        controller_log(c, "CertificateSigningRequest %s %s: %s", f->name, yes ? "approved" : "denied",
                       d.message);
    return r;
}

/* ---- signing ---- */

static int read_signer(const CsrOptions *o, KeyPair **ret_key, Certificate **ret, Buf *pem, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf key = BUF_INIT;
    int r = file_read_at(AT_FDCWD, o->signing_certificate, PEM_MAX, pem, e);
    if (r >= 0)
        r = file_read_at(AT_FDCWD, o->signing_key, PEM_MAX, &key, e);
    if (r >= 0)
        r = certificate_read(pem->data ? pem->data : "", pem->len, ret, e);
    if (r >= 0)
        r = key_pair_read(key.data ? key.data : "", key.len, ret_key, e);
    if (r >= 0 && !certificate_belongs_to(*ret, *ret_key))
        r = error_set(e, EINVAL, "'%s' is not the key of '%s'", o->signing_key, o->signing_certificate);
    return r;
}

static int issue(const Controller *c, const CsrFacts *f, CertificateSpec *spec, Buf *out, Error *e)
{
    _cleanup_(key_pair_freep)
    KeyPair *key = NULL;
    _cleanup_(certificate_freep)
    Certificate *signer = NULL, *issued = NULL;
    _cleanup_buf_ Buf pem = BUF_INIT;
    int64_t now = wall_sec(c), life = c->o.csr.life_sec ? c->o.csr.life_sec : CONTROLLER_CSR_LIFE_SEC;
    int r = read_signer(&c->o.csr, &key, &signer, &pem, e);
    if (r < 0)
        return r;
    int64_t last = certificate_not_after(signer);
    if (last <= now)
        return error_set(e, EKEYEXPIRED, "the signer '%s' has expired", c->o.csr.signing_certificate);
    spec->not_before = now - (life / 8 < CLOCK_SKEW_SEC ? life / 8 : CLOCK_SKEW_SEC);
    spec->not_after = now + life < last ? now + life : last;
    r = certificate_issue(spec, f->request->key, signer, key, &issued, e);
    if (r >= 0)
        certificate_write(issued, out);
    return r;
}

static int sign(Controller *c, Arena *a, const CsrFacts *f, Node *object)
{
    CertificateSpec spec;
    CsrDecision d = {.reason = "SignerValidationFailure"};
    _cleanup_buf_ Buf pem = BUF_INIT, text = BUF_INIT;
    Error e = ERROR_INIT;
    if (csr_certificate(f, &spec, &e) < 0) { /* a person has approved what nobody signs */
        snprintf(d.message, sizeof(d.message), "%.*s", (int)sizeof(d.message) - 1, e.text);
        add_condition(c, a, object, "Failed", &d);
        controller_log(c, "CertificateSigningRequest %s is not signed: %s", f->name, e.text);
        return write_object(c, a, object, "status");
    }
    int r = issue(c, f, &spec, &pem, &e);
    if (r < 0) {
        controller_log(c, "CertificateSigningRequest %s: signing: %s", f->name, e.text);
        return r;
    }
    base64_encode(pem.data, pem.len, &text);
    node_set_string(a, status_of(a, object), "certificate", text.data);
    r = write_object(c, a, object, "status");
    if (r >= 0)
        controller_log(c, "CertificateSigningRequest %s: issued to %s", f->name, spec.common_name);
    return r;
}

/* ---- all of it ---- */

static void look(Controller *c, const char *name)
{
    _cleanup_arena_ Arena *a = arena_new();
    KubeAnswer answer;
    CsrFacts f;
    KubeRequest q = {.verb = KUBE_GET, .kind = &kube_certificate_signing_request, .name = name};
    int r = call(c, &q, a, &answer);
    if (r == -ENOENT)
        return; /* the watch is about to say so */
    if (r >= 0) {
        csr_facts_read(a, answer.object, &f);
        if (f.state == CSR_PENDING)
            r = settle(c, a, &f, answer.object);
        else if (f.state == CSR_APPROVED && c->o.csr.signing_key)
            r = sign(c, a, &f, answer.object);
        else
            controller_csr_seen(c, answer.object);
        csr_facts_done(&f);
    }
    CsrItem *i = name_list_get(&c->csrs, name);
    if (i && r < 0)
        i->look_at = controller_now(c) + RETRY_MS;
}

static bool is_due(Controller *c, const CsrItem *i)
{
    if (i->signer == CSR_FOREIGN ||
        (i->state != CSR_PENDING && (i->state != CSR_APPROVED || !c->o.csr.signing_key)))
        return false;
    if (controller_now(c) >= i->look_at)
        return true;
    controller_wake_at(c, i->look_at);
    return false;
}

static int by_age(const void *x, const void *y)
{
    const CsrItem *a = *(CsrItem *const *)x, *b = *(CsrItem *const *)y;
    return a->created != b->created ? (a->created > b->created) - (a->created < b->created)
                                    : strcmp(a->name, b->name);
}

/* Those that wait for a decision and may be looked at, the oldest first, and those to be signed. */
static size_t collect(Controller *c, CsrItem **ret)
{
    size_t waiting = 0, n = 0;
    for (size_t k = 0; k < c->csrs.n; k++) {
        CsrItem *i = c->csrs.items[k];
        if (i->signer != CSR_FOREIGN && i->state == CSR_PENDING)
            ret[waiting++] = i;
    }
    qsort(ret, waiting, sizeof(*ret), by_age);
    bool crowded = waiting > LOOKED_AT_MAX;
    if (crowded && !c->csrs_crowded)
        controller_log(c, "%zu CertificateSigningRequests wait, of which %d are looked at", waiting,
                       LOOKED_AT_MAX);
    c->csrs_crowded = crowded;
    if (crowded)
        waiting = LOOKED_AT_MAX;
    for (size_t k = 0; k < waiting; k++)
        if (is_due(c, ret[k]))
            ret[n++] = ret[k];
    for (size_t k = 0; k < c->csrs.n; k++) {
        CsrItem *i = c->csrs.items[k];
        if (i->state == CSR_APPROVED && is_due(c, i))
            ret[n++] = i;
    }
    return n;
}

static void sweep(Controller *c)
{
    int64_t now = wall_sec(c);
    for (size_t k = c->csrs.n; k-- > 0;) {
        const CsrItem *i = c->csrs.items[k];
        bool waits = i->state == CSR_PENDING;
        int64_t since = !waits && i->decided ? i->decided : i->created;
        if (!since || now < since + (waits ? KEEP_PENDING_SEC : KEEP_DECIDED_SEC))
            continue;
        _cleanup_arena_ Arena *a = arena_new();
        KubeAnswer answer;
        const char *name = arena_strdup(a, i->name);
        KubeRequest q = {.verb = KUBE_DELETE, .kind = &kube_certificate_signing_request, .name = name};
        int r = call(c, &q, a, &answer);
        if (r < 0 && r != -ENOENT)
            return;
        controller_csr_gone(c, name);
    }
}

void csr_sync(Controller *c)
{
    int64_t now = controller_now(c);
    if (!c->csrs.n)
        return;
    _cleanup_free_ CsrItem **due = calloc(c->csrs.n, sizeof(*due));
    _cleanup_arena_ Arena *a = arena_new();
    if (!due)
        abort();
    size_t n = collect(c, due);
    const char **names = ARENA_ARRAY(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++) /* each is another one once its object was written */
        names[i] = arena_strdup(a, due[i]->name);
    for (size_t i = 0; i < n; i++)
        look(c, names[i]);
    if (n)
        controller_wake_at(c, now); /* what was approved is signed next */
    if (!c->csrs_swept || now >= c->csrs_swept + SWEEP_MS) {
        c->csrs_swept = now;
        sweep(c);
    }
    controller_wake_at(c, c->csrs_swept + SWEEP_MS);
}
