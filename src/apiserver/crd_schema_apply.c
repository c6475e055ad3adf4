/* Pruning and defaulting, as the read and the write path of a real server do them: what the schema does not
 * declare goes, unless x-kubernetes-preserve-unknown-fields keeps it (declared fields below are pruned all
 * the same); then null where none may be goes, and what is missing gets its default, whose own missing fields
 * are filled, too. Objects and lists keep their order. */
#include <string.h>

#include "apiserver/crd_schema_node.h"

typedef struct Apply {
    Arena *arena;
    Report *unknown; /* NULL: nobody asks */
} Apply;

static bool is_meta(const char *key)
{
    return !strcmp(key, "apiVersion") || !strcmp(key, "kind") || !strcmp(key, "metadata");
}

static void tell(Apply *c, const PathStep *path, const Node *n)
{
    if (!c->unknown || c->unknown->warnings >= FIELD_ERRORS_MAX)
        return;
    const char *field = field_text(c->unknown->arena, path);
    report_add(c->unknown, SEVERITY_WARNING, NULL, n, "unknown field \"%s\"", field);
    c->unknown->entries[c->unknown->n - 1].path = field;
}

/* `s` NULL: nothing is declared. `keeps`: only what is declared is looked into. */
static void prune(Apply *c, const CrdSchema *s, bool keeps, Node *n, const PathStep *path)
{
    size_t i = 0;
    if (s && s->preserves)
        keeps = true;
    if (n->kind == NODE_ARRAY) {
        for (Node *item = n->first; item; item = item->next, i++)
            if (!keeps || (s && s->items))
                prune(c, s ? s->items : NULL, keeps, item, PATH_INDEX(path, i));
        return;
    }
    if (n->kind != NODE_OBJECT)
        return;
    for (Node *m = n->first, *next; m; m = next) {
        const PathStep *at = PATH_KEY(path, m->key);
        next = m->next;
        if (s && s->embedded && is_meta(m->key))
            continue;
        const CrdSchema *declared = s ? crd_schema_property(s, m->key) : NULL;
        if (declared) {
            prune(c, declared, false, m, at);
        } else if (s && (s->additional || s->additional_any)) {
            prune(c, s->additional, false, m, at);
        } else if (!keeps) {
            tell(c, at, m);
            node_remove(n, m->key);
        }
    }
}

static bool null_for_none(const CrdSchema *s, const Node *n)
{
    return n->kind == NODE_NULL && s && !s->nullable;
}

static void fill(Apply *c, const CrdSchema *s, Node *n);

static void fill_object(Apply *c, const CrdSchema *s, Node *n)
{
    for (Node *m = n->first, *next; m; m = next) {
        next = m->next;
        const CrdSchema *declared = crd_schema_property(s, m->key);
        if (!declared && s->additional)
            declared = s->additional;
        if (null_for_none(declared, m) && !declared->default_value)
            node_remove(n, m->key);
    }
    for (size_t i = 0; i < s->properties.n; i++) {
        const CrdSchema *p = s->properties.schemas[i];
        const Node *is = node_get(n, p->key);
        if (p->default_value && (!is || null_for_none(p, is)))
            node_set(c->arena, n, p->key, node_copy(c->arena, p->default_value));
    }
    for (Node *m = n->first; m; m = m->next) {
        const CrdSchema *declared = crd_schema_property(s, m->key);
        if (!declared && s->additional && null_for_none(s->additional, m))
            m = node_set(c->arena, n, m->key, node_copy(c->arena, s->additional->default_value));
        if (declared || s->additional)
            fill(c, declared ? declared : s->additional, m);
    }
}

static void fill(Apply *c, const CrdSchema *s, Node *n)
{
    if (n->kind == NODE_OBJECT)
        fill_object(c, s, n);
    if (n->kind != NODE_ARRAY || !s->items)
        return;
    for (Node *item = n->first; item; item = item->next) {
        if (null_for_none(s->items, item) && s->items->default_value) {
            Node *next = item->next;
            *item = *node_copy(c->arena, s->items->default_value);
            item->next = next;
            item->key = NULL;
        }
        fill(c, s->items, item);
    }
}

void crd_schema_apply_value(Arena *a, const CrdSchema *s, Node *value, Report *unknown)
{
    Apply c = {.arena = a, .unknown = unknown};
    prune(&c, s, false, value, NULL);
    fill(&c, s, value);
}

void crd_schema_apply_reporting(Arena *a, const CrdSchema *s, Node *object, Report *unknown)
{
    CrdSchema root = *s;
    root.embedded = true;
    crd_schema_apply_value(a, &root, object, unknown);
}

void crd_schema_apply(Arena *a, const CrdSchema *s, Node *object)
{
    crd_schema_apply_reporting(a, s, object, NULL);
}
