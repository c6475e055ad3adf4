/* Two sorted lists are walked side by side, for paths and for units. What only a first boot can do is
 * compared as a whole and refused where it differs; where both configs have the same, it was done when the
 * machine came. Refused as well: the daemon's own files, since a machine would lose what it knows of itself.
 */
#include "machineconfig/machine_config_diff.h"

#include <errno.h>
#include <string.h>

#include "ignition/parse.h"

static const MachineConfig nothing = {.name = ""};
static const PathStep spec_step = {.key = "spec"}, config_step = {.up = &spec_step, .key = "config"};

/* ---- paths and units ---- */

static void paths_compare(Arena *a, MachineConfigDiff *d)
{
    const ManagedState *x = d->state_from, *y = d->state_to;
    d->paths = ARENA_ARRAY(a, PathChange, x->n + y->n + 1);
    for (size_t i = 0, k = 0; i < x->n || k < y->n;) {
        int order = i == x->n ? 1 : k == y->n ? -1 : strcmp(x->paths[i].path, y->paths[k].path);
        PathChange c = {.from = order <= 0 ? &x->paths[i] : NULL, .to = order >= 0 ? &y->paths[k] : NULL};
        i += order <= 0;
        k += order >= 0;
        if (order != 0 || !managed_path_equal(c.from, c.to))
            d->paths[d->n_paths++] = c;
    }
}

static void units_compare(Arena *a, MachineConfigDiff *d)
{
    const ManagedState *x = d->state_from, *y = d->state_to;
    d->units = ARENA_ARRAY(a, UnitChange, x->n_units + y->n_units + 1);
    for (size_t i = 0, k = 0; i < x->n_units || k < y->n_units;) {
        int order = i == x->n_units ? 1 : k == y->n_units ? -1 : strcmp(x->units[i].name, y->units[k].name);
        UnitChange c = {.from = order <= 0 ? &x->units[i] : NULL, .to = order >= 0 ? &y->units[k] : NULL};
        c.name = c.to ? c.to->name : c.from->name;
        i += order <= 0;
        k += order >= 0;
        if (order != 0 || c.from->enabled != c.to->enabled)
            d->units[d->n_units++] = c;
    }
}

static bool lists_equal(const char *const *x, size_t n, const char *const *y, size_t m)
{
    for (size_t i = 0; i < n && n == m; i++)
        if (strcmp(x[i], y[i]))
            return false;
    return n == m;
}

static bool texts_equal(const char *x, const char *y)
{
    return x && y ? !strcmp(x, y) : x == y;
}

static TextChange text_compare(const char *from, const char *to, const char *otherwise)
{
    TextChange c = {.from = from && *from ? from : otherwise, .to = to && *to ? to : otherwise};
    c.changed = strcmp(c.from, c.to) != 0;
    return c;
}

/* ---- what is refused ---- */

static const char *const daemons_own[] = {"/etc/machine-config-daemon/currentconfig",
                                          "/etc/machine-config-daemon/journal",
                                          "/etc/machine-config-daemon/node-annotations.json",
                                          "/etc/machine-config-daemon/orig",
                                          "/etc/machine-config-daemon/noorig",
                                          "/etc/machine-config-daemon/undo",
                                          "/run/machine-config-daemon-force"};

static bool is_below(const char *path, const char *top)
{
    size_t n = strlen(top);
    return !strncmp(path, top, n) && (!path[n] || path[n] == '/');
}

static void refuse_paths(const MachineConfigDiff *d, Report *r)
{
    for (size_t i = 0; i < d->n_paths; i++) {
        const ManagedPath *p = d->paths[i].to;
        if (!p)
            continue;
        const PathStep *at = &(PathStep){.key = p->declared};
        if (p->problem)
            report_add(r, SEVERITY_ERROR, at, p->at, "%s: %s", p->path, p->problem);
        for (size_t k = 0; k < ELEMENTS(daemons_own); k++)
            if (is_below(p->path, daemons_own[k]))
                report_add(r, SEVERITY_ERROR, at, p->at, "%s: that path is the daemon's own", p->path);
    }
}

static bool same(const Node *x, const Node *y)
{
    const bool none_x = !x || (x->kind == NODE_ARRAY && !x->n),
               none_y = !y || (y->kind == NODE_ARRAY && !y->n);
    return none_x || none_y ? none_x == none_y : node_equal(x, y);
}

static const struct {
    const char *section, *list;
} first_boot[] = {
    {"storage", "disks"},        {"storage", "raid"},        {"storage", "luks"},
    {"storage", "volumeGroups"}, {"storage", "filesystems"}, {"storage", "links"},
    {"storage", "directories"},  {"passwd", "groups"},       {NULL, "kernelArguments"},
};

static const Node *find(const Node *config, const char *section, const char *name)
{
    return node_get(section ? node_get(config, section) : config, name);
}

static void refuse_first_boot(const MachineConfigDiff *d, const Node *from, const Node *to, Report *r)
{
    for (size_t i = 0; i < ELEMENTS(first_boot); i++) {
        const char *section = first_boot[i].section, *list = first_boot[i].list;
        if (same(find(from, section, list), find(to, section, list)))
            continue;
        const PathStep *up = section ? PATH_KEY(&config_step, section) : &config_step;
        const Node *written = node_get_path(d->to->node, "spec.config"), *at = find(written, section, list);
        report_add(r, SEVERITY_ERROR, PATH_KEY(up, list), at,
                   "%s can only be made at a machine's first boot: a machine that runs keeps what it has",
                   list);
    }
}

static const Node *user_named(const Node *config, const char *name)
{
    const Node *users = node_get_path(config, "passwd.users");
    if (users && users->kind == NODE_ARRAY)
        NODE_EACH (u, users)
            if (texts_equal(node_string(node_get(u, "name")), name))
                return u;
    return NULL;
}

/* Of core all but keys and password; of others everything. */
static bool user_same(Arena *a, const Node *x, const Node *y, const char *name)
{
    if (strcmp(name, MANAGED_CORE_USER))
        return same(x, y);
    Node *plain_x = x ? node_copy(a, x) : node_new(a, NODE_OBJECT),
         *plain_y = y ? node_copy(a, y) : node_new(a, NODE_OBJECT);
    static const char *const ours[] = {"name", "sshAuthorizedKeys", "passwordHash"};
    for (size_t i = 0; i < ELEMENTS(ours); i++) {
        node_remove(plain_x, ours[i]);
        node_remove(plain_y, ours[i]);
    }
    return node_equal(plain_x, plain_y);
}

static void refuse_user(const char *name, const PathStep *path, const Node *at, Report *r)
{
    if (!strcmp(name, MANAGED_CORE_USER))
        report_add(r, SEVERITY_ERROR, path, at,
                   "of user core a running machine takes ssh keys and password only");
    else
        report_add(r, SEVERITY_ERROR, path, at,
                   "user '%s' can only be made, changed or removed at a machine's first boot", name);
}

static void refuse_users(Arena *a, const MachineConfigDiff *d, const Node *from, const Node *to, Report *r)
{
    const PathStep *users = PATH_KEY(PATH_KEY(&config_step, "passwd"), "users");
    const Node *now = node_get_path(to, "passwd.users"), *before = node_get_path(from, "passwd.users");
    size_t i = 0;
    if (now)
        NODE_EACH (u, now) {
            const char *name = node_string(node_get(u, "name"));
            const PathStep *at = PATH_INDEX(users, i++);
            if (name && !user_same(a, user_named(from, name), u, name))
                refuse_user(name, at, d->to->config->passwd.users.node, r);
        }
    if (before)
        NODE_EACH (u, before) {
            const char *name = node_string(node_get(u, "name"));
            if (name && !user_named(to, name) && !user_same(a, u, NULL, name))
                refuse_user(name, users, NULL, r);
        }
}

static void refuse(Arena *a, const MachineConfigDiff *d, Report *r)
{
    const Node *from = d->from->config ? ign_config_to_node(a, d->from->config) : NULL,
               *to = d->to->config ? ign_config_to_node(a, d->to->config) : NULL;
    refuse_paths(d, r);
    refuse_first_boot(d, from, to, r);
    refuse_users(a, d, from, to, r);
    if (d->from->fips != d->to->fips)
        report_add(r, SEVERITY_ERROR, PATH_KEY(&spec_step, "fips"), node_get_path(d->to->node, "spec.fips"),
                   "FIPS mode is decided at a machine's first boot: it is %s and stays so",
                   d->from->fips ? "on" : "off");
}

int machine_config_diff(Arena *a, const MachineConfig *from, const MachineConfig *to, MachineConfigDiff **ret,
                        Report *r)
{
    const size_t before = r->errors;
    MachineConfigDiff *d = ARENA_NEW(a, MachineConfigDiff);
    d->from = from ? from : &nothing;
    d->to = to;
    d->state_from = managed_state_read(a, d->from->config);
    d->state_to = managed_state_read(a, to->config);
    paths_compare(a, d);
    units_compare(a, d);
    const ManagedState *x = d->state_from, *y = d->state_to;
    d->keys = !lists_equal(x->keys, x->n_keys, y->keys, y->n_keys);
    d->password = !texts_equal(x->password_hash, y->password_hash);
    d->kernel_arguments = !lists_equal(d->from->kernel_arguments, d->from->n_kernel_arguments,
                                       to->kernel_arguments, to->n_kernel_arguments);
    d->extensions =
        !lists_equal(d->from->extensions, d->from->n_extensions, to->extensions, to->n_extensions);
    d->kernel_type = text_compare(d->from->kernel_type, to->kernel_type, "default");
    d->os_image = text_compare(d->from->os_image_url, to->os_image_url, "");
    d->os_image.changed &= *d->os_image.to != 0; /* nothing said: what is there stays */
    refuse(a, d, r);
    *ret = d;
    return r->errors > before ? -EINVAL : 0;
}

bool machine_config_diff_empty(const MachineConfigDiff *d)
{
    return !d->n_paths && !d->n_units && !d->keys && !d->password && !d->kernel_arguments && !d->extensions &&
           !d->kernel_type.changed && !d->os_image.changed;
}
