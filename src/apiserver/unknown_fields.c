/* By the table of built-in types. What a type leaves open (maps, scalars, anything) is left alone. */
#include "apiserver/unknown_fields.h"

#include "apiserver/builtin_type.h"
#include "apiserver/field_error.h"

static void walk(const BuiltinType *t, Node *object, const PathStep *path, Report *unknown, unsigned depth);

static void walk_value(const BuiltinType *t, Node *n, const PathStep *path, Report *unknown, unsigned depth)
{
    size_t i = 0;
    if (n->kind == NODE_OBJECT)
        walk(t, n, path, unknown, depth + 1);
    else if (n->kind == NODE_ARRAY)
        NODE_EACH (item, n)
            walk_value(t, item, PATH_INDEX(path, i++), unknown, depth + 1);
}

static void walk(const BuiltinType *t, Node *object, const PathStep *path, Report *unknown, unsigned depth)
{
    Node *next = NULL;
    if (depth > UNKNOWN_DEPTH_MAX)
        return;
    for (Node *n = object->first; n; n = next) {
        BuiltinField f;
        const PathStep *here = PATH_KEY(path, n->key);
        next = n->next;
        if (!builtin_field_get(t, n->key, &f)) {
            if (unknown)
                report_add(unknown, SEVERITY_WARNING, here, n, "unknown field \"%s\"",
                           field_text(unknown->arena, here));
            node_remove(object, n->key);
            continue;
        }
        const BuiltinType *inner = builtin_type_within(t, f.type);
        if (inner && f.type.n && *f.type.s == '{' && n->kind == NODE_OBJECT)
            NODE_EACH (value, n)
                walk_value(inner, value, PATH_KEY(here, value->key), unknown, depth + 1);
        else if (inner)
            walk_value(inner, n, here, unknown, depth + 1);
    }
}

void unknown_fields_drop(const KubeKind *kind, Node *object, Report *unknown)
{
    const BuiltinType *t = builtin_type_of_kind(kind);
    if (t)
        walk(t, object, NULL, unknown, 0);
}
