/* In this order: the Ignition part of the rendered config, lifted; what only new machines get; the node's
 * annotations (what it runs and is to run); its kubeconfig; the MachineConfig itself without its Ignition
 * part, for the daemon's first run; then down to the version that was asked for. */
#include "server/served_config.h"

#include <string.h>

#include "format/data_url.h"
#include "ignition/merge.h"
#include "ignition/parse.h"
#include "ignition/translate.h"
#include "machineconfig/machine_config.h"

/* ---- the files that are added ---- */

static void add_file(Arena *a, IgnFile *f, const char *path, const char *text, size_t n)
{
    _cleanup_buf_ Buf url = BUF_INIT;
    data_url_encode_percent(text, n, &url);
    *f = (IgnFile){.base = {.path = path, .overwrite = BOOL_TRUE},
                   .mode = {.set = true, .value = 0644},
                   .contents = {.source = arena_memdup(a, url.data, url.len)}};
}

static void add_json(Arena *a, IgnFile *f, const char *path, const Node *json)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    json_write(json, JSON_COMPACT, &text);
    add_file(a, f, path, text.data, text.len);
}

static Node *annotations(Arena *a, const char *name)
{
    Node *n = node_new(a, NODE_OBJECT);
    node_set_string(a, n, "machineconfiguration.openshift.io/currentConfig", name);
    node_set_string(a, n, "machineconfiguration.openshift.io/desiredConfig", name);
    node_set_string(a, n, "machineconfiguration.openshift.io/state", "Done");
    return n;
}

static Node *to_node(Arena *a, const IgnConfig *c)
{
    return c->version < IGN_3_0 ? ign_config_to_node_v2_full(a, c) : ign_config_to_node(a, c);
}

/* The daemons of old machines take a MachineConfig only with a config that they can read, if an empty one. */
static Node *encapsulated(Arena *a, const ServedConfigInput *in)
{
    Node *copy = node_copy(a, in->rendered), *spec = node_get(copy, "spec");
    IgnConfig *nothing = ign_config_empty(a);
    nothing->version = in->version;
    nothing->ignition.version = ign_version_text(in->version);
    node_set(a, spec, "config", to_node(a, nothing));
    return copy;
}

static IgnConfig *add_files(Arena *a, const ServedConfigInput *in, const IgnConfig *base)
{
    const char *name = node_string(node_get_path(in->rendered, "metadata.name"));
    IgnConfig *more = ign_config_empty(a);
    IgnFile *files = ARENA_ARRAY(a, IgnFile, 3);
    add_json(a, &files[0], "/etc/machine-config-daemon/node-annotations.json",
             annotations(a, name ? name : ""));
    add_file(a, &files[1], "/etc/kubernetes/kubeconfig", in->kubeconfig, strlen(in->kubeconfig));
    files[1].mode.value = 0600; /* it holds a key */
    add_json(a, &files[2], "/etc/ignition-machine-config-encapsulated.json", encapsulated(a, in));
    more->storage.files = (IgnList){.items = files, .n = 3};
    return ign_config_merge(a, base, more);
}

static int refuse_other_objects(const Node *rendered, Report *r)
{
    const Node *spec = node_get(rendered, "spec");
    if (!machine_config_is(rendered))
        report_add(r, SEVERITY_ERROR, NULL, rendered, "not a MachineConfig of " MACHINE_CONFIG_API);
    else if (!spec || spec->kind != NODE_OBJECT)
        report_add(r, SEVERITY_ERROR, PATH_KEY(NULL, "spec"), rendered, "a rendered config needs a spec");
    else
        return 0;
    return -EINVAL;
}

static int read_part(const Node *object, IgnConfig **ret, Report *r)
{
    Arena *a = r->arena;
    const PathStep *path = PATH_KEY(PATH_KEY(NULL, "spec"), "config");
    const Node *part = node_get_path(object, "spec.config");
    IgnConfig *written;
    int k = refuse_other_objects(object, r);
    *ret = ign_config_empty(a);
    if (k < 0 || !part || part->kind == NODE_NULL || (part->kind == NODE_OBJECT && !part->n))
        return k;
    k = ign_config_from_node(a, part, path, &written, r);
    return k < 0 ? k
                 : ign_config_lift_with(a, written, &(IgnLiftOptions){.path = path, .default_modes = true},
                                        ret, r);
}

int served_config_make(const ServedConfigInput *in, Buf *out, Report *r)
{
    Arena *a = r->arena;
    IgnConfig *newest, *more, *lowered;
    int k = read_part(in->rendered, &newest, r);
    if (k >= 0 && in->more && (k = read_part(in->more, &more, r)) >= 0)
        newest = ign_config_merge(a, newest, more);
    if (k >= 0)
        k = ign_config_lower(a, add_files(a, in, newest), in->version, &lowered, r);
    if (k >= 0)
        json_write(to_node(a, lowered), JSON_COMPACT, out);
    return k;
}
