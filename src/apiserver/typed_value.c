/* One recursion for each operation, along value and shape together; scalars, atomic maps and lists, and what
 * is empty are leaves. Items of lists are compared by their element texts, sorted once, so that long lists
 * cost no squares. */
#include "apiserver/typed_value.h"

#include <string.h>

#include "apiserver/value.h"

typedef struct Item {
    const char *element; /* NULL: it has none of its keys */
    const Node *node;
    size_t index;
} Item;

typedef struct Items {
    Item *in_order;
    Item **sorted;
    size_t n;
} Items;

static int by_name(const void *x, const void *y)
{
    return strcmp((*(Node *const *)x)->key, (*(Node *const *)y)->key);
}

/* "k:{…}" with its keys in order; NULL when none of them is there. */
static const char *map_element(Arena *a, const FieldShape *s, const Node *item)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    Node *keys[16], *object = node_new(a, NODE_OBJECT);
    const char *name;
    const Node *otherwise;
    size_t n = 0;
    for (size_t i = 0; n < ELEMENTS(keys) && field_shape_key(a, s, i, &name, &otherwise); i++) {
        const Node *v = node_get(item, name);
        if (!v)
            v = otherwise;
        if (!v)
            continue;
        keys[n] = node_copy(a, v);
        keys[n++]->key = name;
    }
    qsort(keys, n, sizeof(*keys), by_name);
    for (size_t i = 0; i < n; i++)
        node_append(object, keys[i]);
    buf_add_str(&b, "k:");
    json_write(object, JSON_COMPACT, &b);
    return n ? arena_strdup(a, b.data) : NULL;
}

static const char *item_element(Arena *a, const FieldShape *s, const Node *item)
{
    if (field_shape_list(s) == LIST_MAP)
        return item->kind == NODE_OBJECT ? map_element(a, s, item) : NULL;
    _cleanup_buf_ Buf b = BUF_INIT;
    buf_add_str(&b, "v:");
    json_write(item, JSON_COMPACT, &b);
    return arena_strdup(a, b.data);
}

static int by_element(const void *x, const void *y)
{
    const Item *a = *(Item *const *)x, *b = *(Item *const *)y;
    int d = strcmp(a->element, b->element);
    return d ? d : (a->index > b->index) - (a->index < b->index);
}

/* Items without keys are left out of `sorted`, and so is every second one of an element. */
static Items items_of(Arena *a, const FieldShape *s, const Node *list)
{
    size_t n = list && list->kind == NODE_ARRAY ? list->n : 0, i = 0, kept = 0;
    Items items = {ARENA_ARRAY(a, Item, n + 1), ARENA_ARRAY(a, Item *, n + 1), 0};
    for (const Node *c = n ? list->first : NULL; c; c = c->next, i++) {
        items.in_order[i] = (Item){item_element(a, s, c), c, i};
        if (items.in_order[i].element)
            items.sorted[items.n++] = &items.in_order[i];
    }
    qsort(items.sorted, items.n, sizeof(*items.sorted), by_element);
    for (i = 0; i < items.n; i++)
        if (!kept || strcmp(items.sorted[kept - 1]->element, items.sorted[i]->element) != 0)
            items.sorted[kept++] = items.sorted[i];
    items.n = kept;
    return items;
}

static const Node *items_get(const Items *items, const char *element)
{
    size_t low = 0, high = items->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int d = strcmp(items->sorted[middle]->element, element);
        if (d == 0)
            return items->sorted[middle]->node;
        if (d < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const char *field_element(Arena *a, const char *name)
{
    return arena_printf(a, "f:%s", name);
}

static bool granular_map(const FieldShape *s, const Node *n)
{
    return n && n->kind == NODE_OBJECT && !field_shape_map_atomic(s);
}

static bool granular_list(const FieldShape *s, const Node *n)
{
    return n && n->kind == NODE_ARRAY && field_shape_list(s) != LIST_ATOMIC;
}

static bool is_empty(const Node *n)
{
    return !n || n->kind == NODE_NULL || ((n->kind == NODE_OBJECT || n->kind == NODE_ARRAY) && !n->n);
}

/* ---- check ---- */

static int check_at(Arena *a, const FieldShape *s, const Node *n, const char *path, Error *e)
{
    if (granular_map(s, n)) {
        NODE_EACH (c, n) {
            int known, r;
            FieldShape shape = field_shape_member(s, c->key, &known);
            const char *at = arena_printf(a, "%s.%s", path, c->key);
            if (known < 0)
                return error_set(e, EINVAL, "%s: field not declared in schema", at);
            r = check_at(a, &shape, c, at, e);
            if (r < 0)
                return r;
        }
    } else if (granular_list(s, n)) {
        Items items = items_of(a, s, n);
        FieldShape shape = field_shape_item(s);
        for (size_t i = 0; i < n->n; i++) {
            const Item *item = &items.in_order[i];
            if (!item->element)
                return error_set(e, EINVAL,
                                 "%s: element %zu: associative list with keys has an element that omits all "
                                 "key fields",
                                 path, i);
            if (items_get(&items, item->element) != item->node)
                return error_set(e, EINVAL, "%s: duplicate entries for key [%s]", path, item->element + 2);
            int r = check_at(a, &shape, item->node, arena_printf(a, "%s[%s]", path, item->element + 2), e);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

int typed_check(Arena *a, const FieldShape *s, const Node *n, Error *e)
{
    return check_at(a, s, n, "", e);
}

/* ---- fields ---- */

static void fields_below(Arena *a, const FieldShape *s, const Node *n, FieldSet *set)
{
    if (granular_map(s, n)) {
        NODE_EACH (c, n) {
            int known;
            FieldShape shape = field_shape_member(s, c->key, &known);
            FieldSet *child = field_set_new(a, field_element(a, c->key));
            fields_below(a, &shape, c, child);
            /* Values of maps are members, and empty ones; of structs those below them are. */
            child->member =
                child->member || known <= 0 || c->kind == NODE_NULL || (c->kind == NODE_OBJECT && !c->n);
            if (child->member || child->n)
                field_set_add(a, set, child);
        }
        return;
    }
    if (!granular_list(s, n)) {
        set->member = true;
        return;
    }
    Items items = items_of(a, s, n);
    FieldShape shape = field_shape_item(s);
    for (size_t i = 0; i < items.n; i++) {
        FieldSet *child = field_set_new(a, items.sorted[i]->element);
        fields_below(a, &shape, items.sorted[i]->node, child);
        child->member = true;
        field_set_add(a, set, child);
    }
}

FieldSet *typed_fields(Arena *a, const FieldShape *s, const Node *n)
{
    FieldSet *set = field_set_new(a, NULL);
    fields_below(a, s, n, set);
    set->member = false;
    return set;
}

FieldSet *typed_name_structs(Arena *a, const FieldShape *s, FieldSet *set)
{
    FieldSet *made = field_set_new(a, set->element);
    made->member = set->member;
    for (size_t i = 0; i < set->n; i++) {
        FieldSet *c = set->children[i], *child;
        int known = 0;
        FieldShape shape =
            c->element[0] == 'f' ? field_shape_member(s, c->element + 2, &known) : field_shape_item(s);
        child = typed_name_structs(a, &shape, c);
        child->member = child->member || (known == 1 && child->n);
        field_set_add(a, made, child);
    }
    return made;
}

/* ---- compare ---- */

static FieldChanges no_changes(Arena *a, const char *element)
{
    return (FieldChanges){field_set_new(a, element), field_set_new(a, element), field_set_new(a, element)};
}

static void add_changes(Arena *a, FieldChanges *to, const FieldChanges *c)
{
    if (!field_set_empty(c->added))
        field_set_add(a, to->added, c->added);
    if (!field_set_empty(c->modified))
        field_set_add(a, to->modified, c->modified);
    if (!field_set_empty(c->removed))
        field_set_add(a, to->removed, c->removed);
}

static FieldChanges compare_at(Arena *a, const FieldShape *s, const char *element, const Node *x,
                               const Node *y);

static void compare_maps(Arena *a, const FieldShape *s, const Node *x, const Node *y, FieldChanges *to)
{
    _cleanup_value_index_ ValueIndex left = value_index(x), right = value_index(y);
    const Node *sides[] = {left.object, right.object};
    for (size_t i = 0; i < ELEMENTS(sides); i++)
        for (const Node *c = sides[i] ? sides[i]->first : NULL; c; c = c->next) {
            int known;
            const Node *l = value_index_get(&left, c->key), *r = value_index_get(&right, c->key);
            if (i == 1 && l)
                continue;
            FieldShape shape = field_shape_member(s, c->key, &known);
            FieldChanges changes = compare_at(a, &shape, field_element(a, c->key), l, r);
            add_changes(a, to, &changes);
        }
}

static void compare_lists(Arena *a, const FieldShape *s, const Node *x, const Node *y, FieldChanges *to)
{
    Items left = items_of(a, s, x), right = items_of(a, s, y);
    FieldShape shape = field_shape_item(s);
    size_t i = 0, j = 0;
    while (i < left.n || j < right.n) {
        int d = i == left.n    ? 1
                : j == right.n ? -1
                               : strcmp(left.sorted[i]->element, right.sorted[j]->element);
        const Item *l = d <= 0 ? left.sorted[i++] : NULL, *r = d >= 0 ? right.sorted[j++] : NULL;
        FieldChanges changes =
            compare_at(a, &shape, l ? l->element : r->element, l ? l->node : NULL, r ? r->node : NULL);
        add_changes(a, to, &changes);
    }
}

static FieldChanges compare_at(Arena *a, const FieldShape *s, const char *element, const Node *x,
                               const Node *y)
{
    FieldChanges to = no_changes(a, element);
    bool both_empty = is_empty(x) && is_empty(y);
    if (!both_empty && (granular_map(s, x) || !x || x->kind == NODE_NULL) &&
        (granular_map(s, y) || !y || y->kind == NODE_NULL))
        compare_maps(a, s, x, y, &to);
    else if (!both_empty && (granular_list(s, x) || !x || x->kind == NODE_NULL) &&
             (granular_list(s, y) || !y || y->kind == NODE_NULL))
        compare_lists(a, s, x, y, &to);
    else if (x && y)
        to.modified->member = !value_equal(x, y);
    to.added->member = !x;
    to.removed->member = !y;
    return to;
}

FieldChanges typed_compare(Arena *a, const FieldShape *s, const Node *before, const Node *after)
{
    FieldChanges c = compare_at(a, s, NULL, before, after);
    c.added->member = c.modified->member = c.removed->member = false;
    return c;
}

/* ---- merge ---- */

static Node *merge_lists(Arena *a, const FieldShape *s, const Node *under, const Node *over)
{
    Node *out = node_new(a, NODE_ARRAY);
    Items left = items_of(a, s, under), right = items_of(a, s, over);
    FieldShape shape = field_shape_item(s);
    size_t i = 0, j = 0;
    /* The order of `over`; what it has not keeps its place behind what stood before it. */
    while (i < under->n || j < over->n) {
        const char *element = i < under->n ? left.in_order[i].element : NULL;
        if (i < under->n && (!element || !items_get(&right, element))) {
            Node *copy = node_copy(a, left.in_order[i++].node);
            node_append(out, copy);
        } else if (j < over->n) {
            const Item *item = &right.in_order[j++];
            const Node *old = item->element ? items_get(&left, item->element) : NULL;
            node_append(out, typed_merge(a, &shape, old, item->node));
            if (element && item->element && !strcmp(element, item->element))
                i++;
        } else {
            i++; /* came already, where `over` has it */
        }
    }
    return out;
}

Node *typed_merge(Arena *a, const FieldShape *s, const Node *under, const Node *over)
{
    Node *out;
    if (granular_list(s, under) && granular_list(s, over))
        return merge_lists(a, s, under, over);
    if (!granular_map(s, under) || !granular_map(s, over)) {
        out = node_copy(a, over);
        out->key = NULL;
        return out;
    }
    _cleanup_value_index_ ValueIndex low = value_index(under), high = value_index(over);
    out = node_new(a, NODE_OBJECT);
    NODE_EACH (c, under) {
        int known;
        const Node *wins = value_index_get(&high, c->key);
        FieldShape shape = field_shape_member(s, c->key, &known);
        Node *made = wins ? typed_merge(a, &shape, c, wins) : node_copy(a, c);
        made->key = c->key;
        node_append(out, made);
    }
    NODE_EACH (c, over) {
        if (value_index_get(&low, c->key))
            continue;
        Node *made = node_copy(a, c);
        node_append(out, made);
    }
    return out;
}

/* ---- remove ---- */

static void remove_from(Arena *a, const FieldShape *shape, const Node *c, FieldSet *gone, Node *out)
{
    Node *made;
    if (gone && gone->member)
        return;
    made = gone ? typed_remove(a, shape, c, gone) : node_copy(a, c);
    if (!made)
        return;
    made->key = c->key;
    made->next = NULL;
    node_append(out, made);
}

Node *typed_remove(Arena *a, const FieldShape *s, const Node *n, FieldSet *gone)
{
    Node *out = node_new(a, n->kind);
    if (field_set_empty(gone))
        return node_copy(a, n);
    if (granular_map(s, n)) {
        NODE_EACH (c, n) {
            int known;
            FieldShape shape = field_shape_member(s, c->key, &known);
            remove_from(a, &shape, c, field_set_child(gone, field_element(a, c->key)), out);
        }
    } else if (granular_list(s, n)) {
        Items items = items_of(a, s, n);
        FieldShape shape = field_shape_item(s);
        for (size_t i = 0; i < n->n; i++) {
            const char *element = items.in_order[i].element;
            remove_from(a, &shape, items.in_order[i].node, element ? field_set_child(gone, element) : NULL,
                        out);
        }
    } else {
        return node_copy(a, n);
    }
    return out->n ? out : NULL;
}
