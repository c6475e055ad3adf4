/* Pick by the pool's selector, sort, merge, validate, name. The name is a digest of the whole spec as
 * canonical JSON, so equal names mean equal content; SHA-256 cut to the 32 digits that names have always had
 * (MD5, which others use, is not to be had on a FIPS machine). Two things are done to each config before it
 * is merged, so that nothing leaks from a covered entry into the one that covers it: contents given anew
 * replace the former contents whole (compression and hash with them), and files overwrite what the OS image
 * has at their path unless they say otherwise. */
#include "machineconfig/rendered_config.h"

#include <string.h>

#include "base/map.h"
#include "format/digest.h"
#include "ignition/merge.h"
#include "ignition/parse.h"
#include "ignition/validate.h"

enum { NAME_DIGITS = 32 };

static int by_role_then_name(const void *x, const void *y)
{
    const MachineConfig *a = *(const MachineConfig *const *)x, *b = *(const MachineConfig *const *)y;
    bool a_worker = !strcmp(a->role, "worker"), b_worker = !strcmp(b->role, "worker");
    return a_worker != b_worker ? b_worker - a_worker : strcmp(a->name, b->name);
}

static void pick_sources(Arena *a, const RenderInput *in, RenderedConfig *rc)
{
    rc->sources = ARENA_ARRAY(a, const MachineConfig *, in->n_configs ? in->n_configs : 1);
    for (size_t i = 0; i < in->n_configs; i++)
        if (label_selector_matches(&in->pool->machine_config_selector, in->configs[i]->labels))
            rc->sources[rc->n_sources++] = in->configs[i];
    qsort(rc->sources, rc->n_sources, sizeof(*rc->sources), by_role_then_name);
}

static bool refuse_same_names(const RenderedConfig *rc, Report *r)
{
    bool bad = false;
    for (size_t i = 1; i < rc->n_sources; i++)
        if (!strcmp(rc->sources[i - 1]->name, rc->sources[i]->name)) {
            const Node *other = rc->sources[i - 1]->node;
            report_add(r, SEVERITY_ERROR, PATH_KEY(PATH_KEY(NULL, "metadata"), "name"), rc->sources[i]->node,
                       "MachineConfig '%s' stands twice (first in %s, line %u)", rc->sources[i]->name,
                       other->source ? other->source->name : "?", other->line);
            bad = true;
        }
    return bad;
}

/* ---- Ignition ---- */

static IgnList copy_files(Arena *a, const IgnList *files)
{
    IgnList copy = *files;
    copy.items = ARENA_ARRAY(a, IgnFile, files->n ? files->n : 1);
    if (files->n)
        memcpy(copy.items, files->items, files->n * sizeof(IgnFile));
    return copy;
}

static void overwrite_by_default(IgnConfig *c)
{
    IGN_EACH (IgnFile, f, c->storage.files)
        if (f->contents.source && f->base.overwrite == BOOL_UNSET)
            f->base.overwrite = BOOL_TRUE;
}

static void forget_covered_contents(IgnConfig *parent, const IgnConfig *child)
{
    _cleanup_map_ Map given = MAP_INIT;
    IGN_EACH (IgnFile, f, child->storage.files)
        if (f->contents.source)
            map_put(&given, f->base.path, f);
    IGN_EACH (IgnFile, f, parent->storage.files)
        if (map_has(&given, f->base.path))
            f->contents = (IgnResource){0};
}

static IgnConfig *merge_configs(Arena *a, const RenderedConfig *rc)
{
    IgnConfig *merged = ign_config_empty(a);
    for (size_t i = 0; i < rc->n_sources; i++) {
        if (!rc->sources[i]->config)
            continue;
        IgnConfig child = *rc->sources[i]->config;
        child.storage.files = copy_files(a, &child.storage.files);
        overwrite_by_default(&child);
        merged->storage.files = copy_files(a, &merged->storage.files);
        forget_covered_contents(merged, &child);
        merged = ign_config_merge(a, merged, &child);
    }
    return merged;
}

/* ---- the rest ---- */

static void concatenate(Arena *a, const RenderedConfig *rc, bool extensions, const char ***ret, size_t *ret_n)
{
    size_t n = 0;
    for (size_t i = 0; i < rc->n_sources; i++)
        n += extensions ? rc->sources[i]->n_extensions : rc->sources[i]->n_kernel_arguments;
    *ret = ARENA_ARRAY(a, const char *, n ? n : 1);
    *ret_n = 0;
    for (size_t i = 0; i < rc->n_sources; i++) {
        const MachineConfig *mc = rc->sources[i];
        const char **from = extensions ? mc->extensions : mc->kernel_arguments;
        size_t count = extensions ? mc->n_extensions : mc->n_kernel_arguments;
        for (size_t k = 0; k < count; k++)
            (*ret)[(*ret_n)++] = from[k];
    }
}

static bool said(const char *s)
{
    return s && *s;
}

static void merge_scalars(const RenderedConfig *rc, const RenderInput *in, MachineConfig *m)
{
    m->os_image_url = in->os_image_url;
    for (size_t i = 0; i < rc->n_sources; i++) {
        const MachineConfig *mc = rc->sources[i];
        m->fips = m->fips || mc->fips;
        if (said(mc->kernel_type) && strcmp(mc->kernel_type, "default"))
            m->kernel_type = mc->kernel_type;
        if (said(mc->os_image_url) && !mc->generated_by)
            m->os_image_url = mc->os_image_url;
        if (said(mc->extensions_image) && !mc->generated_by)
            m->extensions_image = mc->extensions_image;
    }
}

static bool refuse_combinations(const MachineConfig *m, const MachineConfigPool *pool, Report *r)
{
    for (size_t i = 0; i < m->n_extensions && m->kernel_type; i++)
        if (!strcmp(m->extensions[i], "kernel-devel")) {
            report_add(
                r, SEVERITY_ERROR, NULL, pool->node,
                "pool '%s': extension kernel-devel of one MachineConfig meets kernel type '%s' of another",
                pool->name, m->kernel_type);
            return true;
        }
    return false;
}

static int name_it(Arena *a, const MachineConfigPool *pool, RenderedConfig *rc, Report *r)
{
    _cleanup_buf_ Buf json = BUF_INIT;
    json_write(node_get(rc->node, "spec"), JSON_COMPACT, &json);
    if (json.len > MACHINE_CONFIG_SIZE_MAX) {
        report_add(r, SEVERITY_ERROR, NULL, pool->node,
                   "pool '%s': the rendered config has %zu bytes, %u are allowed", pool->name, json.len,
                   MACHINE_CONFIG_SIZE_MAX);
        return -EINVAL;
    }
    if (json.len > MACHINE_CONFIG_SIZE_MAX / 10 * 8)
        report_add(r, SEVERITY_WARNING, NULL, pool->node,
                   "pool '%s': the rendered config has %zu bytes of the %u that are allowed", pool->name,
                   json.len, MACHINE_CONFIG_SIZE_MAX);
    char hex[2 * DIGEST_SIZE_MAX + 1];
    Error e = ERROR_INIT;
    int k = digest_hex(DIGEST_SHA256, json.data, json.len, hex, &e);
    if (k < 0) {
        report_add(r, SEVERITY_ERROR, NULL, NULL, "%s", e.text);
        return k;
    }
    rc->name = arena_printf(a, "rendered-%s-%.*s", pool->name, NAME_DIGITS, hex);
    rc->merged.name = rc->name;
    node_set_string(a, node_get(rc->node, "metadata"), "name", rc->name);
    return 0;
}

int rendered_config_make(Arena *a, const RenderInput *in, RenderedConfig **ret, Report *r)
{
    size_t before = r->errors;
    RenderedConfig *rc = ARENA_NEW(a, RenderedConfig);
    pick_sources(a, in, rc);
    if (!rc->n_sources) {
        report_add(r, SEVERITY_ERROR, NULL, in->pool->node,
                   "no MachineConfigs found for pool '%s': none has the labels that it selects",
                   in->pool->name);
        return -ENOENT;
    }
    if (refuse_same_names(rc, r))
        return -EINVAL;
    MachineConfig *m = &rc->merged;
    m->config = merge_configs(a, rc);
    m->generated_by = in->controller_version ? in->controller_version : BASALT_VERSION;
    concatenate(a, rc, false, &m->kernel_arguments, &m->n_kernel_arguments);
    concatenate(a, rc, true, &m->extensions, &m->n_extensions);
    merge_scalars(rc, in, m);
    ign_config_validate(m->config, PATH_KEY(PATH_KEY(NULL, "spec"), "config"), r);
    if (refuse_combinations(m, in->pool, r) || r->errors > before)
        return -EINVAL;
    m->name = "";
    m->node = rc->node = machine_config_to_node(a, m);
    int k = name_it(a, in->pool, rc, r);
    if (k < 0)
        return k;
    *ret = rc;
    return 0;
}

/* ---- explain ---- */

static const Node *find_dropin(const IgnUnit *u, const char *name)
{
    IGN_EACH (IgnDropin, d, u->dropins)
        if (!strcmp(d->name, name))
            return d->node;
    return NULL;
}

static const Node *find_unit(const IgnConfig *c, const char *what)
{
    const char *slash = strchr(what, '/');
    size_t n = slash ? (size_t)(slash - what) : strlen(what);
    IGN_EACH (IgnUnit, u, c->systemd.units)
        if (strlen(u->name) == n && !memcmp(u->name, what, n))
            return slash ? find_dropin(u, slash + 1) : u->node;
    return NULL;
}

static const Node *find_path(const IgnConfig *c, const char *path)
{
    IGN_EACH (IgnFile, f, c->storage.files)
        if (!strcmp(f->base.path, path))
            return f->base.node;
    IGN_EACH (IgnDirectory, d, c->storage.directories)
        if (!strcmp(d->base.path, path))
            return d->base.node;
    IGN_EACH (IgnLink, l, c->storage.links)
        if (!strcmp(l->base.path, path))
            return l->base.node;
    return NULL;
}

static const Node *find_user(const IgnConfig *c, const char *name)
{
    IGN_EACH (IgnUser, u, c->passwd.users)
        if (!strcmp(u->name, name))
            return u->node;
    return NULL;
}

static const Node *find_thing(const IgnConfig *c, const char *what)
{
    if (!c)
        return NULL;
    if (what[0] == '/')
        return find_path(c, what);
    return !strncmp(what, "user:", 5) ? find_user(c, what + 5) : find_unit(c, what);
}

size_t rendered_config_explain(Arena *a, const RenderedConfig *rc, const char *what,
                               const MachineConfig ***ret, const Node ***ret_at)
{
    size_t n = 0;
    *ret = ARENA_ARRAY(a, const MachineConfig *, rc->n_sources);
    *ret_at = ARENA_ARRAY(a, const Node *, rc->n_sources);
    for (size_t i = 0; i < rc->n_sources; i++) {
        const Node *at = find_thing(rc->sources[i]->config, what);
        if (at) {
            (*ret)[n] = rc->sources[i];
            (*ret_at)[n++] = at;
        }
    }
    return n;
}
