#pragma once
/* The fields of install-config.yaml, one row each, parents before children, and the walk that holds a
 * document against them: shapes, unknown names, required ones, single values. What concerns several fields at
 * once is in install_rule.h. */
#include "format/report.h"
#include "installer/value_check.h"

typedef enum FieldKind {
    FIELD_STRING,
    FIELD_INT,
    FIELD_BOOL,
    FIELD_OBJECT,
    FIELD_OBJECTS, /* a list; the rows below have "[]" in their path */
    FIELD_STRINGS,
    FIELD_ANY, /* taken as it is */
} FieldKind;

typedef struct InstallField {
    const char *path; /* "networking.clusterNetwork[].cidr" */
    FieldKind kind;
    const char *required;  /* what to say when it is missing; NULL: optional */
    const char *otherwise; /* the default, as JSON; NULL: none */
    ValueCheck *check;     /* of a string, or of each one in a list */
    const char *choices;   /* the only values, separated by blanks */
    const char *instead;   /* deprecated: what to write now */
    const char *help;
    bool secret; /* its value appears in no message */
} InstallField;

extern const InstallField install_fields[]; /* ends with a NULL path */

const InstallField *install_field_find(const char *path);
/* The last part of the path, without "[]". */
const char *install_field_name(const InstallField *f);
/* Is `f` a field directly inside `parent` ("" is the document)? */
bool install_field_is_child(const InstallField *f, const char *parent);

/* `document` gets its defaults; then everything in it is checked. */
void install_fields_fill(Arena *a, Node *document);
void install_fields_check(Arena *a, const Node *document, Report *r);

/* "path: Invalid value: "v": words" at the node's place. */
void finding_invalid(Report *r, const char *path, const Node *at, const char *words);
void finding_required(Report *r, const char *path, const Node *at, const char *words);
void finding_unsupported(Report *r, const char *path, const Node *at, const char *choices);
