/* In this order: the Ignition part of the rendered config, lifted; the node's annotations (what it runs and
 * is to run); its kubeconfig; the MachineConfig itself without its Ignition part, for the daemon's first run;
 * then down to the version that was asked for. */
#include "server/served_config.h"

#include <string.h>

#include "format/data_url.h"
#include "ignition/merge.h"
#include "ignition/parse.h"
#include "ignition/translate.h"

#define ACCEPTED "application/vnd.coreos.ignition+json"

static const struct {
    const char *prefix;
    IgnVersion version;
} known[] = {
    {"2.2", IGN_2_2}, {"2.3", IGN_2_3}, {"2.4", IGN_2_4}, {"3.1", IGN_3_1}, {"3.2", IGN_3_2},
    {"3.3", IGN_3_3}, {"3.4", IGN_3_4}, {"3.5", IGN_3_5}, {"3.6", IGN_3_6},
};

/* "3.4.0" and "3.4" alike; newer 3.x get the newest that there is; 3.0, 2.0, 2.1 and others are refused. */
static IgnVersion version_of(const char *text, size_t n)
{
    for (size_t i = 0; i < ELEMENTS(known); i++) {
        size_t len = strlen(known[i].prefix);
        if (n >= len && !memcmp(text, known[i].prefix, len) && (n == len || text[len] == '.'))
            return known[i].version;
    }
    unsigned major = 0, minor = 0;
    int read = 0;
    if (sscanf(text, "%3u.%3u%n", &major, &minor, &read) < 2)
        return IGN_2_2; /* not a version: as if none had been named */
    if (major == 2 && minor > 4)
        return IGN_2_4;
    return major == 3 && minor > 6 ? IGN_NEWEST : IGN_NONE;
}

static double quality(const char *parameters, size_t n)
{
    const char *q = memmem(parameters, n, "q=", 2);
    return q ? strtod(q + 2, NULL) : 1;
}

IgnVersion served_config_version(const char *accept)
{
    IgnVersion best = IGN_2_2;
    double best_quality = -1;
    for (const char *p = accept; p && *p;) {
        p += strspn(p, ", \t");
        size_t n = strcspn(p, ","), type = strlen(ACCEPTED);
        const char *version =
            n > type && !strncasecmp(p, ACCEPTED, type) ? memmem(p, n, "version=", 8) : NULL;
        double q = quality(p, n);
        if (version && q > best_quality) {
            version += 8 + (version[8] == '"');
            best = version_of(version, strcspn(version, ",;\" \t"));
            best_quality = q;
        }
        p += n;
    }
    return best;
}

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

static Node *encapsulated(Arena *a, const Node *rendered)
{
    Node *copy = node_copy(a, rendered), *spec = node_get(copy, "spec");
    Node *config = node_new(a, NODE_OBJECT),
         *ignition = node_set(a, config, "ignition", node_new(a, NODE_OBJECT));
    node_set_string(a, ignition, "version", ign_version_text(IGN_NEWEST));
    if (spec)
        node_set(a, spec, "config", config);
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
    add_json(a, &files[2], "/etc/ignition-machine-config-encapsulated.json", encapsulated(a, in->rendered));
    more->storage.files = (IgnList){.items = files, .n = 3};
    return ign_config_merge(a, base, more);
}

static int make(Arena *a, const ServedConfigInput *in, Buf *out, Report *r)
{
    const PathStep *path = PATH_KEY(PATH_KEY(NULL, "spec"), "config");
    const Node *part = node_get_path(in->rendered, "spec.config");
    IgnConfig *written, *newest = ign_config_empty(a), *lowered;
    int k = 0;
    if (part && (k = ign_config_from_node(a, part, path, &written, r)) >= 0)
        k = ign_config_lift(a, written, &newest, r);
    if (k >= 0)
        k = ign_config_lower(a, add_files(a, in, newest), in->version, &lowered, r);
    if (k >= 0)
        json_write(ign_config_to_node(a, lowered), JSON_COMPACT, out);
    return k;
}

int served_config_make(const ServedConfigInput *in, Buf *out, Report *r)
{
    return make(r->arena, in, out, r);
}
