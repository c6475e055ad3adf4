#pragma once
/* Objects under a shape: which fields they have, how two of them differ, what both together are, and an
 * object without some of its fields: the operations of structured-merge-diff. */
#include "apiserver/field_set.h"
#include "apiserver/field_shape.h"

typedef struct FieldChanges {
    FieldSet *added, *modified, *removed;
} FieldChanges;

/* Fields that are unknown, items without their keys, items that stand twice: -EINVAL with ".path: why". */
int typed_check(Arena *a, const FieldShape *s, const Node *n, Error *e);
FieldSet *typed_fields(Arena *a, const FieldShape *s, const Node *n);
/* Struct fields with something below them become members. */
FieldSet *typed_name_structs(Arena *a, const FieldShape *s, FieldSet *set);
FieldChanges typed_compare(Arena *a, const FieldShape *s, const Node *before, const Node *after);
/* `over` wins; shares nothing with either. */
Node *typed_merge(Arena *a, const FieldShape *s, const Node *under, const Node *over);
/* NULL: nothing is left. */
Node *typed_remove(Arena *a, const FieldShape *s, const Node *n, FieldSet *gone);
