#pragma once
/* What the kinds of the API that are no CRDs consist of: for strategic merge patches (merge keys),
 * server-side apply (what a list's items are told apart by), and the documents of /openapi. A type is a line
 * of fields:
 *
 *   name:type       type: string int32 int64 bool double time microtime quantity intstr bytes any, the name
 * of a type (of the same group, unless it has dots), [type] a list, {type} a map of texts ! required
 *   @key or @       a strategic merge patch merges the list, by that key, or as a set
 *   ^               its directive $retainKeys is meant for this field
 *   =               a strategic merge patch replaces what it would merge
 *   |a,b=DEFAULT    server-side apply tells the items apart by these keys
 *   %               the list is a set
 *   #               owned as a whole
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "kube/kube.h"

typedef struct BuiltinType {
    const char *name; /* "core.v1.Pod" */
    const char *fields;
} BuiltinType;

extern const BuiltinType builtin_types_core[], builtin_types_groups[];
extern const size_t builtin_types_core_n, builtin_types_groups_n;

/* A part of such a line. */
typedef struct Span {
    const char *s;
    size_t n;
} Span;

typedef struct BuiltinField {
    Span name, type;
    bool required, merges, retain_keys, replaces, set, atomic;
    Span merge_key; /* empty: none */
    Span list_keys; /* "a,b=DEFAULT"; empty: none */
} BuiltinField;

const BuiltinType *builtin_type_get(const char *name); /* NULL: none */
/* Former versions (policy/v1beta1) have the fields of v1. NULL: none. */
const BuiltinType *builtin_type_of_kind(const KubeKind *kind);
/* The n-th type, in no particular order; NULL past the last. */
const BuiltinType *builtin_type_at(size_t n);

/* The field behind `*at`, which starts as type->fields and moves on; false at the end. */
bool builtin_field_next(const char **at, BuiltinField *ret);
bool builtin_field_get(const BuiltinType *type, const char *name, BuiltinField *ret);

/* The type that a field's type, its items or its values have (of "[Container]": Container's): NULL when that
 * is a scalar or "any". */
const BuiltinType *builtin_type_within(const BuiltinType *of, Span type);
bool span_is(Span s, const char *text);
