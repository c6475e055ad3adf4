/* RFC 7386: an object is merged member by member, null takes a member away, anything else replaces. */
#include "apiserver/object_patch.h"

/* `target` is the caller's own tree or NULL. */
static Node *merge(Arena *a, Node *target, const Node *patch)
{
    if (patch->kind != NODE_OBJECT)
        return node_copy(a, patch);
    if (!target || target->kind != NODE_OBJECT)
        target = node_new(a, NODE_OBJECT);
    NODE_EACH (p, patch) {
        if (p->kind == NODE_NULL) {
            node_remove(target, p->key);
            continue;
        }
        Node *old = node_get(target, p->key), *made = merge(a, old, p);
        if (made != old)
            node_set(a, target, p->key, made);
    }
    return target;
}

int object_patch_merge(Arena *a, const Node *target, const Node *patch, Node **ret, Error *e)
{
    (void)e;
    *ret = merge(a, node_copy(a, target), patch);
    return 0;
}
