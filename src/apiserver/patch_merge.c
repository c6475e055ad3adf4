/* RFC 7386: an object is merged member by member, null takes a member away, anything else replaces. */
#include "apiserver/object_patch.h"
#include "apiserver/value.h"

static Node *merge(Arena *a, const Node *target, const Node *patch)
{
    Node *out, *made;
    if (patch->kind != NODE_OBJECT) {
        out = node_copy(a, patch);
        out->key = NULL;
        return out;
    }
    _cleanup_value_index_ ValueIndex old = value_index(target), new = value_index(patch);
    out = node_new(a, NODE_OBJECT);
    for (const Node *t = old.object ? target->first : NULL; t; t = t->next) {
        const Node *p = value_index_get(&new, t->key);
        if (p && p->kind == NODE_NULL)
            continue;
        made = p ? merge(a, t, p) : node_copy(a, t);
        made->key = t->key;
        node_append(out, made);
    }
    NODE_EACH (p, patch) {
        if (p->kind == NODE_NULL || value_index_get(&old, p->key))
            continue;
        made = merge(a, NULL, p);
        made->key = p->key;
        node_append(out, made);
    }
    return out;
}

int object_patch_merge(Arena *a, const Node *target, const Node *patch, Node **ret, Error *e)
{
    (void)e;
    *ret = merge(a, target, patch);
    return 0;
}
