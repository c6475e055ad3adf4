#pragma once
/* The config language as tables: one row says a field's name, kind, place in the C type, the versions that
 * have it and how lists of it merge. Reading, writing, merging and the "unused key" warning are walks over
 * these rows; nothing else in the tree knows the names of fields. */
#include "ignition/config.h"

typedef enum IgnKind {
    IGN_KIND_STRING,
    IGN_KIND_INT,
    IGN_KIND_BOOL,
    IGN_KIND_OBJECT,  /* embedded, `type` says which */
    IGN_KIND_OBJECTS, /* IgnList of `type` */
    IGN_KIND_STRINGS, /* IgnList of const char * */
} IgnKind;

typedef enum IgnMerge {
    IGN_MERGE_KEY,    /* same key: merged in the parent's place; new ones appended; strings: by text */
    IGN_MERGE_CONCAT, /* parent's, then child's, repeats kept */
} IgnMerge;

/* An entry of the child in one list of a space drops an entry with the same key from the parent's others. */
typedef enum IgnKeySpace {
    IGN_SPACE_OWN, /* the list's alone */
    IGN_SPACE_NODE,
    IGN_SPACE_KERNEL_ARGUMENT,
} IgnKeySpace;

typedef struct IgnType IgnType;
typedef struct IgnField {
    const char *name;
    IgnKind kind;
    uint16_t offset;
    uint8_t since, until; /* IgnVersion, both included */
    IgnMerge merge;
    const IgnType *type;
    bool required;     /* written even when empty ("ignition", "version", names and paths) */
    bool always_2x;    /* the documented 2.x form writes this object even when nothing is in it */
    uint8_t key_space; /* IgnKeySpace: lists of one object that share their keys */
} IgnField;

struct IgnType {
    const char *name; /* of the C type, for messages and tests */
    size_t size;
    const IgnField *fields; /* ends with a NULL name; in the order in which they are written */
    /* The merge key of an object in a list: text in `buf` or inside the object; NULL: the object has none and
     * is appended. Every object starts with its `const Node *node`. */
    const char *(*key)(const void *object, char *buf, size_t size);
    /* In a child: takes the parent's entry with this key away instead of changing it. NULL: none does. */
    bool (*removes)(const void *object);
};

extern const IgnType ign_config_type;
/* Types that rules are hung on by validate.c and its like. */
extern const IgnType ign_meta_type, ign_chain_type, ign_proxy_type, ign_tls_type, ign_resource_type,
    ign_reference_type, ign_verification_type, ign_header_type, ign_user_type, ign_group_type, ign_disk_type,
    ign_partition_type, ign_raid_type, ign_filesystem_type, ign_mount_type, ign_luks_type,
    ign_volume_group_type, ign_volume_type, ign_clevis_custom_type, ign_tang_type, ign_owner_type,
    ign_file_type, ign_directory_type, ign_link_type, ign_storage_type, ign_unit_type, ign_dropin_type,
    ign_systemd_type, ign_networkd_type, ign_networkd_unit_type;
/* The field as this version has it, or NULL. */
const IgnField *ign_field_find(const IgnType *type, const char *name, IgnVersion version);
/* The same without regard to the case of ASCII letters, as Go reads JSON. */
const IgnField *ign_field_find_nocase(const IgnType *type, const char *name, IgnVersion version);
static inline bool ign_field_in(const IgnField *f, IgnVersion version)
{
    return f->since <= version && version <= f->until;
}
static inline void *ign_field_at(const void *object, const IgnField *f)
{
    return (char *)object + f->offset;
}
/* Nothing in it, nor in the objects in it, is set, as far as this version has fields for it. */
bool ign_object_is_empty(const IgnType *type, const void *object, IgnVersion version);
