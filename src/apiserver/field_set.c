/* A tree whose children are sorted when they are first looked at; two of them are walked side by side. Texts
 * of elements are kept as they came: keys of items are written by one function (typed_value.c), sorted. */
#include "apiserver/field_set.h"

#include <string.h>

#include "base/cleanup.h"
#include "format/json.h"

FieldSet *field_set_new(Arena *a, const char *element)
{
    FieldSet *s = ARENA_NEW(a, FieldSet);
    s->element = element;
    return s;
}

void field_set_add(Arena *a, FieldSet *s, FieldSet *child)
{
    if (s->n == s->size) {
        size_t size = s->size ? s->size * 2 : 4;
        FieldSet **children = ARENA_ARRAY(a, FieldSet *, size);
        if (s->n)
            memcpy(children, s->children, s->n * sizeof(*children));
        s->children = children;
        s->size = size;
    }
    s->unsorted = s->unsorted || (s->n && strcmp(s->children[s->n - 1]->element, child->element) > 0);
    s->children[s->n++] = child;
}

static int by_element(const void *x, const void *y)
{
    return strcmp((*(FieldSet *const *)x)->element, (*(FieldSet *const *)y)->element);
}

static void sort(FieldSet *s)
{
    if (s->unsorted)
        qsort(s->children, s->n, sizeof(*s->children), by_element);
    s->unsorted = false;
}

FieldSet *field_set_child(FieldSet *s, const char *element)
{
    FieldSet key = {.element = element}, *k = &key, **found = NULL;
    sort(s);
    if (s->n)
        found = bsearch(&k, s->children, s->n, sizeof(*s->children), by_element);
    return found ? *found : NULL;
}

bool field_set_empty(const FieldSet *s)
{
    if (s->member)
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (!field_set_empty(s->children[i]))
            return false;
    return true;
}

/* ---- text ---- */

static bool element_ok(Arena *a, const char *key)
{
    if (!strncmp(key, "f:", 2))
        return true;
    if (!strncmp(key, "i:", 2))
        return key[2] && !key[2 + strspn(key + 2, "0123456789")];
    if (strncmp(key, "k:", 2) != 0 && strncmp(key, "v:", 2) != 0)
        return false;
    Source source = {.name = "element", .text = key + 2, .len = strlen(key + 2)};
    _cleanup_report_ Report r = REPORT_INIT(a);
    Node *n;
    return json_read(a, &source, SEVERITY_ERROR, &n, &r) == 0 && (key[0] == 'v' || n->kind == NODE_OBJECT);
}

static int read_set(Arena *a, const Node *n, FieldSet *s, unsigned depth, Error *e)
{
    if (n->kind != NODE_OBJECT)
        return error_set(e, EINVAL, "fieldsV1 consists of objects, found %s", node_kind_name(n->kind));
    if (depth > FIELD_SET_DEPTH_MAX)
        return error_set(e, EINVAL, "fieldsV1 deeper than %d", FIELD_SET_DEPTH_MAX);
    if (!n->n)
        s->member = s->element != NULL;
    NODE_EACH (c, n) {
        if (!strcmp(c->key, ".")) {
            s->member = s->element != NULL;
            continue;
        }
        if (!element_ok(a, c->key))
            return error_set(e, EINVAL, "unable to parse path element \"%s\" of fieldsV1", c->key);
        FieldSet *child = field_set_new(a, c->key);
        int r = read_set(a, c, child, depth + 1, e);
        if (r < 0)
            return r;
        field_set_add(a, s, child);
    }
    return 0;
}

int field_set_read(Arena *a, const Node *fields_v1, FieldSet **ret, Error *e)
{
    FieldSet *s = field_set_new(a, NULL);
    int r = read_set(a, fields_v1, s, 0, e);
    if (r == 0)
        *ret = s;
    return r;
}

Node *field_set_write(Arena *a, FieldSet *s)
{
    Node *n = node_new(a, NODE_OBJECT);
    sort(s);
    for (size_t i = 0; i < s->n; i++) {
        if (field_set_empty(s->children[i]))
            continue;
        Node *child = field_set_write(a, s->children[i]);
        child->key = s->children[i]->element;
        if (s->member && !n->n)
            node_set(a, n, ".", node_new(a, NODE_OBJECT));
        node_append(n, child);
    }
    return n;
}

/* ---- operations ---- */

FieldSet *field_set_union(Arena *a, FieldSet *x, FieldSet *y)
{
    if (!x || !y)
        return x ? x : y;
    FieldSet *s = field_set_new(a, x->element);
    size_t i = 0, j = 0;
    s->member = x->member || y->member;
    sort(x);
    sort(y);
    while (i < x->n || j < y->n) {
        int d = i == x->n ? 1 : j == y->n ? -1 : strcmp(x->children[i]->element, y->children[j]->element);
        FieldSet *left = d <= 0 ? x->children[i++] : NULL, *right = d >= 0 ? y->children[j++] : NULL;
        field_set_add(a, s, field_set_union(a, left, right));
    }
    return s;
}

FieldSet *field_set_without(Arena *a, FieldSet *x, FieldSet *y)
{
    FieldSet *s = field_set_new(a, x->element);
    s->member = x->member && !y->member;
    sort(x);
    for (size_t i = 0; i < x->n; i++) {
        FieldSet *other = field_set_child(y, x->children[i]->element);
        FieldSet *child = other ? field_set_without(a, x->children[i], other) : x->children[i];
        if (!field_set_empty(child))
            field_set_add(a, s, child);
    }
    return s;
}

FieldSet *field_set_both(Arena *a, FieldSet *x, FieldSet *y)
{
    FieldSet *s = field_set_new(a, x->element);
    s->member = x->member && y->member;
    sort(x);
    for (size_t i = 0; i < x->n; i++) {
        FieldSet *other = field_set_child(y, x->children[i]->element);
        FieldSet *child = other ? field_set_both(a, x->children[i], other) : NULL;
        if (child && !field_set_empty(child))
            field_set_add(a, s, child);
    }
    return s;
}

/* ---- paths ---- */

static const char *element_text(Arena *a, const char *element)
{
    _cleanup_buf_ Buf b = BUF_INIT, value = BUF_INIT;
    if (element[0] == 'f')
        return arena_printf(a, ".%s", element + 2);
    if (element[0] == 'i')
        return arena_printf(a, "[%s]", element + 2);
    if (element[0] == 'v')
        return arena_printf(a, "[=%s]", element + 2);
    Source *source = ARENA_NEW(a, Source);
    _cleanup_report_ Report r = REPORT_INIT(a);
    Node *n;
    *source = (Source){.name = "element", .text = element + 2, .len = strlen(element + 2)};
    if (json_read(a, source, SEVERITY_WARNING, &n, &r) < 0 || n->kind != NODE_OBJECT)
        return element;
    NODE_EACH (k, n) {
        value.len = 0;
        json_write(k, JSON_COMPACT, &value);
        buf_addf(&b, "%s%s=%s", b.len ? "," : "", k->key, value.data);
    }
    return arena_printf(a, "[%s]", b.data ? b.data : "");
}

static void each_path(Arena *a, FieldSet *s, const char *path, FieldSetEach each, void *context)
{
    if (s->member)
        each(context, path);
    sort(s);
    for (size_t i = 0; i < s->n; i++)
        each_path(a, s->children[i], arena_printf(a, "%s%s", path, element_text(a, s->children[i]->element)),
                  each, context);
}

void field_set_each(Arena *a, FieldSet *s, FieldSetEach each, void *context)
{
    each_path(a, s, "", each, context);
}
