#pragma once
/* A rule is a row: a check on a type and the versions it holds for. validate.c walks a config and calls the
 * checks of each object's type; the files validate_*.c hold the checks and export their tables. */
#include "format/report.h"
#include "ignition/schema.h"

/* The string of a list that was last looked for: findings come in order, so the next is not far. */
typedef struct EntryCursor {
    const Node *list, *entry;
    size_t index;
} EntryCursor;

/* The object under check and where it stands. */
typedef struct Checker {
    IgnVersion version;
    const IgnType *type;
    Report *report;
    Arena *scratch; /* lives until the whole config is checked */
    const PathStep *path;
    const Node *node; /* of the object, else of the nearest one around it; NULL in configs without text */
    bool own;         /* node is the object's own */
    EntryCursor *cursor;
} Checker;

typedef struct IgnRule {
    const IgnType *type; /* NULL ends a table */
    void (*check)(const Checker *k, const void *object);
    uint8_t since, until; /* IgnVersion, both included */
} IgnRule;

extern const IgnRule ign_resource_rules[], ign_node_rules[], ign_disk_rules[], ign_luks_rules[],
    ign_lvm_rules[], ign_unit_rules[];

/* A finding on a field of the object: at the field, or at the object when the text lacks the field. NULL
 * message: nothing is wrong. */
void check_field(const Checker *k, Severity severity, const char *field, const char *message);
/* On the object itself. */
void check_object(const Checker *k, Severity severity, const char *message);
/* On entry `i` of a list of the object (one of its fields), or on a field of that entry (NULL: the entry). */
void check_entry(const Checker *k, Severity severity, const char *list, const IgnList *entries, size_t i,
                 const char *field, const char *message);

/* Paths as Ignition wants them: absolute and without anything to simplify. NULL or the message. */
const char *check_path(const char *path);
static inline bool is_empty(const char *s)
{
    return !s || !*s;
}
