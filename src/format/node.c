/* The tree itself: look-ups walk the children, since objects of configs have a handful of keys. */
#include "format/node.h"

#include <string.h>

static const char *const kind_names[] = {
    [NODE_NULL] = "null",       [NODE_BOOL] = "a boolean", [NODE_NUMBER] = "a number",
    [NODE_STRING] = "a string", [NODE_ARRAY] = "a list",   [NODE_OBJECT] = "an object",
};

const char *node_kind_name(NodeKind kind)
{
    return kind_names[kind];
}

Node *node_get(const Node *object, const char *key)
{
    if (!object || object->kind != NODE_OBJECT)
        return NULL;
    for (Node *n = object->first; n; n = n->next)
        if (!strcmp(n->key, key))
            return n;
    return NULL;
}

static const Node *step(const Node *n, const char *name)
{
    if (n->kind != NODE_ARRAY)
        return node_get(n, name);
    char *end;
    unsigned long index = strtoul(name, &end, 10);
    if (*end || end == name)
        return NULL;
    const Node *item = n->first;
    while (item && index--)
        item = item->next;
    return item;
}

Node *node_get_path(const Node *object, const char *path)
{
    char name[256];
    const Node *n = object;
    while (n && *path) {
        size_t len = strcspn(path, ".");
        if (len >= sizeof(name))
            return NULL;
        memcpy(name, path, len);
        name[len] = '\0';
        n = step(n, name);
        path += len + (path[len] == '.');
    }
    return (Node *)n;
}

const char *node_string(const Node *n)
{
    return n && n->kind == NODE_STRING ? n->string : NULL;
}

int node_int(const Node *n, int64_t *ret)
{
    if (!n || n->kind != NODE_NUMBER)
        return -EINVAL;
    size_t sign = n->string[0] == '-';
    if (!n->string[sign] || n->string[sign + strspn(n->string + sign, "0123456789")])
        return -EINVAL;
    errno = 0;
    long long v = strtoll(n->string, NULL, 10);
    if (errno)
        return -ERANGE;
    *ret = v;
    return 0;
}

static bool children_equal(const Node *a, const Node *b)
{
    const Node *y = b->first;
    if (a->n != b->n)
        return false;
    NODE_EACH (x, a) {
        const Node *other = a->kind == NODE_OBJECT ? node_get(b, x->key) : y;
        if (!other || !node_equal(x, other))
            return false;
        y = y->next;
    }
    return true;
}

bool node_equal(const Node *a, const Node *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case NODE_NULL:
        return true;
    case NODE_BOOL:
        return a->boolean == b->boolean;
    case NODE_NUMBER:
    case NODE_STRING:
        return a->len == b->len && !memcmp(a->string, b->string, a->len);
    case NODE_ARRAY:
    case NODE_OBJECT:
        return children_equal(a, b);
    }
    return false;
}

Node *node_new(Arena *a, NodeKind kind)
{
    Node *n = ARENA_NEW(a, Node);
    n->kind = kind;
    return n;
}

Node *node_new_string_n(Arena *a, const char *s, size_t len)
{
    Node *n = node_new(a, NODE_STRING);
    n->string = arena_memdup(a, s, len);
    n->len = len;
    return n;
}

Node *node_new_string(Arena *a, const char *s)
{
    return node_new_string_n(a, s, strlen(s));
}

Node *node_new_int(Arena *a, int64_t v)
{
    Node *n = node_new(a, NODE_NUMBER);
    n->string = arena_printf(a, "%lld", (long long)v);
    n->len = strlen(n->string);
    return n;
}

Node *node_new_bool(Arena *a, bool v)
{
    Node *n = node_new(a, NODE_BOOL);
    n->boolean = v;
    return n;
}

Node *node_append(Node *parent, Node *value)
{
    if (parent->last)
        parent->last->next = value;
    else
        parent->first = value;
    parent->last = value;
    parent->n++;
    return value;
}

static Node *before(const Node *object, const Node *child)
{
    Node *p = NULL;
    for (Node *n = object->first; n != child; n = n->next)
        p = n;
    return p;
}

Node *node_set(Arena *a, Node *object, const char *key, Node *value)
{
    Node *old = node_get(object, key);
    value->key = arena_strdup(a, key);
    if (!old)
        return node_append(object, value);
    Node *previous = before(object, old);
    value->next = old->next;
    *(previous ? &previous->next : &object->first) = value;
    if (object->last == old)
        object->last = value;
    return value;
}

Node *node_set_string(Arena *a, Node *object, const char *key, const char *value)
{
    return value ? node_set(a, object, key, node_new_string(a, value)) : NULL;
}

bool node_remove(Node *object, const char *key)
{
    Node *old = node_get(object, key);
    if (!old)
        return false;
    Node *previous = before(object, old);
    *(previous ? &previous->next : &object->first) = old->next;
    if (object->last == old)
        object->last = previous;
    object->n--;
    return true;
}

Node *node_copy(Arena *a, const Node *n)
{
    Node *copy = ARENA_NEW(a, Node);
    *copy = *n;
    copy->next = NULL;
    copy->key = arena_strdup(a, n->key);
    if (n->kind == NODE_STRING || n->kind == NODE_NUMBER)
        copy->string = arena_memdup(a, n->string, n->len);
    if (n->kind == NODE_ARRAY || n->kind == NODE_OBJECT) {
        copy->first = copy->last = NULL;
        copy->n = 0;
        NODE_EACH (child, n)
            node_append(copy, node_copy(a, child));
    }
    return copy;
}
