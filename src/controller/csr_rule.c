/* The shape first: whoever asks, a request is of the form that its signer signs, or it is denied. Then who
 * asks: a bootstrapper for a node that is to join, a node for itself. A bootstrapper's credentials are on
 * every machine that has ever been installed, so they are worth little: with them nobody gets the name of a
 * node that is there, nor one that was just given to another key. And a node writes its own addresses, so
 * these are worth little where they are the cluster's or another node's. */
#include "controller/csr_rule.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "format/data_url.h"
#include "kube/kube_kind.h"

#define NODE_PREFIX  "system:node:"
#define NODES        "system:nodes"
#define MACHINES     "system:serviceaccounts:openshift-machine-config-operator"
#define BOOTSTRAPPER "system:serviceaccount:openshift-machine-config-operator:node-bootstrapper"

enum { CLOCK_SKEW = 10 };

/* ---- the object ---- */

CsrSigner csr_signer(const Node *object)
{
    const char *s = node_string(node_get_path(object, "spec.signerName"));
    return !s                                   ? CSR_FOREIGN
           : strcmp(s, CSR_SIGNER_CLIENT) == 0  ? CSR_CLIENT
           : strcmp(s, CSR_SIGNER_SERVING) == 0 ? CSR_SERVING
                                                : CSR_FOREIGN;
}

static const Node *condition(const Node *object, const char *type)
{
    const Node *list = node_get_path(object, "status.conditions");
    if (list && list->kind == NODE_ARRAY)
        NODE_EACH (c, list) {
            const char *t = node_string(node_get(c, "type"));
            if (t && strcmp(t, type) == 0)
                return c;
        }
    return NULL;
}

CsrState csr_state(const Node *object)
{
    const char *certificate = node_string(node_get_path(object, "status.certificate"));
    if (condition(object, "Denied") || condition(object, "Failed"))
        return CSR_ENDED;
    if (certificate && *certificate)
        return CSR_ISSUED;
    return condition(object, "Approved") ? CSR_APPROVED : CSR_PENDING;
}

static int64_t decided(const Node *object)
{
    static const char *const types[] = {"Approved", "Denied", "Failed"};
    for (size_t i = 0; i < ELEMENTS(types); i++) {
        const char *text = node_string(node_get(condition(object, types[i]), "lastUpdateTime"));
        struct tm tm = {0};
        if (text && strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm))
            return (int64_t)timegm(&tm);
    }
    return 0;
}

static const Node *strings(const Node *list)
{
    if (!list || list->kind != NODE_ARRAY)
        return NULL;
    NODE_EACH (n, list)
        if (!node_string(n) || strlen(n->string) != n->len)
            return NULL;
    return list;
}

void csr_facts_read(Arena *a, const Node *object, CsrFacts *ret)
{
    const Node *spec = node_get(object, "spec"), *request = node_get(spec, "request");
    const char *name = kube_name(object), *user = node_string(node_get(spec, "username"));
    _cleanup_buf_ Buf pem = BUF_INIT;
    Error e = ERROR_INIT;
    *ret = (CsrFacts){.name = name ? name : "",
                      .username = user ? user : "",
                      .signer = csr_signer(object),
                      .state = csr_state(object),
                      .groups = strings(node_get(spec, "groups")),
                      .usages = strings(node_get(spec, "usages")),
                      .created = kube_created(object),
                      .decided = decided(object)};
    if (!node_string(request) || request->len > 2 * CERTIFICATE_REQUEST_MAX ||
        base64_decode(request->string, request->len, &pem) < 0)
        error_set(&e, EINVAL, "its request is no base64, or too long");
    else
        certificate_request_read(pem.data ? pem.data : "", pem.len, &ret->request, &e);
    if (!ret->request)
        ret->error = arena_strdup(a, e.text);
}

void csr_facts_done(CsrFacts *f)
{
    certificate_request_free(f->request);
    f->request = NULL;
}

/* ---- who asks ---- */

static bool has(const Node *list, const char *word)
{
    if (list)
        NODE_EACH (n, list)
            if (strcmp(n->string, word) == 0)
                return true;
    return false;
}

/* In these groups and in no other: somebody who is more than a bootstrapper is none. */
bool csr_by_bootstrapper(const CsrFacts *f)
{
    bool token = strncmp(f->username, "system:bootstrap:", 17) == 0 && has(f->groups, "system:bootstrappers");
    bool account = strcmp(f->username, BOOTSTRAPPER) == 0 && has(f->groups, MACHINES);
    if (!token && !account)
        return false;
    NODE_EACH (g, f->groups)
        if (strcmp(g->string, "system:authenticated") != 0 &&
            (token ? strncmp(g->string, "system:bootstrappers", 20) != 0
                   : strcmp(g->string, MACHINES) != 0 && strcmp(g->string, "system:serviceaccounts") != 0))
            return false;
    return true;
}

static bool by_node(const CsrFacts *f)
{
    return strncmp(f->username, NODE_PREFIX, strlen(NODE_PREFIX)) == 0 && has(f->groups, NODES);
}

/* RFC 1123, as nodes are named. */
static bool is_node_name(const char *s)
{
    char before = '.';
    size_t n = strlen(s);
    for (size_t i = 0; i < n; before = s[i++]) {
        bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9');
        if (!letter && ((s[i] != '-' && s[i] != '.') || before == '.' || (s[i] == '.' && before == '-')))
            return false;
    }
    return n && n <= CERTIFICATE_NAME_MAX && before != '.' && before != '-';
}

const char *csr_node_name(const CsrFacts *f)
{
    const char *cn = f->request ? f->request->names.common_name : NULL;
    if (!cn || strncmp(cn, NODE_PREFIX, strlen(NODE_PREFIX)) != 0 || !is_node_name(cn + strlen(NODE_PREFIX)))
        return NULL;
    return cn + strlen(NODE_PREFIX);
}

/* ---- the shape ---- */

/* These and no other; key encipherment, which only RSA keys can do, may be left out. */
static bool usages_are(const Node *usages, const char *extended)
{
    size_t n = usages ? usages->n : 0;
    return has(usages, "digital signature") && has(usages, extended) &&
           n == 2 + (size_t)has(usages, "key encipherment");
}

/* NULL: it is what its signer signs. */
static const char *misshapen(const CsrFacts *f)
{
    const CertificateRequest *q = f->request;
    if (!q)
        return f->error;
    const CertificateNames *n = &q->names;
    if (!csr_node_name(f))
        return "its common name is not " NODE_PREFIX "NAME";
    if (n->n_organizations != 1 || strcmp(n->organizations[0], NODES) != 0)
        return "its organization is not " NODES " alone";
    if (n->unit || n->other_subject)
        return "its subject says more than a common name and an organization";
    if (q->authority || q->other_extensions)
        return "it asks for extensions that nodes do not get";
    if (n->other_names)
        return "it asks for names that are neither of DNS nor IP addresses";
    if (f->signer == CSR_CLIENT)
        return n->n_dns || n->n_ip                     ? "a client's certificate has no names"
               : !usages_are(f->usages, "client auth") ? "its usages are not those of a client"
                                                       : NULL;
    return !n->n_dns && !n->n_ip                   ? "a server's certificate needs a name"
           : !usages_are(f->usages, "server auth") ? "its usages are not those of a server"
                                                   : NULL;
}

/* ---- names ---- */

static bool begins(const char *s, const char *label)
{
    size_t n = strlen(label);
    return strncmp(s, label, n) == 0 && (!s[n] || s[n] == '.');
}

static bool ends(const char *s, const char *with)
{
    size_t n = strlen(s), m = strlen(with);
    return n >= m && strcmp(s + n - m, with) == 0;
}

/* Of the cluster, so of no node, whatever a node says of itself. */
static bool is_reserved(const char *name)
{
    static const char *const labels[] = {"localhost", "kubernetes", "openshift", "api", "api-int"};
    for (size_t i = 0; i < ELEMENTS(labels); i++)
        if (begins(name, labels[i]))
            return true;
    return *name == '*' || ends(name, ".svc") || ends(name, ".cluster.local") ||
           strncmp(name, "127.", 4) == 0 || strcmp(name, "::1") == 0 || strcmp(name, "::") == 0 ||
           strcmp(name, "0.0.0.0") == 0 || strncmp(name, "::ffff:", 7) == 0;
}

static bool has_address(const CsrNode *node, const char *name)
{
    char word[CERTIFICATE_NAME_MAX + 3];
    snprintf(word, sizeof(word), " %s ", name);
    return node->addresses && strstr(node->addresses, word);
}

typedef enum NameVerdict { NAME_RESERVED, NAME_UNKNOWN } NameVerdict;

/* The first of the names that is reserved, or that the node has not. */
static const char *first_name(const CsrFacts *f, const CsrNode *node, NameVerdict which)
{
    const char *const *lists[] = {f->request->names.dns, f->request->names.ip};
    for (size_t i = 0; i < ELEMENTS(lists); i++)
        for (const char *const *name = lists[i]; name && *name; name++)
            if (which == NAME_RESERVED ? is_reserved(*name)
                                       : strcmp(*name, csr_node_name(f)) != 0 && !has_address(node, *name))
                return *name;
    return NULL;
}

/* ---- decisions ---- */

static void say(CsrDecision *d, CsrVerdict verdict, const char *reason, const char *format, ...)
    _printf_(4, 5);
static void say(CsrDecision *d, CsrVerdict verdict, const char *reason, const char *format, ...)
{
    va_list args;
    d->verdict = verdict;
    d->reason = reason;
    va_start(args, format);
    vsnprintf(d->message, sizeof(d->message), format, args);
    va_end(args);
}

static bool is_expected(const CsrSetting *s, const char *name)
{
    for (const char *const *x = s->expected; x && *x; x++)
        if (strcmp(*x, name) == 0)
            return true;
    return false;
}

static void decide_join(const CsrFacts *f, const CsrSetting *s, CsrDecision *d)
{
    const char *name = csr_node_name(f);
    if (is_reserved(name))
        say(d, CSR_DENY, "ReservedName", "%s is the cluster's own name", name);
    else if (s->node && s->node->joined)
        say(d, CSR_LEAVE, "NodeExists", "node %s has joined already; delete it if it was installed anew",
            name);
    else if (s->other_key)
        say(d, CSR_LEAVE, "OtherKey", "another key was approved for node %s within the last hour", name);
    else if (is_expected(s, name))
        say(d, CSR_APPROVE, "NodeExpected", "node %s is expected", name);
    else if (s->installed && s->window && f->created >= s->installed - CLOCK_SKEW &&
             f->created <= s->installed + s->window)
        say(d, CSR_APPROVE, "Installing", "node %s joins within %lld minutes of the installation", name,
            (long long)s->window / 60);
    else
        say(d, CSR_LEAVE, "NodeNotExpected", "node %s is not expected, and the cluster is installed", name);
}

static void decide_client(const CsrFacts *f, const CsrSetting *s, CsrDecision *d)
{
    if (!by_node(f))
        decide_join(f, s, d);
    else if (strcmp(f->username, f->request->names.common_name) != 0)
        say(d, CSR_DENY, "NotItself", "%s asks to be %s", f->username, f->request->names.common_name);
    else if (!s->node)
        say(d, CSR_LEAVE, "NodeGone", "there is no node %s", csr_node_name(f));
    else
        say(d, CSR_APPROVE, "SelfRenewal", "node %s renews its own", csr_node_name(f));
}

static void decide_serving(const CsrFacts *f, const CsrSetting *s, CsrDecision *d)
{
    const char *bad;
    if (!by_node(f))
        say(d, CSR_DENY, "NotItself", "only a node serves as a node");
    else if (strcmp(f->username, f->request->names.common_name) != 0)
        say(d, CSR_DENY, "NotItself", "%s asks to be %s", f->username, f->request->names.common_name);
    else if ((bad = first_name(f, s->node, NAME_RESERVED)))
        say(d, CSR_DENY, "ReservedName", "%s is the cluster's own name", bad);
    else if (s->claimed)
        say(d, CSR_DENY, "OthersName", "%s is another node's", s->claimed);
    else if (!s->node)
        say(d, CSR_LEAVE, "NodeGone", "there is no node %s", csr_node_name(f));
    else if ((bad = first_name(f, s->node, NAME_UNKNOWN)))
        say(d, CSR_LEAVE, "NameNotReported", "%s is none of the addresses of node %s", bad, csr_node_name(f));
    else
        say(d, CSR_APPROVE, "NodeServes", "all names are those of node %s", csr_node_name(f));
}

void csr_decide(const CsrFacts *f, const CsrSetting *s, CsrDecision *ret)
{
    const char *wrong;
    if (f->signer == CSR_FOREIGN)
        say(ret, CSR_LEAVE, "OtherSigner", "not a node's");
    else if (f->state != CSR_PENDING)
        say(ret, CSR_LEAVE, "Decided", "decided already");
    else if (!by_node(f) && !csr_by_bootstrapper(f))
        say(ret, CSR_LEAVE, "OtherRequestor", "%s is neither a node nor a bootstrapper", f->username);
    else if ((wrong = misshapen(f)))
        say(ret, CSR_DENY, "Misshapen", "%s", wrong);
    else if (f->signer == CSR_CLIENT)
        decide_client(f, s, ret);
    else
        decide_serving(f, s, ret);
}

int csr_certificate(const CsrFacts *f, CertificateSpec *ret, Error *e)
{
    const char *wrong = f->signer == CSR_FOREIGN ? "another signer's" : misshapen(f);
    if (wrong)
        return error_set(e, EINVAL, "%s", wrong);
    *ret = (CertificateSpec){.common_name = f->request->names.common_name,
                             .organization = NODES,
                             .use = f->signer == CSR_CLIENT ? CERTIFICATE_CLIENT : CERTIFICATE_SERVER,
                             .dns = f->request->names.dns,
                             .ip = f->request->names.ip};
    return 0;
}
