/* Two sources behind one face. Metadata of any object is meta/v1's ObjectMeta. */
#include "apiserver/field_shape.h"

#include <string.h>

#include "apiserver/crd_schema_node.h"

static FieldShape of_type(const BuiltinType *type)
{
    return type ? (FieldShape){.kind = SHAPE_STRUCT, .type = type} : (FieldShape){0};
}

static FieldShape of_text(const BuiltinType *of, Span text)
{
    if (strchr("[{", *text.s))
        return (FieldShape){.kind = SHAPE_FIELD, .type = of, .text = text};
    if (span_is(text, "any"))
        return (FieldShape){.kind = SHAPE_ATOMIC};
    const BuiltinType *type = builtin_type_within(of, text);
    return type ? of_type(type) : (FieldShape){.kind = SHAPE_FIELD, .type = of, .text = text};
}

static FieldShape of_crd(const CrdSchema *s)
{
    return s ? (FieldShape){.kind = SHAPE_CRD, .crd = s} : (FieldShape){0};
}

FieldShape field_shape_of(const KubeKind *kind, const CrdSchema *schema)
{
    FieldShape s = schema ? of_crd(schema) : of_type(builtin_type_of_kind(kind));
    s.root = true;
    return s;
}

bool field_shape_map_atomic(const FieldShape *s)
{
    if (s->kind == SHAPE_CRD)
        return s->crd->map_type && !strcmp(s->crd->map_type, "atomic");
    return s->kind == SHAPE_ATOMIC || s->atomic;
}

static FieldShape crd_member(const CrdSchema *s, const char *name, int *known)
{
    const CrdSchema *p = crd_schema_property(s, name);
    if (p) {
        *known = 1;
        return of_crd(p);
    }
    *known = s->additional || s->additional_any || s->preserves ? 0 : -1;
    return of_crd(s->additional);
}

FieldShape field_shape_member(const FieldShape *s, const char *name, int *known)
{
    BuiltinField f;
    bool has_metadata = s->root || (s->kind == SHAPE_CRD && s->crd->embedded);
    *known = 0;
    if (has_metadata && !strcmp(name, "metadata")) {
        *known = 1;
        return of_type(builtin_type_get("meta.v1.ObjectMeta"));
    }
    if (has_metadata && (!strcmp(name, "apiVersion") || !strcmp(name, "kind"))) {
        *known = 1;
        return (FieldShape){0};
    }
    if (s->kind == SHAPE_CRD)
        return crd_member(s->crd, name, known);
    if (s->kind == SHAPE_FIELD && *s->text.s == '{')
        return of_text(s->type, (Span){s->text.s + 1, s->text.n - 2});
    if (s->kind != SHAPE_STRUCT)
        return (FieldShape){.kind = s->kind == SHAPE_ATOMIC ? SHAPE_ATOMIC : SHAPE_ANY};
    if (!builtin_field_get(s->type, name, &f)) {
        *known = -1;
        return (FieldShape){0};
    }
    FieldShape made = of_text(s->type, f.type);
    *known = 1;
    made.atomic = f.atomic;
    made.keys = f.list_keys;
    made.set = f.set;
    return made;
}

ListKind field_shape_list(const FieldShape *s)
{
    if (s->kind == SHAPE_FIELD)
        return s->keys.n ? LIST_MAP : s->set ? LIST_SET : LIST_ATOMIC;
    if (s->kind != SHAPE_CRD || !s->crd->list_type)
        return LIST_ATOMIC;
    return !strcmp(s->crd->list_type, "map")   ? LIST_MAP
           : !strcmp(s->crd->list_type, "set") ? LIST_SET
                                               : LIST_ATOMIC;
}

FieldShape field_shape_item(const FieldShape *s)
{
    if (s->kind == SHAPE_CRD)
        return of_crd(s->crd->items);
    if (s->kind == SHAPE_FIELD && *s->text.s == '[')
        return of_text(s->type, (Span){s->text.s + 1, s->text.n - 2});
    return (FieldShape){0};
}

static bool builtin_key(Arena *a, Span keys, size_t n, const char **ret_key, const Node **ret_default)
{
    const char *p = keys.s, *end = keys.s + keys.n;
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
        const char *equals = memchr(p, '=', (size_t)(stop - p));
        if (n-- == 0) {
            *ret_key = arena_memdup(a, p, (size_t)((equals ? equals : stop) - p));
            *ret_default = equals ? node_new_string_n(a, equals + 1, (size_t)(stop - equals - 1)) : NULL;
            return true;
        }
        p = stop + 1;
    }
    return false;
}

bool field_shape_key(Arena *a, const FieldShape *s, size_t n, const char **ret_key, const Node **ret_default)
{
    if (s->kind == SHAPE_FIELD)
        return builtin_key(a, s->keys, n, ret_key, ret_default);
    const Node *key = s->crd->list_keys ? s->crd->list_keys->first : NULL;
    while (key && n--)
        key = key->next;
    if (!key || !node_string(key))
        return false;
    const CrdSchema *p = s->crd->items ? crd_schema_property(s->crd->items, key->string) : NULL;
    *ret_key = key->string;
    *ret_default = p ? p->default_value : NULL;
    return true;
}
