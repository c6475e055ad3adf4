/* From text to InstallConfig: read the YAML with positions; look at the version, which alone decides whether
 * the rest means anything; bring deprecated fields up to date, in the tree, so that nothing after this knows
 * them; fill in defaults; check fields, then rules; copy what the generators use into the C type. A document
 * with errors gives no config. */
#include "installer/install_config.h"

#include <string.h>

#include "format/yaml.h"
#include "installer/install_field.h"
#include "installer/install_rule.h"

static bool version_good(const Node *document, Report *r)
{
    static const char *const taken[] = {"v1", "v1beta3", "v1beta4"};
    const Node *version = node_get(document, "apiVersion");
    const char *text = version ? node_string(version) : NULL;

    if (!version || version->kind == NODE_NULL || (text && !*text)) {
        finding_required(r, "apiVersion", document, install_field_find("apiVersion")->required);
        return false;
    }
    for (size_t i = 0; i < ELEMENTS(taken); i++)
        if (text && strcmp(text, taken[i]) == 0)
            return true;
    finding_invalid(r, "apiVersion", version, "install-config version must be \"v1\"");
    return false;
}

/* ---- deprecated fields ---- */

typedef Node *Upconvert(Arena *a, Node *old);

static Node *same(Arena *a, Node *old)
{
    return node_copy(a, old);
}

static Node *place_as(Node *n, const Node *at)
{
    n->source = at->source;
    n->line = at->line;
    n->column = at->column;
    n->key_line = at->key_line;
    n->key_column = at->key_column;
    return n;
}

static Node *list_of(Arena *a, Node *old)
{
    Node *list = place_as(node_new(a, NODE_ARRAY), old);
    node_append(list, node_copy(a, old));
    return list;
}

static Node *list_of_cidr(Arena *a, Node *old)
{
    Node *list = place_as(node_new(a, NODE_ARRAY), old), *item = place_as(node_new(a, NODE_OBJECT), old);
    node_set(a, item, "cidr", node_copy(a, old));
    node_append(list, item);
    return list;
}

typedef struct UpconvertRow {
    const char *in, *old, *now; /* in: the object, "" for the document */
    Upconvert *convert;
} UpconvertRow;

static const UpconvertRow upconverts[] = {
    {"networking", "machineCIDR", "machineNetwork", list_of_cidr},
    {"networking", "serviceCIDR", "serviceNetwork", list_of},
    {"networking", "clusterNetworks", "clusterNetwork", same},
    {"networking", "type", "networkType", same},
    {"", "imageDigestSources", "imageContentSources", same},
};

static void upconvert_field(Arena *a, Node *object, const UpconvertRow *row, Report *r)
{
    Node *old = node_get(object, row->old);
    const char *path = *row->in ? arena_printf(a, "%s.%s", row->in, row->old) : row->old;

    if (!old)
        return;
    if (node_get(object, row->now))
        finding_invalid(r, path, old, arena_printf(a, "cannot use both %s and %s", row->old, row->now));
    else
        node_set(a, object, row->now, row->convert(a, old));
    const InstallField *f = install_field_find(path);
    if (f && f->instead)
        report_add_at(r, SEVERITY_WARNING, old->source, old->key_line, old->key_column,
                      "%s: deprecated: write %s", path, f->instead);
    node_remove(object, row->old);
}

/* A length counted from the other end: bits of the address minus bits of the part. */
static void upconvert_host_subnet(Arena *a, Node *entry, const char *path, Report *r)
{
    Node *old = node_get(entry, "hostSubnetLength"), *cidr = node_get(entry, "cidr");
    NetworkRange range;
    int64_t length;

    if (!old)
        return;
    if (node_get(entry, "hostPrefix"))
        finding_invalid(r, path, old, "cannot use both hostSubnetLength and hostPrefix");
    else if (node_int(old, &length) == 0 && cidr && node_string(cidr) &&
             network_range_parse(cidr->string, &range) == 0)
        node_set(a, entry, "hostPrefix", place_as(node_new_int(a, (range.ipv6 ? 128 : 32) - length), old));
    report_add_at(r, SEVERITY_WARNING, old->source, old->key_line, old->key_column,
                  "%s: deprecated: write hostPrefix", path);
    node_remove(entry, "hostSubnetLength");
}

static void upconvert(Arena *a, Node *document, Report *r)
{
    for (size_t i = 0; i < ELEMENTS(upconverts); i++) {
        Node *object = *upconverts[i].in ? node_get(document, upconverts[i].in) : document;
        if (object && object->kind == NODE_OBJECT)
            upconvert_field(a, object, &upconverts[i], r);
    }
    Node *list = node_get_path(document, "networking.clusterNetwork");
    size_t n = 0;
    if (!list || list->kind != NODE_ARRAY)
        return;
    NODE_EACH (entry, list) {
        const char *path = arena_printf(a, "networking.clusterNetwork[%zu].hostSubnetLength", n++);
        if (entry->kind == NODE_OBJECT)
            upconvert_host_subnet(a, entry, path, r);
    }
}

/* ---- into the C type; everything is known to be good ---- */

static const char *string_at(const Node *document, const char *path)
{
    const Node *n = node_get_path(document, path);
    const char *s = n ? node_string(n) : NULL;
    return s && *s ? s : NULL;
}

static NetworkRange *ranges_at(Arena *a, const Node *document, const char *path, size_t *ret_n)
{
    const Node *list = node_get_path(document, path);
    NetworkRange *ranges = ARENA_ARRAY(a, NetworkRange, list->n);
    size_t n = 0;

    NODE_EACH (item, list) {
        const Node *cidr = item->kind == NODE_OBJECT ? node_get(item, "cidr") : item;
        network_range_parse(cidr->string, &ranges[n++]);
    }
    *ret_n = n;
    return ranges;
}

static void take_cluster_networks(Arena *a, const Node *document, InstallConfig *c)
{
    const Node *list = node_get_path(document, "networking.clusterNetwork");

    c->cluster_networks = ARENA_ARRAY(a, ClusterNetwork, list->n);
    NODE_EACH (item, list) {
        ClusterNetwork *n = &c->cluster_networks[c->n_cluster_networks++];
        network_range_parse(node_string(node_get(item, "cidr")), &n->cidr);
        node_int(node_get(item, "hostPrefix"), &n->host_prefix);
    }
}

static MachinePool take_pool(const Node *pool)
{
    MachinePool p = {.name = string_at(pool, "name"), .architecture = string_at(pool, "architecture")};
    const char *hyperthreading = string_at(pool, "hyperthreading");

    node_int(node_get(pool, "replicas"), &p.replicas);
    p.hyperthreading = !hyperthreading || strcmp(hyperthreading, "Disabled") != 0;
    return p;
}

static InstallConfig *take(Arena *a, const Node *document)
{
    InstallConfig *c = ARENA_NEW(a, InstallConfig);
    const Node *platform = node_get(document, "platform"), *fips = node_get(document, "fips");

    c->node = document;
    c->name = string_at(document, "metadata.name");
    c->base_domain = string_at(document, "baseDomain");
    char *domain = arena_printf(a, "%s.%s", c->name, c->base_domain);
    if (domain[strlen(domain) - 1] == '.')
        domain[strlen(domain) - 1] = '\0';
    c->cluster_domain = domain;
    c->pull_secret = string_at(document, "pullSecret");
    c->ssh_key = string_at(document, "sshKey");
    c->trust_bundle = string_at(document, "additionalTrustBundle");
    c->http_proxy = string_at(document, "proxy.httpProxy");
    c->https_proxy = string_at(document, "proxy.httpsProxy");
    c->no_proxy = string_at(document, "proxy.noProxy");
    c->platform = platform->first->key;
    c->api_vip = string_at(document, "platform.baremetal.apiVIP");
    c->network_type = string_at(document, "networking.networkType");
    c->publish = string_at(document, "publish");
    c->machine_networks = ranges_at(a, document, "networking.machineNetwork", &c->n_machine_networks);
    c->service_networks = ranges_at(a, document, "networking.serviceNetwork", &c->n_service_networks);
    take_cluster_networks(a, document, c);
    c->control_plane = take_pool(node_get(document, "controlPlane"));
    c->compute = take_pool(node_get(document, "compute")->first);
    c->mirrors = node_get(document, "imageContentSources");
    c->fips = fips && fips->kind == NODE_BOOL && fips->boolean;
    return c;
}

int install_config_read(Arena *a, const Source *source, Severity duplicate_keys, InstallConfig **ret,
                        Report *r)
{
    size_t errors = r->errors;
    Node *document;

    int n = yaml_read(a, source, duplicate_keys, &document, r);
    if (n < 0)
        return n;
    if (document->kind != NODE_OBJECT) {
        report_add_at(r, SEVERITY_ERROR, source, document->line, document->column,
                      "an install config is a mapping, not a %s", node_kind_name(document->kind));
        return -EINVAL;
    }
    if (!version_good(document, r))
        return -EINVAL;
    upconvert(a, document, r);
    install_fields_fill(a, document);
    install_fields_check(a, document, r);
    install_rules_check(a, document, r);
    if (r->errors > errors)
        return -EINVAL;
    *ret = take(a, document);
    return 0;
}
