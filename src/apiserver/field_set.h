#pragma once
/* Sets of fields of an object: metadata.managedFields[].fieldsV1. A path consists of elements as they are
 * written there: "f:name", "k:{…}" an item by its keys, "v:…" an item of a set, "i:0". Sets are trees in an
 * arena; operations make new ones and share what they can. */
#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "format/node.h"

enum { FIELD_SET_DEPTH_MAX = 200 };

typedef struct FieldSet {
    const char *element;        /* NULL at the root */
    bool member;                /* the path that ends here is in the set */
    struct FieldSet **children; /* by element, once sorted */
    size_t n, size;
    bool unsorted;
} FieldSet;

FieldSet *field_set_new(Arena *a, const char *element);
/* The caller adds each element once. */
void field_set_add(Arena *a, FieldSet *s, FieldSet *child);

/* -EINVAL: no FieldsV1. */
int field_set_read(Arena *a, const Node *fields_v1, FieldSet **ret, Error *e);
Node *field_set_write(Arena *a, FieldSet *s);

bool field_set_empty(const FieldSet *s);
FieldSet *field_set_child(FieldSet *s, const char *element); /* NULL: nothing below it */
FieldSet *field_set_union(Arena *a, FieldSet *x, FieldSet *y);
FieldSet *field_set_without(Arena *a, FieldSet *x, FieldSet *y); /* paths of x that are not in y */
FieldSet *field_set_both(Arena *a, FieldSet *x, FieldSet *y);

/* ".spec.containers[name=\"a\"].image" */
typedef void (*FieldSetEach)(void *context, const char *path);
void field_set_each(Arena *a, FieldSet *s, FieldSetEach each, void *context);
