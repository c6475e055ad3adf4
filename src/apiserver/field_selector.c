/* Field selectors: terms between commas, each a field, an operator and a value in which `\` protects a comma,
 * an equals sign and itself. Which fields a kind has is a table, as in a real server, where only they are
 * indexed; the two wordings of its refusal depend on the kind. */
#include <string.h>

#include "apiserver/selector.h"

typedef struct FieldTerm {
    const char *field, *value;
    bool negated;
    struct FieldTerm *next;
} FieldTerm;

struct FieldSelector {
    FieldTerm *terms;
};

/* Besides metadata.name, and metadata.namespace of what has one. */
static const struct {
    const char *group, *kind, *fields;
} supported[] = {
    {"", "Pod",
     "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork "
     "status.phase status.podIP status.podIPs status.nominatedNodeName"},
    {"", "Node", "spec.unschedulable"},
    {"", "Namespace", "status.phase"},
    {"", "Secret", "type"},
    {"", "Service", "spec.clusterIP spec.type"},
    {"", "Event",
     "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid "
     "involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath reason "
     "reportingComponent source type"},
    {"events.k8s.io", "Event",
     "regarding.kind regarding.namespace regarding.name regarding.uid regarding.apiVersion "
     "regarding.resourceVersion regarding.fieldPath reason reportingController type"},
    {"certificates.k8s.io", "CertificateSigningRequest", "spec.signerName"},
    {"apps", "ReplicaSet", "status.replicas"},
};

static const char *const booleans[] = {"spec.unschedulable", "spec.hostNetwork"};

static bool in_words(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = words; n && (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
            return true;
    return false;
}

static const char *fields_of(const KubeKind *kind)
{
    for (size_t i = 0; i < ELEMENTS(supported); i++)
        if (!strcmp(kind->group, supported[i].group) && !strcmp(kind->kind, supported[i].kind))
            return supported[i].fields;
    return NULL;
}

static int check_field(const KubeKind *kind, const char *field, Error *e)
{
    const char *fields = fields_of(kind);
    if (!strcmp(field, "metadata.name") || (kind->namespaced && !strcmp(field, "metadata.namespace")))
        return 0;
    if (fields && in_words(fields, field))
        return 0;
    if (fields || strchr(kind->group, '.'))
        return error_set(e, EINVAL, "field label not supported: %s", field);
    return error_set(e, EINVAL,
                     "\"%s\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                     field);
}

/* Takes the protection out of a value. */
static int read_value(Arena *a, const char *s, size_t n, const char **ret, Error *e)
{
    char *out = arena_alloc(a, n + 1);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\') {
            if (i + 1 == n || !strchr("\\,=", s[i + 1]))
                return error_set(e, EINVAL, "invalid field selector: invalid escape sequence: \\%.*s",
                                 i + 1 < n, s + i + 1);
            i++;
        } else if (s[i] == '=') {
            return error_set(e, EINVAL, "invalid field selector: unescaped character in value: %d", s[i]);
        }
        out[len++] = s[i];
    }
    *ret = out;
    return 0;
}

static int read_term(Arena *a, const char *text, const char *part, size_t n, FieldTerm *t, Error *e)
{
    for (size_t i = 0; i < n; i++) {
        bool two = i + 1 < n && part[i + 1] == '=';
        if (part[i] != '=' && !(part[i] == '!' && two))
            continue;
        t->field = arena_memdup(a, part, i);
        t->negated = part[i] == '!';
        i += two ? 2 : 1;
        return read_value(a, part + i, n - i, &t->value, e);
    }
    return error_set(e, EINVAL, "invalid selector: '%s'; can't understand '%.*s'", text, (int)n, part);
}

static size_t term_length(const char *s)
{
    size_t n = 0;
    while (s[n] && s[n] != ',')
        n += s[n] == '\\' && s[n + 1] ? 2 : 1;
    return n;
}

int field_selector_read(Arena *a, const KubeKind *kind, const char *text, FieldSelector **ret, Error *e)
{
    FieldSelector *s = ARENA_NEW(a, FieldSelector);
    if (text && strlen(text) > SELECTOR_TEXT_MAX)
        return error_set(e, EINVAL, "a field selector of more than %d bytes", SELECTOR_TEXT_MAX);
    for (const char *at = text ? text : ""; *at;) {
        size_t n = term_length(at);
        FieldTerm *t = ARENA_NEW(a, FieldTerm);
        int k = n ? read_term(a, text, at, n, t, e) : 0;
        if (k == 0 && n)
            k = check_field(kind, t->field, e);
        if (k < 0)
            return k;
        if (n) {
            t->next = s->terms;
            s->terms = t;
        }
        at += n + (at[n] == ',');
    }
    *ret = s;
    return 0;
}

static const char *value_of(const Node *object, const char *field)
{
    const Node *n = node_get_path(object, field);
    if (!strcmp(field, "source")) /* of an event: the component alone */
        n = node_get_path(object, "source.component");
    if (!strcmp(field, "status.podIPs"))
        n = node_get_path(object, "status.podIPs.0.ip");
    if (n && (n->kind == NODE_STRING || n->kind == NODE_NUMBER))
        return n->string;
    for (size_t i = 0; i < ELEMENTS(booleans); i++)
        if (!strcmp(field, booleans[i]))
            return n && n->kind == NODE_BOOL && n->boolean ? "true" : "false";
    return "";
}

bool field_selector_matches(const FieldSelector *s, const Node *object)
{
    for (const FieldTerm *t = s->terms; t; t = t->next)
        if (!strcmp(value_of(object, t->field), t->value) == t->negated)
            return false;
    return true;
}

const char *field_selector_name(const FieldSelector *s)
{
    for (const FieldTerm *t = s->terms; t; t = t->next)
        if (!t->negated && !strcmp(t->field, "metadata.name"))
            return t->value;
    return NULL;
}

bool field_selector_is_name(const FieldSelector *s)
{
    return s->terms && !s->terms->next && field_selector_name(s);
}
