/* Each rule is a function over the tree, with defaults filled in, and skips what the field table has already
 * found wrong: a value that is no network is not compared with others. The words are the installer's
 * contract. The networks are gathered once, in the order in which the rules compare them. */
#include "installer/install_rule.h"

#include <stdio.h>
#include <string.h>

#include "installer/install_field.h"
#include "installer/network_range.h"

enum { NETWORKS_MAX = 256 };

typedef enum NetworkUse { USE_MACHINE, USE_SERVICE, USE_CLUSTER, USES } NetworkUse;

typedef struct Network {
    NetworkRange range;
    const Node *at;
    const char *path; /* where a complaint goes */
    size_t index;     /* in its list */
    NetworkUse use;
} Network;

typedef struct Networks {
    Network items[NETWORKS_MAX];
    size_t n;
} Networks;

typedef struct UseRow {
    const char *name, *list;
    const char *suffix; /* of the complaint's path */
} UseRow;

static const UseRow uses[USES] = {
    [USE_MACHINE] = {"machine", "machineNetwork", ""},
    [USE_SERVICE] = {"service", "serviceNetwork", ""},
    [USE_CLUSTER] = {"cluster", "clusterNetwork", ".cidr"},
};

static void networks_gather(Arena *a, const Node *document, Networks *ret)
{
    for (NetworkUse use = 0; use < USES; use++) {
        const Node *list = node_get_path(document, arena_printf(a, "networking.%s", uses[use].list));
        size_t index = 0;
        if (!list || list->kind != NODE_ARRAY)
            continue;
        NODE_EACH (item, list) {
            const Node *cidr = item->kind == NODE_OBJECT ? node_get(item, "cidr") : item;
            Network n = {.at = cidr, .index = index++, .use = use};
            if (ret->n == NETWORKS_MAX || !cidr || !node_string(cidr) ||
                network_range_parse(cidr->string, &n.range) < 0)
                continue;
            n.path = arena_printf(a, "networking.%s[%zu]%s", uses[use].list, n.index, uses[use].suffix);
            ret->items[ret->n++] = n;
        }
    }
}

static void rule_networks_apart(Arena *a, const Networks *all, Report *r)
{
    char buf[256];

    for (size_t i = 0; i < all->n; i++) {
        const Network *n = &all->items[i];
        const char *words = network_range_complaint(&n->range, buf, sizeof(buf));
        bool machine_said = false;
        if (words)
            finding_invalid(r, n->path, n->at, words);
        for (size_t j = 0; j < i; j++) {
            const Network *o = &all->items[j];
            if (!network_range_overlap(&n->range, &o->range))
                continue;
            if (o->use == USE_MACHINE && n->use != USE_MACHINE) {
                if (!machine_said)
                    finding_invalid(
                        r, n->path, n->at,
                        arena_printf(a, "%s network must not overlap with any of the machine networks",
                                     uses[n->use].name));
                machine_said = true;
            } else
                finding_invalid(r, n->path, n->at,
                                arena_printf(a, "%s network must not overlap with %s network %zu",
                                             uses[n->use].name, uses[o->use].name, o->index));
        }
    }
}

/* The addresses or networks of one use, for a message. */
static const char *networks_text(Arena *a, const Networks *all, NetworkUse use, bool address_only)
{
    _cleanup_buf_ Buf out = BUF_INIT;
    char text[NETWORK_TEXT_MAX];

    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].use == use) {
            network_range_text(&all->items[i].range, text);
            if (address_only)
                *strchr(text, '/') = '\0';
            buf_addf(&out, "%s%s", out.len ? ", " : "", text);
        }
    return arena_strdup(a, out.data ? out.data : "");
}

static void invalid_text(Report *r, const char *path, const Node *at, const char *value, const char *words)
{
    Node shown = *at;
    shown.kind = NODE_STRING;
    shown.string = value;
    shown.len = strlen(value);
    finding_invalid(r, path, &shown, words);
}

static void rule_both_families(Arena *a, const Node *networking, const Networks *all, Report *r)
{
    for (NetworkUse use = 0; use < USES; use++) {
        bool has[2] = {false, false};
        for (size_t i = 0; i < all->n; i++)
            if (all->items[i].use == use)
                has[all->items[i].range.ipv6] = true;
        const Node *list = node_get(networking, uses[use].list);
        if (!list || has[0] == has[1])
            continue;
        invalid_text(r, arena_printf(a, "networking.%s", uses[use].list), list,
                     networks_text(a, all, use, true),
                     has[0] ? "dual-stack IPv4/IPv6 requires an IPv6 address in this list"
                            : "dual-stack IPv4/IPv6 requires an IPv4 address in this list");
    }
}

/* The service networks say whether a cluster is IPv4, IPv6 or both. */
static void rule_families(Arena *a, const Node *document, const Networks *all, Report *r)
{
    const Node *networking = node_get(document, "networking"), *type, *list;
    size_t count[2] = {0, 0};

    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].use == USE_SERVICE)
            count[all->items[i].range.ipv6]++;
    type = node_get(networking, "networkType");
    list = node_get(networking, "serviceNetwork");
    if (count[1] && type && node_string(type) && strcmp(type->string, "OpenShiftSDN") == 0)
        finding_invalid(r, "networking.networkType", type,
                        count[0] ? "dual-stack IPv4/IPv6 is not supported for this networking plugin"
                                 : "IPv6 is not supported for this networking plugin");
    if (count[0] && count[1]) {
        if (count[0] + count[1] != 2)
            invalid_text(
                r, "networking.serviceNetwork", list, networks_text(a, all, USE_SERVICE, false),
                "when installing dual-stack IPv4/IPv6 you must provide two service networks, one for "
                "each IP address type");
        rule_both_families(a, networking, all, r);
    } else if (count[0] + count[1] > 1)
        invalid_text(r, "networking.serviceNetwork", list, networks_text(a, all, USE_SERVICE, false),
                     "only one service network can be specified");
}

static void rule_host_prefix(Arena *a, const Node *document, Report *r)
{
    const Node *list = node_get_path(document, "networking.clusterNetwork");
    size_t i = 0;

    if (!list || list->kind != NODE_ARRAY)
        return;
    NODE_EACH (item, list) {
        const char *path = arena_printf(a, "networking.clusterNetwork[%zu].hostPrefix", i++);
        const Node *prefix = node_get(item, "hostPrefix"), *cidr = node_get(item, "cidr");
        NetworkRange range;
        int64_t value;
        if (!prefix || node_int(prefix, &value) < 0)
            continue;
        if (value < 0)
            finding_invalid(r, path, prefix, "hostPrefix must be positive");
        if (!cidr || !node_string(cidr) || network_range_parse(cidr->string, &range) < 0)
            continue;
        if (value < (int64_t)range.prefix)
            finding_invalid(
                r, path, prefix,
                arena_printf(a, "cluster network host subnetwork prefix must not be larger size than CIDR %s",
                             cidr->string));
        else if (range.ipv6 && value != 64)
            finding_invalid(r, path, prefix,
                            "cluster network host subnetwork prefix must be 64 for IPv6 networks");
        else if (!range.ipv6 && value > 32)
            finding_invalid(r, path, prefix, "hostPrefix must be at most 32 for IPv4 networks");
    }
}

static void rule_platform(Arena *a, const Node *document, const Networks *all, Report *r)
{
    static const char *const vips[] = {"apiVIP", "ingressVIP"};
    const Node *platform = node_get(document, "platform");
    const Node *one = platform && platform->kind == NODE_OBJECT ? platform->first : NULL;

    if (!one || !install_field_find(arena_printf(a, "platform.%s", one->key)))
        invalid_text(r, "platform", platform ? platform : document, one ? one->key : "",
                     "must specify one of the platforms (baremetal, none)");
    if (!one)
        return;
    for (const Node *more = one->next; more; more = more->next)
        invalid_text(
            r, "platform", platform, one->key,
            arena_printf(a, "must only specify a single type of platform; cannot use both \"%s\" and \"%s\"",
                         one->key, more->key));
    for (size_t v = 0; v < ELEMENTS(vips); v++) {
        const Node *vip = node_get_path(platform, arena_printf(a, "baremetal.%s", vips[v]));
        NetworkRange address;
        bool inside = false;
        if (!vip || !node_string(vip) || !address_parse(vip->string, &address))
            continue;
        for (size_t i = 0; i < all->n; i++)
            inside |=
                all->items[i].use == USE_MACHINE && network_range_contains(&all->items[i].range, &address);
        if (!inside)
            finding_invalid(r, arena_printf(a, "platform.baremetal.%s", vips[v]), vip,
                            "the virtual IP is expected to be in one of the machine networks");
    }
}

static void rule_replicas(const Node *pool, const char *path, bool zero_is_fine, Report *r)
{
    const Node *replicas = node_get(pool, "replicas");
    int64_t n;

    if (!replicas || node_int(replicas, &n) < 0)
        return;
    if (n < 0)
        finding_invalid(r, path, replicas, "number of replicas must not be negative");
    else if (n == 0 && !zero_is_fine)
        finding_invalid(r, path, replicas, "number of control plane replicas must be positive");
}

static void rule_pools(Arena *a, const Node *document, Report *r)
{
    const Node *control = node_get(document, "controlPlane"), *list = node_get(document, "compute");
    const Node *wanted = node_get(control, "architecture");
    size_t i = 0;

    if (control)
        rule_replicas(control, "controlPlane.replicas", false, r);
    if (!list || list->kind != NODE_ARRAY)
        return;
    NODE_EACH (pool, list) {
        const Node *name = node_get(pool, "name"), *architecture = node_get(pool, "architecture");
        for (const Node *before = list->first; name && before != pool; before = before->next)
            if (node_get(before, "name") && node_equal(node_get(before, "name"), name)) {
                report_add_at(r, SEVERITY_ERROR, name->source, name->line, name->column,
                              "compute[%zu].name: Duplicate value: \"%s\"", i, node_string(name));
                break;
            }
        if (architecture && wanted && !node_equal(architecture, wanted))
            finding_invalid(r, arena_printf(a, "compute[%zu].architecture", i), architecture,
                            "heteregeneous multi-arch is not supported; compute pool architecture must match "
                            "control plane");
        rule_replicas(pool, arena_printf(a, "compute[%zu].replicas", i), true, r);
        i++;
    }
}

static void rule_domain(Arena *a, const Node *document, Report *r)
{
    const char *name = node_string(node_get_path(document, "metadata.name"));
    const Node *base = node_get(document, "baseDomain");
    char buf[512];

    if (!name || !base || !node_string(base) || check_cluster_name(name, buf, sizeof(buf)) ||
        check_domain(base->string, buf, sizeof(buf)))
        return;
    const char *domain = arena_printf(a, "%s.%s", name, base->string);
    const char *words = check_domain(domain, buf, sizeof(buf));
    if (words)
        invalid_text(r, "baseDomain", base, domain, words);
}

static void rule_proxy(Arena *a, const Node *document, Report *r)
{
    const Node *proxy = node_get(document, "proxy"), *list = node_get(proxy, "noProxy");
    const char *http = node_string(node_get(proxy, "httpProxy"));
    const char *https = node_string(node_get(proxy, "httpsProxy"));
    char buf[256];

    if (!proxy || proxy->kind != NODE_OBJECT)
        return;
    if (!(http && *http) && !(https && *https))
        finding_required(r, "proxy", proxy, "must include httpProxy or httpsProxy");
    for (const char *p = list ? node_string(list) : NULL; p && *p;) {
        size_t n = strcspn(p, ","), skip = strspn(p, " \t");
        if (skip > n)
            skip = n;
        size_t len = n - skip;
        while (len && (p[skip + len - 1] == ' ' || p[skip + len - 1] == '\t'))
            len--;
        const char *entry = arena_memdup(a, p + skip, len),
                   *words = check_no_proxy_entry(entry, buf, sizeof(buf));
        if (words)
            invalid_text(r, "proxy.noProxy", list, entry, words);
        p += n + (p[n] == ',');
    }
}

void install_rules_check(Arena *a, const Node *document, Report *r)
{
    Networks *all = ARENA_NEW(a, Networks);

    networks_gather(a, document, all);
    rule_domain(a, document, r);
    rule_networks_apart(a, all, r);
    rule_host_prefix(a, document, r);
    rule_families(a, document, all, r);
    rule_platform(a, document, all, r);
    rule_pools(a, document, r);
    rule_proxy(a, document, r);
}
