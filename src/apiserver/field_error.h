#pragma once
/* What is wrong with fields of an object, in the form that a real server gives it: entries of a report whose
 * path is the field ("spec.list[0].name") and whose message is "Invalid value: \"x\": why", and the Status
 * (422) that is made of them. */
#include "format/report.h"
#include "kube/kube.h"

typedef enum FieldErrorType {
    FIELD_REQUIRED,
    FIELD_INVALID,
    FIELD_TYPE_INVALID,
    FIELD_NOT_SUPPORTED,
    FIELD_DUPLICATE,
    FIELD_FORBIDDEN,
    FIELD_TOO_LONG,
    FIELD_TOO_MANY,
    FIELD_NOT_FOUND,
} FieldErrorType;

enum { FIELD_ERRORS_MAX = 100 }; /* of one report; more are dropped */

/* `path` NULL: no field ("<nil>"). A step's key that starts with "[" is a subscript. `value` is shown by the
 * types that show one; NULL is "". An empty detail is left out. */
void field_error_add(Report *r, FieldErrorType type, const PathStep *path, const Node *value,
                     const char *format, ...) _printf_(5, 6);
const char *field_text(Arena *a, const PathStep *path);
/* A value as messages show it: text in quotes, other values as JSON. */
const char *field_value_text(Arena *a, const Node *value);

/* `Kind.group "name" is invalid: …` with details.causes; reason Invalid, code 422. */
Node *field_error_status(Arena *a, const KubeKind *kind, const char *name, const Report *r);
