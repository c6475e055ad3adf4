#pragma once
/* The config language as tables: one row says a field's name, kind, place in the C type, the versions that have
 * it and how lists of it merge. Reading, writing, merging and the "unused key" warning are walks over these
 * rows; nothing else in the tree knows the names of fields. */
#include "ignition/config.h"

typedef enum IgnKind {
    IGN_KIND_STRING,
    IGN_KIND_INT,
    IGN_KIND_BOOL,
    IGN_KIND_OBJECT,      /* embedded, `type` says which */
    IGN_KIND_OBJECTS,     /* IgnList of `type` */
    IGN_KIND_STRINGS,     /* IgnList of const char * */
} IgnKind;

typedef enum IgnMerge {
    IGN_MERGE_KEY,    /* same key: merged in the parent's place; new ones appended; strings: by text */
    IGN_MERGE_CONCAT, /* parent's, then child's, repeats kept */
} IgnMerge;

typedef struct IgnType IgnType;
typedef struct IgnField {
    const char *name;
    IgnKind kind;
    uint16_t offset;
    uint8_t since, until;      /* IgnVersion, both included */
    IgnMerge merge;
    const IgnType *type;
    bool required;             /* written even when empty ("ignition", "version", names and paths) */
} IgnField;

struct IgnType {
    const char *name; /* of the C type, for messages and tests */
    size_t size;
    const IgnField *fields; /* ends with a NULL name; in the order in which they are written */
    /* The merge key of an object in a list: text in `buf` or inside the object; NULL: the object has none and
     * is appended. */
    const char *(*key)(const void *object, char *buf, size_t size);
};

extern const IgnType ign_config_type;
/* The field as this version has it, or NULL. */
const IgnField *ign_field_find(const IgnType *type, const char *name, IgnVersion version);
static inline void *ign_field_at(const void *object, const IgnField *f)
{
    return (char *)object + f->offset;
}
