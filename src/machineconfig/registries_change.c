/* Each registry of before must be there with all that it said and all its mirrors; what is new must be for
 * digests alone. What cannot be read is not harmless. The rule is that of the machine-config-operator
 * (pkg/daemon/drain.go, isSafeContainerRegistryConfChanges). */
#include "machineconfig/registries_change.h"

#include <string.h>

#include "format/toml.h"

static const Node *read_text(Arena *a, RegistriesText text)
{
    _cleanup_report_ Report r = REPORT_INIT(a);
    const Source source = {.name = "registries.conf", .text = text.data, .len = text.len};
    Node *n;
    if (!text.data)
        return node_new(a, NODE_OBJECT);
    return toml_read(a, &source, &n, &r) < 0 ? NULL : n;
}

static const Node *list_of(const Node *n, const char *key)
{
    const Node *list = node_get(n, key);
    return list && list->kind == NODE_ARRAY ? list : NULL;
}

static const char *name_of(const Node *registry)
{
    const char *prefix = node_string(node_get(registry, "prefix"));
    return prefix && *prefix ? prefix : node_string(node_get(registry, "location"));
}

static const Node *registry_named(const Node *all, const char *name)
{
    if (all && name)
        NODE_EACH (r, all)
            if (name_of(r) && !strcmp(name_of(r), name))
                return r;
    return NULL;
}

static bool is_true(const Node *n)
{
    return n && n->kind == NODE_BOOL && n->boolean;
}

static bool for_digests(const Node *registry, const Node *mirror)
{
    const char *pull = node_string(node_get(mirror, "pull-from-mirror"));
    return is_true(node_get(registry, "mirror-by-digest-only")) || (pull && !strcmp(pull, "digest-only"));
}

static bool has(const Node *list, const Node *item)
{
    if (list)
        NODE_EACH (n, list)
            if (node_equal(n, item))
                return true;
    return false;
}

/* The same keys with the same values, but for one. */
static bool same_but(const Node *x, const Node *y, const char *but)
{
    size_t n = 0, m = 0;
    NODE_EACH (v, x)
        if (strcmp(v->key, but)) {
            const Node *other = node_get(y, v->key);
            if (!other || !node_equal(v, other))
                return false;
            n++;
        }
    NODE_EACH (v, y)
        m += strcmp(v->key, but) != 0;
    return n == m;
}

static bool mirrors_only_grew(const Node *from, const Node *to)
{
    const Node *old = list_of(from, "mirror"), *new = list_of(to, "mirror");
    if (old)
        NODE_EACH (m, old)
            if (!has(new, m))
                return false;
    if (new)
        NODE_EACH (m, new)
            if (!has(old, m) && !for_digests(to, m))
                return false;
    return true;
}

static bool registry_is_harmless(const Node *from, const Node *to)
{
    if (from)
        return same_but(from, to, "mirror") && mirrors_only_grew(from, to);
    return list_of(to, "mirror") && !is_true(node_get(to, "blocked")) && mirrors_only_grew(NULL, to);
}

bool registries_change_is_harmless(RegistriesText from_text, RegistriesText to_text)
{
    _cleanup_arena_ Arena *a = arena_new();
    const Node *from = read_text(a, from_text), *to = read_text(a, to_text);
    if (!from || !to || !same_but(from, to, "registry"))
        return false;
    const Node *old = list_of(from, "registry"), *new = list_of(to, "registry");
    if (old)
        NODE_EACH (r, old)
            if (!registry_named(new, name_of(r)))
                return false;
    if (new)
        NODE_EACH (r, new)
            if (!name_of(r) || !registry_is_harmless(registry_named(old, name_of(r)), r))
                return false;
    return true;
}
