/* From a config back to a tree, by the rows of its version. Only what is set is written; what a spec 2.x tool
 * holds by value it also prints when empty, and some of its readers compare texts: that form is an option. */
#include "ignition/parse.h"

#include "ignition/schema.h"

typedef struct Writer {
    Arena *arena;
    IgnVersion version;
    bool full_2x;
} Writer;

static Node *write_object(const Writer *w, const IgnType *type, const void *object);

/* Who reads the tree can then still say where a thing was written. */
static void keep_position(Node *to, const Node *from)
{
    if (!from || to->line > 0)
        return;
    to->source = from->source;
    to->line = from->line;
    to->column = from->column;
}

static Node *write_list(const Writer *w, const IgnType *type, const IgnList *list)
{
    if (list->n == 0)
        return NULL;
    Node *array = node_new(w->arena, NODE_ARRAY);
    bool whole = list->node && list->node->kind == NODE_ARRAY && list->node->n == list->n;
    const Node *from = whole ? list->node->first : NULL;
    for (size_t i = 0; i < list->n; i++) {
        Node *entry = type ? write_object(w, type, (char *)list->items + i * type->size)
                           : node_new_string(w->arena, IGN_STRING_AT(*list, i));
        keep_position(entry, from);
        node_append(array, entry);
        from = from ? from->next : NULL;
    }
    return array;
}

static Node *write_field(const Writer *w, const IgnField *f, const void *at)
{
    switch (f->kind) {
    case IGN_KIND_STRING: {
        const char *s = *(const char *const *)at;
        return s || f->required ? node_new_string(w->arena, s ? s : "") : NULL;
    }
    case IGN_KIND_INT:
        return ((const OptInt *)at)->set ? node_new_int(w->arena, ((const OptInt *)at)->value) : NULL;
    case IGN_KIND_BOOL: {
        OptBool b = *(const OptBool *)at;
        return b == BOOL_UNSET ? NULL : node_new_bool(w->arena, b == BOOL_TRUE);
    }
    case IGN_KIND_OBJECT: {
        /* In 2.x some empty objects say something: a mount's `create` asks for a filesystem. */
        const Node *from = *(const Node *const *)at;
        bool stays = f->required || (w->full_2x && f->always_2x) ||
                     (w->version <= IGN_2_4 && from && from->kind == NODE_OBJECT);
        if (ign_object_is_empty(f->type, at, w->version) && !stays)
            return NULL;
        return write_object(w, f->type, at);
    }
    case IGN_KIND_OBJECTS:
    case IGN_KIND_STRINGS:
        return write_list(w, f->type, at);
    }
    return NULL;
}

static Node *write_object(const Writer *w, const IgnType *type, const void *object)
{
    Node *n = node_new(w->arena, NODE_OBJECT);
    const Node *from = *(const Node *const *)object;
    keep_position(n, from);
    for (const IgnField *f = type->fields; f->name; f++) {
        Node *value = ign_field_in(f, w->version) ? write_field(w, f, ign_field_at(object, f)) : NULL;
        if (!value)
            continue;
        keep_position(value, node_get(from, f->name));
        node_set(w->arena, n, f->name, value);
    }
    return n;
}

Node *ign_config_to_node(Arena *a, const IgnConfig *c)
{
    return write_object(&(Writer){.arena = a, .version = c->version}, &ign_config_type, c);
}

Node *ign_config_to_node_v2_full(Arena *a, const IgnConfig *c)
{
    return write_object(&(Writer){.arena = a, .version = c->version, .full_2x = true}, &ign_config_type, c);
}
