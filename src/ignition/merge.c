/* Parent and child to one config, by the rows of schema.h. Rules, from Ignition's merge: a value of the child
 * wins; objects merge field by field; entries of lists merge by key in the parent's place and order, new ones
 * follow in the child's order; some lists are just put end to end. Where lists share their keys (files,
 * directories and links do: by path), an entry of the child drops the parent's entry of another kind.
 * Time is linear in the entries: keys are looked up in maps, lists that only one side has are not copied. */
#include "ignition/merge.h"

#include <string.h>

#include "base/map.h"
#include "ignition/schema.h"

enum { KEY_MAX = 256 };

/* Where a key stands in the child. */
typedef struct Entry {
    const IgnField *field;
    const void *item;
} Entry;

static const char *item_key(Arena *a, const IgnType *type, const void *item)
{
    char buf[KEY_MAX];
    if (!type)
        return *(const char *const *)item;
    const char *key = type->key(item, buf, sizeof(buf));
    return key == buf ? arena_strdup(a, buf) : key;
}

static size_t item_size(const IgnField *f)
{
    return f->type ? f->type->size : sizeof(const char *);
}

static void *item_at(const IgnField *f, const IgnList *list, size_t i)
{
    return (char *)list->items + i * item_size(f);
}

static bool is_keyed_list(const IgnField *f)
{
    return (f->kind == IGN_KIND_OBJECTS || f->kind == IGN_KIND_STRINGS) && f->merge == IGN_MERGE_KEY &&
           ign_field_in(f, IGN_NEWEST);
}

/* The child's entries of one list, or of all lists that share a key space with it. */
static void collect_keys(Arena *a, const IgnType *type, const IgnField *list, const void *child, Map *keys)
{
    for (const IgnField *f = type->fields; f->name; f++) {
        bool same = f == list || (list->key_space != IGN_SPACE_OWN && f->key_space == list->key_space);
        if (!same || !is_keyed_list(f))
            continue;
        const IgnList *l = ign_field_at(child, f);
        Entry *entries = ARENA_ARRAY(a, Entry, l->n);
        for (size_t i = 0; i < l->n; i++) {
            entries[i] = (Entry){f, item_at(f, l, i)};
            map_put(keys, item_key(a, f->type, entries[i].item), &entries[i]);
        }
    }
}

static void merge_object(Arena *a, const IgnType *type, void *ret, const void *parent, const void *child);

static void list_add(const IgnField *f, IgnList *list, const void *item)
{
    memcpy(item_at(f, list, list->n++), item, item_size(f));
}

/* Lists of one object, in the object's type for the key space. */
static IgnList merge_keyed(Arena *a, const IgnType *type, const IgnField *f, const IgnList *parent,
                           const void *child_object)
{
    const IgnList *child = ign_field_at(child_object, f);
    _cleanup_map_ Map in_child = MAP_INIT, in_parent = MAP_INIT;
    collect_keys(a, type, f, child_object, &in_child);
    if (parent->n == 0 || in_child.n == 0)
        return parent->n == 0 ? *child : *parent;

    IgnList list = {}; /* stands in no text as a whole */
    list.items = arena_alloc(a, item_size(f) * (parent->n + child->n));
    for (size_t i = 0; i < parent->n; i++) {
        const void *item = item_at(f, parent, i);
        const char *key = item_key(a, f->type, item);
        const Entry *e = map_get(&in_child, key);
        map_put(&in_parent, key, (void *)item);
        if (!e)
            list_add(f, &list, item);
        else if (e->field == f && !(f->type && f->type->removes && f->type->removes(e->item))) {
            list_add(f, &list, e->item);
            if (f->type)
                merge_object(a, f->type, item_at(f, &list, list.n - 1), item, e->item);
        }
    }
    for (size_t i = 0; i < child->n; i++) {
        const void *item = item_at(f, child, i);
        if (!map_has(&in_parent, item_key(a, f->type, item)))
            list_add(f, &list, item);
    }
    return list;
}

static IgnList merge_concat(Arena *a, const IgnField *f, const IgnList *parent, const IgnList *child)
{
    if (parent->n == 0 || child->n == 0)
        return parent->n == 0 ? *child : *parent;
    IgnList list = {};
    list.items = arena_alloc(a, item_size(f) * (parent->n + child->n));
    for (size_t i = 0; i < parent->n; i++)
        list_add(f, &list, item_at(f, parent, i));
    for (size_t i = 0; i < child->n; i++)
        list_add(f, &list, item_at(f, child, i));
    return list;
}

/* `ret` may be what `child` was copied to; it is written field by field after both are read. */
static void merge_object(Arena *a, const IgnType *type, void *ret, const void *parent, const void *child)
{
    const Node *from = *(const Node *const *)child;
    *(const Node **)ret = from ? from : *(const Node *const *)parent;

    for (const IgnField *f = type->fields; f->name; f++) {
        const void *p = ign_field_at(parent, f), *c = ign_field_at(child, f);
        void *to = ign_field_at(ret, f);
        if (!ign_field_in(f, IGN_NEWEST))
            continue;
        switch (f->kind) {
        case IGN_KIND_STRING:
            *(const char **)to = *(const char *const *)c ? *(const char *const *)c : *(const char *const *)p;
            break;
        case IGN_KIND_INT:
            *(OptInt *)to = ((const OptInt *)c)->set ? *(const OptInt *)c : *(const OptInt *)p;
            break;
        case IGN_KIND_BOOL:
            *(OptBool *)to = *(const OptBool *)c != BOOL_UNSET ? *(const OptBool *)c : *(const OptBool *)p;
            break;
        case IGN_KIND_OBJECT:
            merge_object(a, f->type, to, p, c);
            break;
        case IGN_KIND_OBJECTS:
        case IGN_KIND_STRINGS:
            *(IgnList *)to =
                f->merge == IGN_MERGE_CONCAT ? merge_concat(a, f, p, c) : merge_keyed(a, type, f, p, child);
            break;
        }
    }
}

IgnConfig *ign_config_merge(Arena *a, const IgnConfig *parent, const IgnConfig *child)
{
    IgnConfig *c = ARENA_NEW(a, IgnConfig);
    merge_object(a, &ign_config_type, c, parent, child);
    c->version = IGN_NEWEST;
    return c;
}

IgnConfig *ign_config_empty(Arena *a)
{
    IgnConfig *c = ARENA_NEW(a, IgnConfig);
    c->version = IGN_NEWEST;
    c->ignition.version = ign_version_text(IGN_NEWEST);
    return c;
}
