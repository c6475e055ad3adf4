/* The type of a cause is told from how its message starts: a report keeps texts alone. */
#include "apiserver/field_error.h"

#include <string.h>

static const struct {
    const char *cause, *text;
    bool shows_value;
} types[] = {
    [FIELD_REQUIRED] = {"FieldValueRequired", "Required value", false},
    [FIELD_INVALID] = {"FieldValueInvalid", "Invalid value", true},
    [FIELD_TYPE_INVALID] = {"FieldValueTypeInvalid", "Invalid value", true},
    [FIELD_NOT_SUPPORTED] = {"FieldValueNotSupported", "Unsupported value", true},
    [FIELD_DUPLICATE] = {"FieldValueDuplicate", "Duplicate value", true},
    [FIELD_FORBIDDEN] = {"FieldValueForbidden", "Forbidden", false},
    [FIELD_TOO_LONG] = {"FieldValueTooLong", "Too long", false},
    [FIELD_TOO_MANY] = {"FieldValueTooMany", "Too many", true},
    [FIELD_NOT_FOUND] = {"FieldValueNotFound", "Not found", true},
};

static void write_path(Buf *b, const PathStep *path)
{
    if (path->up)
        write_path(b, path->up);
    if (!path->key)
        buf_addf(b, "[%zu]", path->index);
    else
        buf_addf(b, "%s%s", path->up && path->key[0] != '[' ? "." : "", path->key);
}

const char *field_text(Arena *a, const PathStep *path)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (!path)
        return "<nil>";
    write_path(&b, path);
    return arena_strdup(a, b.data);
}

const char *field_value_text(Arena *a, const Node *value)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    if (!value)
        return "\"\"";
    json_write(value, JSON_COMPACT, &b);
    return arena_strdup(a, b.data);
}

void field_error_add(Report *r, FieldErrorType type, const PathStep *path, const Node *value,
                     const char *format, ...)
{
    _cleanup_free_ char *detail = NULL;
    va_list args;
    if (r->errors >= FIELD_ERRORS_MAX)
        return;
    va_start(args, format);
    if (vasprintf(&detail, format, args) < 0)
        abort();
    va_end(args);
    const char *shown = types[type].shows_value ? field_value_text(r->arena, value) : NULL;
    report_add(r, SEVERITY_ERROR, NULL, value, "%s%s%s%s%s", types[type].text, shown ? ": " : "",
               shown ? shown : "", *detail ? ": " : "", detail);
    r->entries[r->n - 1].path = field_text(r->arena, path);
}

static const char *cause_of(const char *message)
{
    size_t found = FIELD_INVALID;
    for (size_t i = 0; i < ELEMENTS(types); i++)
        if (!strncmp(message, types[i].text, strlen(types[i].text)) && i != FIELD_TYPE_INVALID)
            found = i;
    if (found == FIELD_INVALID && strstr(message, " in body must be of type "))
        found = FIELD_TYPE_INVALID;
    return types[found].cause;
}

static bool told_before(const Report *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(r->entries[i].path, r->entries[n].path) &&
            !strcmp(r->entries[i].message, r->entries[n].message))
            return true;
    return false;
}

static const char *status_message(Arena *a, const KubeKind *kind, const char *name, const Report *r)
{
    _cleanup_buf_ Buf list = BUF_INIT;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->entries[i].severity == SEVERITY_ERROR && !told_before(r, i))
            buf_addf(&list, "%s%s: %s", n++ ? ", " : "", r->entries[i].path, r->entries[i].message);
    return arena_printf(a, "%s%s%s \"%s\" is invalid%s%s%s%s", kind->kind, *kind->group ? "." : "",
                        kind->group, name ? name : "", n ? ": " : "", n > 1 ? "[" : "", n ? list.data : "",
                        n > 1 ? "]" : "");
}

Node *field_error_status(Arena *a, const KubeKind *kind, const char *name, const Report *r)
{
    Node *status = node_new(a, NODE_OBJECT), *details = node_new(a, NODE_OBJECT);
    Node *causes = node_new(a, NODE_ARRAY);
    node_set_string(a, status, "kind", "Status");
    node_set_string(a, status, "apiVersion", "v1");
    node_set(a, status, "metadata", node_new(a, NODE_OBJECT));
    node_set_string(a, status, "status", "Failure");
    node_set_string(a, status, "message", status_message(a, kind, name, r));
    node_set_string(a, status, "reason", "Invalid");
    node_set(a, status, "details", details);
    node_set_string(a, details, "name", name);
    node_set_string(a, details, "group", *kind->group ? kind->group : NULL);
    node_set_string(a, details, "kind", kind->kind);
    for (size_t i = 0; i < r->n; i++) {
        if (r->entries[i].severity != SEVERITY_ERROR)
            continue;
        Node *cause = node_append(causes, node_new(a, NODE_OBJECT));
        node_set_string(a, cause, "reason", cause_of(r->entries[i].message));
        node_set_string(a, cause, "message", r->entries[i].message);
        node_set_string(a, cause, "field", r->entries[i].path);
    }
    if (causes->n)
        node_set(a, details, "causes", causes);
    node_set(a, status, "code", node_new_int(a, 422));
    return status;
}
