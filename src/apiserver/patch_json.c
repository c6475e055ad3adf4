/* RFC 6902: operations in their order on a copy of the target, each with JSON pointers (RFC 6901); the first
 * that fails refuses the whole patch. Refused: pointers into nothing, indices past the end or with leading
 * zeros, a move into itself, more operations, values or depth than the named bounds. Messages as json-patch
 * words them, which is what a real server uses. */
#include <string.h>

#include "apiserver/object_patch.h"
#include "apiserver/value.h"

typedef struct Patch {
    Arena *arena;
    Node *document;
    size_t values; /* added by copies so far */
    size_t work;   /* members and items walked over so far */
    Error *error;
} Patch;

/* Where a pointer leads: a member or an item of `parent`; no parent: the document itself. */
typedef struct Place {
    Node *parent;
    const char *key;
    const char *text; /* the pointer as written */
    unsigned depth;   /* of what stands there */
} Place;

typedef struct Operation {
    const char *name;
    int (*run)(Patch *p, const Node *operation, const Place *path);
} Operation;

static int fail(Patch *p, const char *format, const char *text)
{
    return error_set(p->error, EINVAL, format, text);
}

static const char *decode(Arena *a, const char *s, size_t n)
{
    char *out = arena_memdup(a, s, n);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        bool escaped = s[i] == '~' && i + 1 < n && (s[i + 1] == '0' || s[i + 1] == '1');
        out[len++] = escaped ? "~/"[s[i + 1] - '0'] : s[i];
        i += escaped;
    }
    out[len] = '\0';
    return out;
}

static int read_index(const char *s, size_t max, size_t *ret)
{
    size_t n = 0;
    if (!*s || s[strspn(s, "0123456789")] || (s[0] == '0' && s[1]) || strlen(s) > 9)
        return -EINVAL;
    n = strtoul(s, NULL, 10);
    *ret = n;
    return n < max ? 0 : -ERANGE;
}

static Node *child(const Node *parent, const char *key)
{
    size_t index;
    if (parent->kind == NODE_OBJECT)
        return node_get(parent, key);
    if (parent->kind != NODE_ARRAY || read_index(key, parent->n, &index) < 0)
        return NULL;
    Node *n = parent->first;
    while (index--)
        n = n->next;
    return n;
}

/* All but the last step must be there. 0, or -ENOENT. */
static int find(Patch *p, const char *pointer, Place *ret)
{
    Node *parent = p->document;
    *ret = (Place){.text = pointer};
    if (!*pointer)
        return 0;
    if (*pointer != '/')
        return -ENOENT;
    for (const char *at = pointer + 1;;) {
        size_t n = strcspn(at, "/");
        const char *key = decode(p->arena, at, n);
        if (parent->kind != NODE_OBJECT && parent->kind != NODE_ARRAY)
            return -ENOENT;
        p->work += parent->n;
        ret->depth++;
        if (!at[n]) {
            ret->parent = parent;
            ret->key = key;
            return 0;
        }
        parent = child(parent, key);
        if (!parent)
            return -ENOENT;
        at += n + 1;
    }
}

static Node *at_place(Patch *p, const Place *place)
{
    return place->parent ? child(place->parent, place->key) : p->document;
}

static void insert(Node *array, size_t index, Node *value)
{
    Node *before = NULL;
    if (index == array->n) {
        node_append(array, value);
        return;
    }
    for (size_t i = 0; i < index; i++)
        before = before ? before->next : array->first;
    value->next = before ? before->next : array->first;
    *(before ? &before->next : &array->first) = value;
    array->n++;
}

static void take(Node *parent, Node *value)
{
    Node *before = NULL;
    for (Node *n = parent->first; n != value; n = n->next)
        before = n;
    *(before ? &before->next : &parent->first) = value->next;
    if (parent->last == value)
        parent->last = before;
    parent->n--;
    value->next = NULL;
}

static bool deeper_than(const Node *n, unsigned depth)
{
    if (n->kind != NODE_ARRAY && n->kind != NODE_OBJECT)
        return false;
    if (!depth)
        return true;
    NODE_EACH (c, n)
        if (deeper_than(c, depth - 1))
            return true;
    return false;
}

static int check_depth(Patch *p, const Place *place, const Node *value)
{
    if (place->depth <= PATCH_DEPTH_MAX && !deeper_than(value, PATCH_DEPTH_MAX - place->depth))
        return 0;
    return error_set(p->error, E2BIG, "a JSON patch makes a document deeper than %d", PATCH_DEPTH_MAX);
}

static int add(Patch *p, const Place *place, Node *value)
{
    size_t index;
    int r = check_depth(p, place, value);
    if (r < 0)
        return r;
    value->next = NULL;
    if (!place->parent) {
        p->document = value;
        return 0;
    }
    if (place->parent->kind == NODE_OBJECT) {
        node_set(p->arena, place->parent, place->key, value);
        return 0;
    }
    value->key = NULL;
    if (!strcmp(place->key, "-")) {
        node_append(place->parent, value);
        return 0;
    }
    r = read_index(place->key, place->parent->n + 1, &index);
    if (r == -EINVAL)
        return error_set(p->error, EINVAL,
                         "error in add for path: '%s': value was not a proper array index: '%s'", place->text,
                         place->key);
    if (r < 0)
        return error_set(p->error, EINVAL,
                         "error in add for path: '%s': Unable to access invalid index: %s: invalid index "
                         "referenced",
                         place->text, place->key);
    insert(place->parent, index, value);
    return 0;
}

static size_t count_values(const Node *n)
{
    size_t total = 1;
    if (n->kind == NODE_ARRAY || n->kind == NODE_OBJECT)
        NODE_EACH (c, n)
            total += count_values(c);
    return total;
}

static int run_add(Patch *p, const Node *operation, const Place *path)
{
    return add(p, path, node_copy(p->arena, node_get(operation, "value")));
}

static int run_remove(Patch *p, const Node *operation, const Place *path)
{
    (void)operation;
    Node *old = at_place(p, path);
    if (!path->parent)
        return fail(p, "remove operation does not apply: doc is missing path: \"%s\": missing value", "");
    if (!old)
        return error_set(p->error, EINVAL,
                         "error in remove for path: '%s': Unable to remove nonexistent key: %s: missing "
                         "value",
                         path->text, path->key);
    take(path->parent, old);
    return 0;
}

static int run_replace(Patch *p, const Node *operation, const Place *path)
{
    Node *value = node_copy(p->arena, node_get(operation, "value")), *old = at_place(p, path);
    if (!old)
        return fail(p, "replace operation does not apply: doc is missing key: %s: missing value", path->text);
    int r = check_depth(p, path, value);
    if (r < 0 || !path->parent) {
        p->document = r < 0 ? p->document : value;
        return r;
    }
    Node *before = NULL;
    for (Node *n = path->parent->first; n != old; n = n->next)
        before = n;
    value->key = old->key;
    value->next = old->next;
    *(before ? &before->next : &path->parent->first) = value;
    if (path->parent->last == old)
        path->parent->last = value;
    return 0;
}

static int find_from(Patch *p, const Node *operation, const char *verb, Place *ret)
{
    const char *from = node_string(node_get(operation, "from"));
    if (!from)
        return error_set(p->error, EINVAL,
                         "%s operation failed to decode from: operation, missing from field: missing value",
                         verb);
    if (find(p, from, ret) < 0 || !at_place(p, ret))
        return error_set(p->error, EINVAL,
                         "%s operation does not apply: doc is missing from path: %s: missing value", verb,
                         from);
    return 0;
}

static int run_move(Patch *p, const Node *operation, const Place *path)
{
    Place from, to;
    int r = find_from(p, operation, "move", &from);
    if (r < 0)
        return r;
    size_t n = strlen(from.text);
    if (!strcmp(from.text, path->text))
        return 0;
    if (!strncmp(from.text, path->text, n) && path->text[n] == '/')
        return fail(p, "error in move for path: '%s': a value cannot be moved into itself", path->text);
    Node *value = at_place(p, &from);
    take(from.parent, value);
    if (find(p, path->text, &to) < 0) /* again: indices have moved */
        return fail(p, "move operation does not apply: doc is missing destination path: %s: missing value",
                    path->text);
    return add(p, &to, value);
}

static int run_copy(Patch *p, const Node *operation, const Place *path)
{
    Place from;
    int r = find_from(p, operation, "copy", &from);
    if (r < 0)
        return r;
    const Node *value = at_place(p, &from);
    p->values += count_values(value);
    if (p->values > PATCH_VALUES_MAX)
        return error_set(p->error, E2BIG, "The copy operations of a JSON patch may add %d values in all",
                         PATCH_VALUES_MAX);
    return add(p, path, node_copy(p->arena, value));
}

static int run_test(Patch *p, const Node *operation, const Place *path)
{
    const Node *value = node_get(operation, "value"), *is = at_place(p, path);
    if (!is && path->parent && path->parent->kind == NODE_ARRAY)
        return error_set(p->error, EINVAL,
                         "error in test for path: '%s': Unable to access invalid index: %s: invalid index "
                         "referenced",
                         path->text, path->key);
    /* As a real server: what is missing equals null. */
    bool equal = is ? value && value_equal(is, value) : !value || value->kind == NODE_NULL;
    return equal ? 0 : fail(p, "testing value %s failed: test failed", path->text);
}

static const Operation operations[] = {
    {"add", run_add},   {"remove", run_remove}, {"replace", run_replace},
    {"move", run_move}, {"copy", run_copy},     {"test", run_test},
};

static const char *missing_path(const char *verb)
{
    if (!strcmp(verb, "test"))
        return "%s operation does not apply: is missing path: %s: missing value";
    return !strcmp(verb, "add") || !strcmp(verb, "remove")
               ? "%s operation does not apply: doc is missing path: \"%s\": missing value"
           : !strcmp(verb, "replace") ? "%s operation does not apply: doc is missing path: %s: missing value"
                                      : "%s operation does not apply: doc is missing destination path: %s: "
                                        "missing value";
}

static int run(Patch *p, const Node *operation)
{
    const char *verb = node_string(node_get(operation, "op"));
    const char *path = node_string(node_get(operation, "path"));
    const Operation *found = NULL;
    Place place;

    for (size_t i = 0; verb && i < ELEMENTS(operations); i++)
        if (!strcmp(operations[i].name, verb))
            found = &operations[i];
    if (!found)
        return fail(p, "Unexpected kind: %s", verb ? verb : "unknown");
    if (!path)
        return fail(p, "%s operation failed to decode path: missing value", verb);
    bool valued = found->run == run_add || found->run == run_replace;
    if (valued && !node_get(operation, "value"))
        return fail(p, "%s operation failed to decode value: operation, missing value field: missing value",
                    verb);
    if (find(p, path, &place) < 0)
        return error_set(p->error, EINVAL, missing_path(verb), verb, path);
    return found->run(p, operation, &place);
}

int object_patch_json(Arena *a, const Node *target, const Node *patch, Node **ret, Error *e)
{
    Patch p = {.arena = a, .error = e};
    if (patch->kind != NODE_ARRAY)
        return error_set(e, EBADMSG, "a JSON patch must be a list of operations, found %s",
                         node_kind_name(patch->kind));
    if (patch->n > PATCH_OPERATIONS_MAX)
        return error_set(e, E2BIG, "The allowed maximum operations in a JSON patch is %d, got %zu",
                         PATCH_OPERATIONS_MAX, patch->n);
    NODE_EACH (o, patch)
        if (o->kind != NODE_OBJECT)
            return error_set(e, EBADMSG, "an operation of a JSON patch must be an object, found %s",
                             node_kind_name(o->kind));
    p.document = node_copy(a, target);
    p.document->key = NULL;
    NODE_EACH (o, patch) {
        int r = run(&p, o);
        if (r < 0)
            return r;
        if (p.work > PATCH_WORK_MAX)
            return error_set(e, E2BIG, "The JSON patch takes too long for an object of this size");
    }
    *ret = p.document;
    return 0;
}
