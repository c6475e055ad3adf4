#pragma once
/* The inside of crd_schema.h, for those who walk along a schema. */
#include "apiserver/crd_schema.h"
#include "apiserver/format_check.h"
#include "apiserver/go_pattern.h"

typedef enum CrdType {
    CRD_ANY,
    CRD_OBJECT,
    CRD_ARRAY,
    CRD_STRING,
    CRD_INTEGER,
    CRD_NUMBER,
    CRD_BOOLEAN
} CrdType;

typedef struct CrdSchemas {
    struct CrdSchema **schemas;
    size_t n;
} CrdSchemas;

typedef struct CrdLength {
    int64_t min, max; /* -1: none */
} CrdLength;

struct CrdSchema {
    const Node *node; /* as it was written */
    const char *key;  /* as a property */
    CrdType type;
    bool nullable, int_or_string, preserves, embedded;
    CrdSchemas properties, all_of, any_of, one_of;
    struct CrdSchema *items, *additional, *not_; /* NULL: none */
    bool additional_any, additional_none;        /* additionalProperties: true, false */
    const Node *default_value, *enum_values, *required;
    const Node *minimum, *maximum, *multiple_of;
    bool exclusive_minimum, exclusive_maximum, unique_items;
    CrdLength length, n_items, n_properties;
    const char *pattern_text;
    GoPattern *pattern;
    const char *format;
    FormatCheck check;
    const char *list_type; /* "atomic", "set", "map"; NULL: not said */
    const Node *list_keys; /* of "map" */
    const char *map_type;  /* "atomic", "granular"; NULL: not said */
};

CrdSchema *crd_schema_property(const CrdSchema *s, const char *name); /* NULL: none of that name */
extern const char *const crd_type_names[];

/* crd_schema_rules.c: what must hold of a schema that was read. */
void crd_schema_check(const CrdSchema *s, const PathStep *path, Report *r);
/* crd_schema_apply.c: of a value anywhere in an object. */
void crd_schema_apply_value(Arena *a, const CrdSchema *s, Node *value, Report *unknown);
