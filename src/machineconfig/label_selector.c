/* Selectors become a flat list of terms, matchLabels first: one loop decides. A field or an operator that
 * is not known, a value of another kind, or values where none belong, are findings, so that a mistyped
 * selector never silently selects less. */
#include "machineconfig/label_selector.h"

#include <string.h>

static const char *const operator_names[] = {
    [SELECTOR_IN] = "In",
    [SELECTOR_NOT_IN] = "NotIn",
    [SELECTOR_EXISTS] = "Exists",
    [SELECTOR_DOES_NOT_EXIST] = "DoesNotExist",
};

static size_t count(const Node *n, NodeKind kind)
{
    return n && n->kind == kind ? n->n : 0;
}

static SelectorTerm equals(Arena *a, const char *key, const char *value)
{
    SelectorTerm t = {
        .key = key, .operator= SELECTOR_IN, .values = ARENA_NEW(a, const char *), .n_values = 1};
    t.values[0] = value;
    return t;
}

static bool read_operator(const Node *n, SelectorOperator *ret)
{
    const char *text = node_string(n);
    for (size_t i = 0; text && i < ELEMENTS(operator_names); i++)
        if (!strcmp(text, operator_names[i])) {
            *ret = (SelectorOperator)i;
            return true;
        }
    return false;
}

static bool read_expression(Arena *a, const Node *n, const PathStep *path, SelectorTerm *ret, Report *r)
{
    const Node *values = node_get(n, "values");
    ret->key = node_string(node_get(n, "key"));
    if (!ret->key) {
        report_add(r, SEVERITY_ERROR, PATH_KEY(path, "key"), n, "a selector's expression needs a key");
        return false;
    }
    if (!read_operator(node_get(n, "operator"), &ret->operator)) {
        report_add(r, SEVERITY_ERROR, PATH_KEY(path, "operator"), n,
                   "operator must be In, NotIn, Exists or DoesNotExist");
        return false;
    }
    bool wants = ret->operator== SELECTOR_IN || ret->operator== SELECTOR_NOT_IN;
    if (wants != (count(values, NODE_ARRAY) > 0)) {
        report_add(r, SEVERITY_ERROR, PATH_KEY(path, "values"), values ? values : n,
                   wants ? "operator %s needs values" : "operator %s takes no values",
                   operator_names[ret->operator]);
        return false;
    }
    if (!wants)
        return true;
    ret->values = ARENA_ARRAY(a, const char *, values->n);
    NODE_EACH (v, values) {
        if (!node_string(v)) {
            report_add(r, SEVERITY_ERROR, PATH_KEY(path, "values"), v, "values must be strings");
            return false;
        }
        ret->values[ret->n_values++] = node_string(v);
    }
    return true;
}

static void read_labels(Arena *a, const Node *labels, const PathStep *path, LabelSelector *ret, Report *r)
{
    NODE_EACH (l, labels) {
        if (node_string(l))
            ret->terms[ret->n++] = equals(a, l->key, node_string(l));
        else
            report_add(r, SEVERITY_ERROR, PATH_KEY(path, l->key), l, "a label's value must be a string");
    }
}

static void read_expressions(Arena *a, const Node *expressions, const PathStep *path, LabelSelector *ret,
                             Report *r)
{
    size_t i = 0;
    NODE_EACH (e, expressions) {
        SelectorTerm t = {0};
        if (read_expression(a, e, PATH_INDEX(path, i++), &t, r))
            ret->terms[ret->n++] = t;
    }
}

static const struct {
    const char *name;
    NodeKind kind;
    void (*read)(Arena *a, const Node *n, const PathStep *path, LabelSelector *ret, Report *r);
} parts[] = {
    {"matchLabels", NODE_OBJECT, read_labels},
    {"matchExpressions", NODE_ARRAY, read_expressions},
};

static bool kind_ok(const Node *n, NodeKind kind, const PathStep *path, Report *r)
{
    if (n->kind != kind && n->kind != NODE_NULL)
        report_add(r, SEVERITY_ERROR, path, n, "expected %s, found %s", node_kind_name(kind),
                   node_kind_name(n->kind));
    return n->kind == kind;
}

static bool known_part(const char *key)
{
    for (size_t i = 0; i < ELEMENTS(parts); i++)
        if (!strcmp(parts[i].name, key))
            return true;
    return false;
}

void label_selector_read(Arena *a, const Node *node, const PathStep *path, LabelSelector *ret, Report *r)
{
    *ret = (LabelSelector){0};
    if (!node || !kind_ok(node, NODE_OBJECT, path, r))
        return;
    ret->terms = ARENA_ARRAY(a, SelectorTerm,
                             count(node_get(node, "matchLabels"), NODE_OBJECT) +
                                 count(node_get(node, "matchExpressions"), NODE_ARRAY) + 1);
    NODE_EACH (n, node)
        if (!known_part(n->key))
            report_add_key(r, SEVERITY_ERROR, PATH_KEY(path, n->key), n, "unknown field '%s'", n->key);
    for (size_t i = 0; i < ELEMENTS(parts); i++) {
        const Node *n = node_get(node, parts[i].name);
        const PathStep *at = PATH_KEY(path, parts[i].name);
        if (n && kind_ok(n, parts[i].kind, at, r))
            parts[i].read(a, n, at, ret, r);
    }
}

LabelSelector label_selector_equals(Arena *a, const char *key, const char *value)
{
    LabelSelector s = {.terms = ARENA_NEW(a, SelectorTerm), .n = 1};
    s.terms[0] = equals(a, key, value);
    return s;
}

static bool term_holds(const SelectorTerm *t, const Node *labels)
{
    const Node *label = node_get(labels, t->key);
    if (t->operator== SELECTOR_EXISTS || t->operator== SELECTOR_DOES_NOT_EXIST)
        return (label != NULL) == (t->operator== SELECTOR_EXISTS);
    bool in = false;
    for (size_t i = 0; label && i < t->n_values; i++)
        in = in || (node_string(label) && !strcmp(node_string(label), t->values[i]));
    return in == (t->operator== SELECTOR_IN);
}

bool label_selector_matches(const LabelSelector *s, const Node *labels)
{
    for (size_t i = 0; i < s->n; i++)
        if (!term_holds(&s->terms[i], labels))
            return false;
    return s->n > 0;
}
