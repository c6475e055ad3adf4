/* Integers of 64 bits are compared exactly, other numbers as doubles: what a real server reads them into. */
#include "apiserver/value.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"

double value_double(const Node *n)
{
    return strtod(n->string, NULL);
}

bool value_is_integer(const Node *n)
{
    int64_t i;
    if (!n || n->kind != NODE_NUMBER)
        return false;
    if (node_int(n, &i) == 0)
        return true;
    double d = value_double(n);
    return isfinite(d) && d == trunc(d);
}

static int number_compare(const Node *a, const Node *b)
{
    int64_t x, y;
    if (node_int(a, &x) == 0 && node_int(b, &y) == 0)
        return (x > y) - (x < y);
    double c = value_double(a), d = value_double(b);
    return (c > d) - (c < d);
}

enum { FEW_MEMBERS = 16 };

ValueIndex value_index(const Node *object)
{
    ValueIndex i = {.object = object && object->kind == NODE_OBJECT ? object : NULL};
    if (i.object && object->n > FEW_MEMBERS)
        NODE_EACH (c, object)
            map_put(&i.map, c->key, c);
    return i;
}

Node *value_index_get(const ValueIndex *i, const char *name)
{
    return i->map.n ? map_get(&i->map, name) : node_get(i->object, name);
}

void value_index_done(ValueIndex *i)
{
    map_done(&i->map);
}

static bool objects_equal(const Node *a, const Node *b)
{
    _cleanup_value_index_ ValueIndex others = value_index(b);
    NODE_EACH (x, a) {
        const Node *y = value_index_get(&others, x->key);
        if (!y || !value_equal(x, y))
            return false;
    }
    return true;
}

static bool lists_equal(const Node *a, const Node *b)
{
    const Node *y = b->first;
    for (const Node *x = a->first; x; x = x->next, y = y->next)
        if (!value_equal(x, y))
            return false;
    return true;
}

bool value_equal(const Node *a, const Node *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == NODE_NUMBER)
        return number_compare(a, b) == 0;
    if (a->kind == NODE_OBJECT)
        return a->n == b->n && objects_equal(a, b);
    if (a->kind == NODE_ARRAY)
        return a->n == b->n && lists_equal(a, b);
    return node_equal(a, b);
}

int value_compare(const Node *a, const Node *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == NODE_NUMBER)
        return number_compare(a, b);
    _cleanup_buf_ Buf x = BUF_INIT, y = BUF_INIT;
    if (a->kind == NODE_STRING)
        return strcmp(a->string, b->string);
    json_write(a, JSON_COMPACT, &x);
    json_write(b, JSON_COMPACT, &y);
    return strcmp(x.data, y.data);
}
