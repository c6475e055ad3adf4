#pragma once
/* What stands at a place of an object, as far as ownership of fields needs it: which fields it has, and what
 * the items of its lists are told apart by. From the table of built-in types or from a CRD's schema; without
 * either, maps are owned field by field and lists as a whole. */
#include "apiserver/builtin_type.h"
#include "apiserver/crd_schema.h"

typedef enum ShapeKind {
    SHAPE_ANY,    /* nothing is known */
    SHAPE_ATOMIC, /* of any form, owned as a whole */
    SHAPE_STRUCT, /* a built-in type */
    SHAPE_FIELD,  /* what a field of a built-in type has: a list, a map, a scalar */
    SHAPE_CRD,
} ShapeKind;

typedef struct FieldShape {
    ShapeKind kind;
    bool root, atomic;
    const BuiltinType *type; /* STRUCT: itself; FIELD: what `text` is said in */
    Span text;               /* FIELD: of the type */
    Span keys;               /* FIELD: of a list */
    bool set;
    const CrdSchema *crd;
} FieldShape;

typedef enum ListKind { LIST_ATOMIC, LIST_SET, LIST_MAP } ListKind;

/* schema NULL: of a kind without one. */
FieldShape field_shape_of(const KubeKind *kind, const CrdSchema *schema);
bool field_shape_map_atomic(const FieldShape *s);
/* *ret_known: 1 a declared field, 0 one among many (a map's value), -1 the shape knows no such field. */
FieldShape field_shape_member(const FieldShape *s, const char *name, int *ret_known);
ListKind field_shape_list(const FieldShape *s);
FieldShape field_shape_item(const FieldShape *s);
/* The n-th key of a LIST_MAP, with the default of that field or NULL. False past the last. */
bool field_shape_key(Arena *a, const FieldShape *s, size_t n, const char **ret_key, const Node **ret_default);
