#pragma once
/* Values of JSON as the API compares them: 1, 1.0 and 1e0 are the same number (node_equal() compares how they
 * were written). */
#include <stdbool.h>

#include "base/map.h"
#include "format/node.h"

bool value_equal(const Node *a, const Node *b);
/* Numbers as numbers, texts by their bytes, other values by how they are written; for sorting. */
int value_compare(const Node *a, const Node *b);
bool value_is_integer(const Node *n); /* a number without a fraction, as 3 and 3.0 */
double value_double(const Node *n);   /* of a number */

/* Members of an object by name, when many are looked up: node_get() walks. */
typedef struct ValueIndex {
    const Node *object; /* NULL: nothing is found */
    Map map;            /* of an object with many members */
} ValueIndex;
#define _cleanup_value_index_ _cleanup_(value_index_done)
ValueIndex value_index(const Node *object);
Node *value_index_get(const ValueIndex *i, const char *name);
void value_index_done(ValueIndex *i);
