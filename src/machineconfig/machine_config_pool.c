/* Pools are small: a name, two selectors, how many nodes may be away at a time. maxUnavailable stays as it
 * was written, since only the controller knows the number of nodes that a percentage is of. */
#include "machineconfig/machine_config_pool.h"

#include <string.h>

#include "machineconfig/machine_config.h"

bool machine_config_pool_is(const Node *document)
{
    const char *api = node_string(node_get(document, "apiVersion")),
               *kind = node_string(node_get(document, "kind"));
    return api && kind && !strcmp(api, MACHINE_CONFIG_API) && !strcmp(kind, "MachineConfigPool");
}

static bool max_unavailable_ok(const Node *n)
{
    int64_t v;
    if (n->kind == NODE_NUMBER)
        return node_int(n, &v) == 0 && v >= 0;
    const char *s = node_string(n);
    size_t digits = s ? strspn(s, "0123456789") : 0;
    return digits > 0 && digits <= 3 && !strcmp(s + digits, "%") && strtol(s, NULL, 10) <= 100;
}

static void read_spec(Arena *a, const Node *spec, MachineConfigPool *p, Report *r)
{
    const PathStep *path = PATH_KEY(NULL, "spec");
    const Node *paused = node_get(spec, "paused"), *max = node_get(spec, "maxUnavailable");
    const PathStep *selector = PATH_KEY(path, "machineConfigSelector");
    size_t before = r->errors;
    label_selector_read(a, node_get(spec, "machineConfigSelector"), selector, &p->machine_config_selector, r);
    if (r->errors == before && !p->machine_config_selector.n)
        report_add(r, SEVERITY_ERROR, selector, p->node,
                   "pool '%s' selects nothing: its machineConfigSelector is empty", p->name ? p->name : "?");
    label_selector_read(a, node_get(spec, "nodeSelector"), PATH_KEY(path, "nodeSelector"), &p->node_selector,
                        r);
    if (paused && paused->kind != NODE_BOOL)
        report_add(r, SEVERITY_ERROR, PATH_KEY(path, "paused"), paused, "expected true or false");
    p->paused = paused && paused->kind == NODE_BOOL && paused->boolean;
    if (!max || max->kind == NODE_NULL)
        return;
    if (!max_unavailable_ok(max))
        report_add(r, SEVERITY_ERROR, PATH_KEY(path, "maxUnavailable"), max,
                   "maxUnavailable is a number of nodes or a percentage from \"0%%\" to \"100%%\"");
    p->max_unavailable = max->string;
}

int machine_config_pool_read(Arena *a, const Node *document, MachineConfigPool **ret, Report *r)
{
    size_t before = r->errors;
    MachineConfigPool *p = ARENA_NEW(a, MachineConfigPool);
    p->node = document;
    p->name = node_string(node_get_path(document, "metadata.name"));
    if (!p->name)
        report_add(r, SEVERITY_ERROR, PATH_KEY(PATH_KEY(NULL, "metadata"), "name"), document,
                   "a MachineConfigPool needs a name");
    else if (!machine_config_name_ok(p->name))
        report_add(r, SEVERITY_ERROR, PATH_KEY(PATH_KEY(NULL, "metadata"), "name"),
                   node_get_path(document, "metadata.name"),
                   "name '%s' may only have lower case letters, digits, '-', '.' and '_'", p->name);
    read_spec(a, node_get(document, "spec"), p, r);
    if (r->errors > before)
        return -EINVAL;
    *ret = p;
    return 0;
}

MachineConfigPool *machine_config_pool_of_role(Arena *a, const char *role)
{
    MachineConfigPool *p = ARENA_NEW(a, MachineConfigPool);
    p->name = arena_strdup(a, role);
    p->machine_config_selector = label_selector_equals(a, MACHINE_CONFIG_ROLE_LABEL, p->name);
    p->node_selector = label_selector_equals(a, arena_printf(a, "node-role.kubernetes.io/%s", role), "");
    return p;
}

static Node *selector_node(Arena *a, const char *key, const char *value)
{
    Node *selector = node_new(a, NODE_OBJECT);
    node_set_string(a, node_set(a, selector, "matchLabels", node_new(a, NODE_OBJECT)), key, value);
    return selector;
}

static Node *spec_node(Arena *a, const MachineConfigPool *p)
{
    if (p->node && node_get(p->node, "spec"))
        return node_copy(a, node_get(p->node, "spec"));
    Node *spec = node_new(a, NODE_OBJECT);
    node_set(a, spec, "machineConfigSelector", selector_node(a, MACHINE_CONFIG_ROLE_LABEL, p->name));
    node_set(a, spec, "nodeSelector",
             selector_node(a, arena_printf(a, "node-role.kubernetes.io/%s", p->name), ""));
    return spec;
}

Node *machine_config_pool_to_node(Arena *a, const MachineConfigPool *p, const char *rendered)
{
    Node *object = node_new(a, NODE_OBJECT);
    node_set_string(a, object, "apiVersion", MACHINE_CONFIG_API);
    node_set_string(a, object, "kind", "MachineConfigPool");
    node_set_string(a, node_set(a, object, "metadata", node_new(a, NODE_OBJECT)), "name", p->name);
    Node *spec = node_set(a, object, "spec", spec_node(a, p));
    Node *status = node_set(a, object, "status", node_new(a, NODE_OBJECT));
    node_set_string(a, node_set(a, spec, "configuration", node_new(a, NODE_OBJECT)), "name", rendered);
    node_set_string(a, node_set(a, status, "configuration", node_new(a, NODE_OBJECT)), "name", rendered);
    return object;
}
