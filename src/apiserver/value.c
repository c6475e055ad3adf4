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

static bool children_equal(const Node *a, const Node *b)
{
    const Node *y = b->first;
    if (a->n != b->n)
        return false;
    NODE_EACH (x, a) {
        const Node *other = a->kind == NODE_OBJECT ? node_get(b, x->key) : y;
        if (!other || !value_equal(x, other))
            return false;
        y = y->next;
    }
    return true;
}

bool value_equal(const Node *a, const Node *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == NODE_NUMBER)
        return number_compare(a, b) == 0;
    if (a->kind == NODE_ARRAY || a->kind == NODE_OBJECT)
        return children_equal(a, b);
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
