/* Two sorted lists. Labels decide a node's pool and are not kept: they are the larger part of most nodes.
 * When a pool's selector changes, or pools come and go, the nodes have to be listed again. */
#include "fleet/fleet.h"

#include <string.h>

#include "kube/kube_kind.h"

enum { TOO_MANY = 2 };

/* ---- a pool's nodes ---- */

static void leave_pool(FleetNode *n)
{
    FleetPool *p = n->pool;
    for (size_t i = 0; p && i < p->n_nodes; i++)
        if (p->nodes[i] == n) {
            p->nodes[i] = p->nodes[--p->n_nodes];
            p->dirty = true;
            break;
        }
    n->pool = NULL;
}

static void join_pool(FleetNode *n, FleetPool *p)
{
    if (n->pool == p)
        return;
    leave_pool(n);
    if (!p)
        return;
    if (p->n_nodes == p->size) {
        p->size = p->size ? 2 * p->size : 16;
        p->nodes = reallocarray(p->nodes, p->size, sizeof(*p->nodes));
        if (!p->nodes)
            abort();
    }
    p->nodes[p->n_nodes++] = n;
    p->dirty = true;
    n->pool = p;
}

/* NULL with *ret_why NULL: no pool wants it. */
static FleetPool *pool_of_labels(const Fleet *f, const char *node, const Node *labels, char **ret_why)
{
    FleetPool *master = NULL, *worker = NULL, *own[TOO_MANY] = {NULL};
    unsigned n = 0;

    *ret_why = NULL;
    for (size_t i = 0; i < f->pools.n; i++) {
        FleetPool *p = f->pools.items[i];
        if (!p->spec || !label_selector_matches(&p->spec->node_selector, labels))
            continue;
        if (!strcmp(p->name, "master"))
            master = p;
        else if (!strcmp(p->name, "worker"))
            worker = p;
        else if (n < TOO_MANY)
            own[n++] = p;
    }
    if (n < TOO_MANY || master)
        return master ? master : n ? own[0] : worker;
    if (asprintf(ret_why,
                 "node %s is in two pools, %s and %s, and gets no config from either; change its labels or "
                 "a pool's nodeSelector",
                 node, own[0]->name, own[1]->name) < 0)
        abort();
    return NULL;
}

/* ---- pools ---- */

static void read_pool(FleetPool *p, const Node *object)
{
    p->arena = arena_new();
    _cleanup_report_ Report r = REPORT_INIT(p->arena);
    p->object = node_copy(p->arena, object);
    p->spec = NULL;
    p->error = NULL;
    if (machine_config_pool_read(p->arena, p->object, &p->spec, &r) < 0)
        p->error = report_first_error(&r);
}

static bool part_equal(const Node *a, const Node *b, const char *path)
{
    const Node *x = node_get_path(a, path), *y = node_get_path(b, path);
    return (!x && !y) || (x && y && node_equal(x, y));
}

static FleetPool *add_pool(Fleet *f, const char *name)
{
    FleetPool *p = calloc(1, sizeof(*p));
    if (!p || !(p->name = strdup(name)))
        abort();
    name_list_put(&f->pools, p);
    return p;
}

FleetPool *fleet_pool_seen(Fleet *f, const Node *object)
{
    FleetPool *p = name_list_get(&f->pools, kube_name(object));
    bool known = p != NULL;
    if (!known)
        p = add_pool(f, kube_name(object));
    Arena *former = p->arena;
    const Node *was = p->object;

    read_pool(p, object);
    f->list_nodes_again |= !known || !part_equal(was, p->object, "spec.nodeSelector");
    p->render_due |= !known || !part_equal(was, p->object, "spec.machineConfigSelector") ||
                     !part_equal(was, p->object, "spec.configuration");
    p->dirty = true;
    arena_free(former);
    return p;
}

static void free_pool(FleetPool *p)
{
    free(p->name);
    free(p->nodes);
    free(p->render_error);
    arena_free(p->arena);
    free(p);
}

void fleet_pool_gone(Fleet *f, const char *name)
{
    FleetPool *p = name_list_take(&f->pools, name);
    if (!p)
        return;
    while (p->n_nodes)
        leave_pool(p->nodes[0]);
    free_pool(p);
    f->list_nodes_again = true;
}

const char *fleet_pool_target(const FleetPool *p)
{
    const char *name = node_string(node_get_path(p->object, "spec.configuration.name"));
    return name ? name : "";
}

/* ---- nodes ---- */

int fleet_node_seen(Fleet *f, const Node *object, FleetNode **ret)
{
    const char *name = kube_name(object);
    FleetNode *n = name_list_get(&f->nodes, name);
    int changed = n ? fleet_node_update(n, object) : 1;
    char *why;

    if (!n)
        name_list_put(&f->nodes, n = fleet_node_new(object));
    FleetPool *pool = pool_of_labels(f, name, node_get_path(object, "metadata.labels"), &why);
    changed |= n->pool != pool;
    join_pool(n, pool);
    free(n->no_pool);
    n->no_pool = why;
    if (changed && pool)
        pool->dirty = true;
    if (ret)
        *ret = n;
    return changed;
}

void fleet_node_gone(Fleet *f, const char *name)
{
    FleetNode *n = name_list_take(&f->nodes, name);
    if (n)
        leave_pool(n);
    fleet_node_free(n);
}

void fleet_done(Fleet *f)
{
    for (size_t i = 0; i < f->nodes.n; i++)
        fleet_node_free(f->nodes.items[i]);
    for (size_t i = 0; i < f->pools.n; i++)
        free_pool(f->pools.items[i]);
    name_list_done(&f->nodes);
    name_list_done(&f->pools);
    *f = (Fleet){0};
}
