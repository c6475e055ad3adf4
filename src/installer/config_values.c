/* What an install config says, in the words of the templates. Lists become JSON, which is YAML too. */
#include <string.h>

#include "installer/generators.h"

static const char *json_text(Arena *a, const Node *n)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    json_write(n, JSON_COMPACT, &text);
    return arena_strdup(a, text.data);
}

const Node *config_ssh_keys(Arena *a, const InstallConfig *c)
{
    Node *keys = node_new(a, NODE_ARRAY);

    for (const char *p = c->ssh_key; p && *p;) {
        size_t n = strcspn(p, "\r\n");
        if (n && *p != '#')
            node_append(keys, node_new_string_n(a, p, n));
        p += n + strspn(p + n, "\r\n");
    }
    return keys->n ? keys : NULL;
}

static const char *cluster_networks_text(Arena *a, const InstallConfig *c)
{
    Node *list = node_new(a, NODE_ARRAY);
    char text[NETWORK_TEXT_MAX];

    for (size_t i = 0; i < c->n_cluster_networks; i++) {
        Node *n = node_new(a, NODE_OBJECT);
        network_range_text(&c->cluster_networks[i].cidr, text);
        node_set_string(a, n, "cidr", arena_strdup(a, text));
        node_set(a, n, "hostPrefix", node_new_int(a, c->cluster_networks[i].host_prefix));
        node_append(list, n);
    }
    return json_text(a, list);
}

static const char *ranges_text(Arena *a, const NetworkRange *ranges, size_t n)
{
    Node *list = node_new(a, NODE_ARRAY);
    char text[NETWORK_TEXT_MAX];

    for (size_t i = 0; i < n; i++) {
        network_range_text(&ranges[i], text);
        node_append(list, node_new_string(a, arena_strdup(a, text)));
    }
    return json_text(a, list);
}

/* What never goes through the proxy: the cluster itself, and what the user adds. */
static const char *no_proxy_text(Arena *a, const InstallConfig *c)
{
    _cleanup_buf_ Buf all = BUF_INIT;
    char text[NETWORK_TEXT_MAX];

    buf_addf(&all, ".cluster.local,.svc,127.0.0.1,localhost,.%s,api-int.%s", c->cluster_domain,
             c->cluster_domain);
    for (size_t i = 0; i < c->n_machine_networks; i++) {
        network_range_text(&c->machine_networks[i], text);
        buf_addf(&all, ",%s", text);
    }
    for (size_t i = 0; i < c->n_service_networks; i++) {
        network_range_text(&c->service_networks[i], text);
        buf_addf(&all, ",%s", text);
    }
    for (size_t i = 0; i < c->n_cluster_networks; i++) {
        network_range_text(&c->cluster_networks[i].cidr, text);
        buf_addf(&all, ",%s", text);
    }
    for (const char *p = c->no_proxy ? c->no_proxy : ""; *p;) {
        size_t n = strcspn(p, ", \t");
        if (n)
            buf_addf(&all, ",%.*s", (int)n, p);
        p += n + strspn(p + n, ", \t");
    }
    return arena_strdup(a, all.data);
}

/* The install config as the cluster keeps it: without what is secret. */
static const char *public_config_text(Arena *a, const InstallConfig *c)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    Node *copy = node_copy(a, c->node);

    node_set(a, copy, "apiVersion", node_new_string(a, "v1"));
    node_set(a, copy, "pullSecret", node_new_string(a, ""));
    node_set(a, node_get(copy, "metadata"), "creationTimestamp", node_new(a, NODE_NULL));
    yaml_write(copy, true, &text);
    return arena_strdup(a, text.data);
}

int config_values(AssetStore *s, TemplateValues *v, Error *e)
{
    Arena *a = asset_store_arena(s);
    const InstallConfig *c;

    int r = asset_store_config(s, &c, e);
    if (r < 0)
        return r;
    v->arena = a;
    v->files = installer_templates;
    const struct {
        const char *name, *value;
    } values[] = {
        {"clusterName", c->name},
        {"clusterDomain", c->cluster_domain},
        {"apiHost", arena_printf(a, "api.%s", c->cluster_domain)},
        {"apiInternalHost", arena_printf(a, "api-int.%s", c->cluster_domain)},
        {"platformName", strcmp(c->platform, "baremetal") == 0 ? "BareMetal" : "None"},
        {"networkType", c->network_type},
        {"clusterNetwork", cluster_networks_text(a, c)},
        {"serviceNetwork", ranges_text(a, c->service_networks, c->n_service_networks)},
        {"mastersSchedulable", c->compute.replicas == 0 ? "true" : "false"},
        {"pullSecret", c->pull_secret},
        {"trustBundle", c->trust_bundle},
        {"httpProxy", c->http_proxy},
        {"httpsProxy", c->https_proxy},
        {"noProxy", c->no_proxy},
        {"noProxyAll", c->http_proxy || c->https_proxy ? no_proxy_text(a, c) : ""},
        {"proxy", c->http_proxy || c->https_proxy ? "yes" : ""},
        {"fips", c->fips ? "yes" : ""},
        {"mirrors", c->mirrors && c->mirrors->n ? "yes" : ""},
        {"registriesConf", controller_config_registries(a, c->mirrors)},
        {"installConfig", public_config_text(a, c)},
        {"true", "true"},
    };
    for (size_t i = 0; i < ELEMENTS(values); i++)
        template_set(v, values[i].name, values[i].value);
    return 0;
}

/* Needs the keys and certificates. */
int config_cluster(AssetStore *s, ControllerConfig *ret, Error *e)
{
    Arena *a = asset_store_arena(s);
    const InstallConfig *c;
    char address[NETWORK_TEXT_MAX];

    int r = asset_store_config(s, &c, e);
    if (r < 0)
        return r;
    network_range_nth(&c->service_networks[0], 10, address);
    *ret = (ControllerConfig){
        .cluster_dns = arena_strdup(a, address),
        .kubelet_client_ca =
            asset_store_file(s, "Certificate (kubelet-client-ca-bundle)", "tls/kubelet-client-ca-bundle.crt")
                ->data,
        .trust_bundle = c->trust_bundle,
        .http_proxy = c->http_proxy,
        .https_proxy = c->https_proxy,
        .no_proxy = c->http_proxy || c->https_proxy ? no_proxy_text(a, c) : NULL,
        .image_content_sources = c->mirrors && c->mirrors->n ? c->mirrors : NULL,
        .masters_schedulable = c->compute.replicas == 0,
    };
    return 0;
}

int asset_value_render(AssetStore *s, AssetValue *value, const char *path, const TemplateValues *values,
                       const char *template, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf text = BUF_INIT;
    int r = template_render(values, template, &text, e);
    if (r < 0)
        return r;
    asset_value_add(asset_store_arena(s), value, path, text.data ? text.data : "", text.len);
    return 0;
}
