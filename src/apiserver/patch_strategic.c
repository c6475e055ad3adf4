/* Strategic merge patches: as RFC 7386, but lists whose type says so are merged item by item, by a merge key
 * or as sets of scalars, and directives in the patch say more:
 *   $patch: replace | delete                    in an object, or an item of a list
 *   $retainKeys: [..]                           only these members of the object stay
 *   $deleteFromPrimitiveList/NAME: [..]         taken out of the list NAME
 *   $setElementOrder/NAME: [..]                 the order that NAME's items get
 * Lists with an order come first, then the members in the order of the patch. Refused: directives of another
 * form, items without their merge key, orders that contradict the patch, lists of lists. */
#include <string.h>

#include "apiserver/builtin_type.h"
#include "apiserver/object_patch.h"
#include "apiserver/value.h"

#define DIRECTIVE     "$patch"
#define RETAIN_KEYS   "$retainKeys"
#define DELETE_PREFIX "$deleteFromPrimitiveList/"
#define ORDER_PREFIX  "$setElementOrder/"

typedef struct Merge {
    Arena *arena;
    Error *error;
    size_t work; /* members walked over so far */
} Merge;

/* How a list is merged. */
typedef struct ListRule {
    bool merges;
    const char *key; /* "": a set of scalars */
    const BuiltinType *item;
} ListRule;

static int merge_object(Merge *m, const BuiltinType *type, Node *target, const Node *patch, Node **ret);

static bool starts(const char *s, const char *prefix)
{
    return !strncmp(s, prefix, strlen(prefix));
}

static ListRule rule_of(Merge *m, const BuiltinType *type, const char *name)
{
    BuiltinField f;
    ListRule rule = {.key = ""};
    if (!builtin_field_get(type, name, &f))
        return rule;
    rule.merges = f.merges;
    rule.item = builtin_type_within(type, f.type);
    if (f.merge_key.n)
        rule.key = arena_memdup(m->arena, f.merge_key.s, f.merge_key.n);
    return rule;
}

static const char *compact(Merge *m, const Node *n)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    json_write(n, JSON_COMPACT, &b);
    return arena_memdup(m->arena, b.data, b.len < 256 ? b.len : 256);
}

static int no_key(Merge *m, const Node *item, const char *key)
{
    return error_set(m->error, EINVAL, "map: %s does not contain declared merge key: %s", compact(m, item),
                     key);
}

/* What a patch brings that the target has not: without directives and nulls. NULL: nothing. */
static Node *clean(Merge *m, const Node *n)
{
    if (n->kind != NODE_OBJECT && n->kind != NODE_ARRAY)
        return node_copy(m->arena, n);
    if (node_get(n, DIRECTIVE))
        return NULL;
    Node *out = node_new(m->arena, n->kind);
    NODE_EACH (c, n) {
        Node *made = n->kind == NODE_OBJECT && c->kind == NODE_NULL ? NULL : clean(m, c);
        if (!made)
            continue;
        made->key = c->key;
        node_append(out, made);
    }
    return out;
}

static Node *find_item(const Node *list, const char *key, const Node *like)
{
    const Node *wanted = *key ? node_get(like, key) : like;
    NODE_EACH (item, list) {
        const Node *is = *key ? node_get(item, key) : item;
        if (is && wanted && value_equal(is, wanted))
            return item;
    }
    return NULL;
}

static int index_of(const Node *list, const char *key, const Node *like)
{
    int i = 0;
    const Node *wanted = *key ? node_get(like, key) : like;
    NODE_EACH (item, list) {
        const Node *is = *key ? node_get(item, key) : item;
        if (is && wanted && value_equal(is, wanted))
            return i;
        i++;
    }
    return -1;
}

static void take(Node *list, const Node *item)
{
    Node *before = NULL;
    for (Node *n = list->first; n != item; n = n->next)
        before = n;
    *(before ? &before->next : &list->first) = item->next;
    if (list->last == item)
        list->last = before;
    list->n--;
}

static void replace(Node *list, Node *old, Node *made)
{
    Node *before = NULL;
    for (Node *n = list->first; n != old; n = n->next)
        before = n;
    made->next = old->next;
    *(before ? &before->next : &list->first) = made;
    if (list->last == old)
        list->last = made;
}

/* Deletes and says whether the whole list is replaced: the items with $patch. */
static int special_items(Merge *m, const ListRule *rule, Node *target, const Node *patch, bool *replaced)
{
    NODE_EACH (p, patch) {
        const Node *directive = node_get(p, DIRECTIVE);
        const char *text = node_string(directive);
        if (!directive)
            continue;
        if (text && !strcmp(text, "replace")) {
            *replaced = true;
        } else if (text && !strcmp(text, "delete")) {
            if (!node_get(p, rule->key))
                return no_key(m, p, rule->key);
            for (Node *old; (old = find_item(target, rule->key, p));)
                take(target, old);
        } else if (text && !strcmp(text, "merge")) {
            return error_set(m->error, EINVAL, "merging lists cannot yet be specified in the patch");
        } else {
            return error_set(m->error, EINVAL, "unknown patch type: %s in map: %s", compact(m, directive),
                             compact(m, p));
        }
    }
    return 0;
}

static int merge_items(Merge *m, const ListRule *rule, Node *target, const Node *patch)
{
    NODE_EACH (p, patch) {
        if (node_get(p, DIRECTIVE))
            continue;
        if (!node_get(p, rule->key))
            return no_key(m, p, rule->key);
        Node *old = find_item(target, rule->key, p), *made;
        if (!old) {
            made = clean(m, p);
            made->key = NULL;
            node_append(target, made);
            continue;
        }
        int r = merge_object(m, rule->item, old, p, &made);
        if (r < 0)
            return r;
        if (made != old)
            replace(target, old, made);
    }
    return 0;
}

static int check_items(Merge *m, const Node *target, const Node *patch, NodeKind *ret)
{
    const Node *lists[] = {target, patch};
    bool any = false;
    for (size_t i = 0; i < ELEMENTS(lists); i++)
        NODE_EACH (item, lists[i]) {
            if (item->kind == NODE_ARRAY)
                return error_set(m->error, EINVAL, "lists of lists are not supported");
            if (any && (item->kind == NODE_OBJECT) != (*ret == NODE_OBJECT))
                return error_set(m->error, EINVAL, "list element types are not identical");
            *ret = item->kind;
            any = true;
        }
    return 0;
}

/* Into `target`, a list of the caller's own. */
static int merge_list(Merge *m, const ListRule *rule, Node *target, const Node *patch)
{
    NodeKind kind = NODE_NULL;
    bool replaced = false;
    int r = check_items(m, target, patch, &kind);
    if (r < 0)
        return r;
    if (kind == NODE_OBJECT && !*rule->key)
        return error_set(m->error, EINVAL, "cannot merge lists without merge key");
    if (kind != NODE_OBJECT) {
        NODE_EACH (p, patch)
            if (!find_item(target, "", p)) {
                Node *made = node_copy(m->arena, p);
                node_append(target, made);
            }
        return 0;
    }
    r = special_items(m, rule, target, patch, &replaced);
    if (r < 0)
        return r;
    if (!replaced)
        return merge_items(m, rule, target, patch);
    target->first = target->last = NULL;
    target->n = 0;
    NODE_EACH (p, patch) {
        Node *made = clean(m, p);
        if (made)
            node_append(target, made);
    }
    return 0;
}

/* The order is of the items of the patch, too: what contradicts it was not made by one writer. */
static int check_order(Merge *m, const ListRule *rule, const Node *patch, const Node *order)
{
    const Node *o = order->first;
    if (!patch || !patch->n || !order->n)
        return 0;
    NODE_EACH (p, patch) {
        if (node_get(p, DIRECTIVE))
            continue;
        const Node *wanted = *rule->key ? node_get(p, rule->key) : p;
        if (!wanted)
            return no_key(m, p, rule->key);
        for (;; o = o->next) {
            if (!o)
                return error_set(m->error, EINVAL,
                                 "The order in patch list:\n%s\n doesn't match $setElementOrder list:\n%s\n",
                                 compact(m, patch), compact(m, order));
            const Node *is = *rule->key ? node_get(o, rule->key) : o;
            if (is && value_equal(is, wanted))
                break;
        }
        o = o->next;
    }
    return 0;
}

typedef struct Ranked {
    Node *node;
    int in_order, in_server; /* -1: not there */
} Ranked;

static int by_order(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;
    return (x->in_order > y->in_order) - (x->in_order < y->in_order);
}

/* Items of the order in that order; the others stay before those that they stood before on the server. */
static void put_in_order(Merge *m, const char *key, Node *list, const Node *server, const Node *order)
{
    Ranked *listed = ARENA_ARRAY(m->arena, Ranked, list->n + 1);
    Ranked *others = ARENA_ARRAY(m->arena, Ranked, list->n + 1);
    size_t n = 0, n_others = 0, i = 0, j = 0;
    for (Node *item = list->first, *next; item; item = next) {
        next = item->next;
        item->next = NULL;
        Ranked r = {item, index_of(order, key, item), index_of(server, key, item)};
        *(r.in_order < 0 ? &others[n_others++] : &listed[n++]) = r;
    }
    qsort(listed, n, sizeof(*listed), by_order);
    list->first = list->last = NULL;
    list->n = 0;
    while (i < n_others || j < n) {
        bool before = i < n_others && (j == n || (others[i].in_server >= 0 && listed[j].in_server >= 0 &&
                                                  others[i].in_server < listed[j].in_server));
        node_append(list, before ? others[i++].node : listed[j++].node);
    }
}

static int check_list(Merge *m, const Node *n, const char *what)
{
    if (n && n->kind != NODE_ARRAY)
        return error_set(m->error, EINVAL, "invalid patch format of %s", what);
    if (n && n->n > PATCH_LIST_MAX)
        return error_set(m->error, E2BIG, "a list of %zu items is to be merged; the most are %d", n->n,
                         PATCH_LIST_MAX);
    return 0;
}

/* The list of a $setElementOrder, with what the patch has for it. */
static int merge_ordered(Merge *m, const BuiltinType *type, Node *target, const Node *patch,
                         const Node *order)
{
    const char *name = order->key + strlen(ORDER_PREFIX);
    const Node *brought = node_get(patch, name);
    Node *list = node_get(target, name);
    ListRule rule = rule_of(m, type, name);
    int r = check_list(m, order, "setElementOrder list");
    if (r == 0 && brought && brought->kind == NODE_NULL) {
        node_remove(target, name);
        return 0;
    }
    if (r == 0)
        r = check_list(m, brought, "setElementOrder list");
    if (r == 0)
        r = check_list(m, list, "setElementOrder list");
    if (r == 0)
        r = check_order(m, &rule, brought, order);
    if (r < 0 || (!list && !brought))
        return r;
    const Node *server = list ? node_copy(m->arena, list) : node_new(m->arena, NODE_ARRAY);
    if (list && brought && !rule.merges) {
        list = node_set(m->arena, target, name, clean(m, brought));
    } else if (list && brought) {
        r = merge_list(m, &rule, list, brought);
    } else if (!list) {
        list = node_set(m->arena, target, name, clean(m, brought));
    }
    if (r == 0)
        put_in_order(m, rule.key, list, server, order);
    return r;
}

static int delete_scalars(Merge *m, Node *target, const Node *gone)
{
    Node *list = node_get(target, gone->key + strlen(DELETE_PREFIX));
    int r = check_list(m, gone, "primitive list");
    if (r < 0 || !list || list->kind != NODE_ARRAY)
        return r;
    r = check_list(m, list, "primitive list");
    for (Node *n = list->first, *next; n && r == 0; n = next) {
        next = n->next;
        if (find_item(gone, "", n))
            take(list, n);
    }
    return r;
}

static bool lists_text(const Node *list, const char *text)
{
    NODE_EACH (n, list)
        if (node_string(n) && !strcmp(node_string(n), text))
            return true;
    return false;
}

static int retain_keys(Merge *m, Node *target, const Node *patch, const Node *keys)
{
    if (keys->kind != NODE_ARRAY || keys->n > PATCH_LIST_MAX)
        return error_set(m->error, EINVAL, "invalid patch format of retainKeys");
    NODE_EACH (p, patch)
        if (p != keys && p->kind != NODE_NULL && !starts(p->key, DELETE_PREFIX) &&
            !starts(p->key, ORDER_PREFIX) && !lists_text(keys, p->key))
            return error_set(m->error, EINVAL, "invalid patch format of retainKeys");
    for (Node *n = target->first, *next; n; n = next) {
        next = n->next;
        if (!lists_text(keys, n->key))
            node_remove(target, n->key);
    }
    return 0;
}

static int merge_member(Merge *m, const BuiltinType *type, Node *target, const Node *p)
{
    BuiltinField f = {0};
    Node *old = node_get(target, p->key), *made;
    int r = 0;
    if (p->kind == NODE_NULL) {
        node_remove(target, p->key);
        return 0;
    }
    (void)builtin_field_get(type, p->key, &f);
    if (old && old->kind == NODE_OBJECT && p->kind == NODE_OBJECT && !f.replaces) {
        /* The values of a map of objects have the same type, whatever their keys. */
        r = merge_object(m, f.name.n ? builtin_type_within(type, f.type) : NULL, old, p, &made);
        if (r == 0 && made != old)
            node_set(m->arena, target, p->key, made);
        return r;
    }
    if (old && old->kind == NODE_ARRAY && p->kind == NODE_ARRAY && f.merges) {
        ListRule rule = rule_of(m, type, p->key);
        r = check_list(m, p, "list");
        if (r == 0)
            r = check_list(m, old, "list");
        return r < 0 ? r : merge_list(m, &rule, old, p);
    }
    made = old && (f.replaces || old->kind == p->kind) && p->kind == NODE_ARRAY ? node_copy(m->arena, p)
                                                                                : clean(m, p);
    if (made)
        node_set(m->arena, target, p->key, made);
    else
        node_remove(target, p->key);
    return 0;
}

static int merge_members(Merge *m, const BuiltinType *type, Node *target, const Node *patch)
{
    char name[256];
    bool ordered = false;
    int r = 0;
    m->work += (patch->n + 1) * (target->n + 1);
    if (m->work > PATCH_WORK_MAX)
        return error_set(m->error, E2BIG, "The patch takes too long for an object of this size");
    NODE_EACH (p, patch)
        if (r == 0 && starts(p->key, ORDER_PREFIX)) {
            ordered = true;
            r = merge_ordered(m, type, target, patch, p);
        }
    NODE_EACH (p, patch) {
        if (r < 0)
            return r;
        snprintf(name, sizeof(name), ORDER_PREFIX "%s", p->key);
        if (starts(p->key, ORDER_PREFIX) || !strcmp(p->key, RETAIN_KEYS) ||
            (ordered && node_get(patch, name)))
            continue;
        r = starts(p->key, DELETE_PREFIX) ? delete_scalars(m, target, p) : merge_member(m, type, target, p);
    }
    return r;
}

/* *ret is `target`, or what takes its place. */
static int merge_object(Merge *m, const BuiltinType *type, Node *target, const Node *patch, Node **ret)
{
    const Node *directive = node_get(patch, DIRECTIVE), *keys = node_get(patch, RETAIN_KEYS);
    const char *text = node_string(directive);
    *ret = target;
    if (directive && text && !strcmp(text, "replace")) {
        *ret = node_copy(m->arena, patch);
        (*ret)->key = NULL;
        node_remove(*ret, DIRECTIVE);
        return 0;
    }
    if (directive && text && !strcmp(text, "delete")) {
        *ret = node_new(m->arena, NODE_OBJECT);
        return 0;
    }
    if (directive)
        return error_set(m->error, EINVAL, "unknown patch type: %s in map: %s", compact(m, directive),
                         compact(m, patch));
    int r = keys ? retain_keys(m, target, patch, keys) : 0;
    return r < 0 ? r : merge_members(m, type, target, patch);
}

int object_patch_strategic(Arena *a, const KubeKind *kind, const Node *target, const Node *patch, Node **ret,
                           Error *e)
{
    Merge m = {.arena = a, .error = e};
    const BuiltinType *type = builtin_type_of_kind(kind);
    if (!type)
        return error_set(e, EOPNOTSUPP, "strategic merge patch format is not supported");
    if (patch->kind != NODE_OBJECT || target->kind != NODE_OBJECT)
        return error_set(e, EBADMSG, "a strategic merge patch must be an object, found %s",
                         node_kind_name(patch->kind));
    Node *made;
    int r = merge_object(&m, type, node_copy(a, target), patch, &made);
    if (r == 0)
        *ret = made;
    return r;
}
