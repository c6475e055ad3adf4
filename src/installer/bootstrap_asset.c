/* bootstrap.ign: everything that the bootstrap machine needs, as files and units. First the machine's own
 * files, from templates, sorted by path; then manifests; then keys and certificates, of which the root's key
 * is left out; at last what only the machine config server reads. Before any of it, the MachineConfigs among
 * the manifests are validated: a mistake in one is found here and not on a machine. */
#include <stdio.h>
#include <string.h>

#include "format/data_url.h"
#include "format/digest.h"
#include "format/yaml.h"
#include "installer/certificate_table.h"
#include "installer/generators.h"
#include "installer/ignition_output.h"
#include "installer/install_log.h"
#include "machineconfig/controller_config.h"
#include "machineconfig/machine_config.h"
#include "machineconfig/machine_config_pool.h"

typedef struct Bootstrap {
    AssetStore *store;
    Arena *arena;
    TemplateValues values;
    ControllerConfig cluster;
    Node *files, *units;
    struct ManifestSource *sources;
} Bootstrap;

typedef struct ManifestSource {
    Source source;
    struct ManifestSource *next;
} ManifestSource;

typedef struct BootstrapFile {
    const char *path, *template;
    mode_t mode;
    bool append;
    const char *when;
} BootstrapFile;

static const BootstrapFile machine_files[] = {
    {"/etc/containers/registries.conf", "value:registriesConf", 0600, false, "mirrors"},
    {"/etc/ignition-machine-config-encapsulated.json", "bootstrap/encapsulated.json", 0600, false, "fips"},
    {"/etc/motd", "bootstrap/motd", 0644, true, NULL},
    {"/etc/pki/ca-trust/source/anchors/ca.crt", "value:trustBundle", 0600, false, "trustBundle"},
    {"/etc/profile.d/proxy.sh", "bootstrap/proxy.sh", 0600, false, "proxy"},
    {"/etc/systemd/system.conf.d/10-default-env.conf", "value:proxyUnitEnv", 0600, false, "proxy"},
    {"/root/.docker/config.json", "value:pullSecret", 0600, false, "pullSecret"},
    {"/opt/openshift/hand-over/basalt-apiserver.service", "bootstrap/basalt-apiserver.service", 0644, false,
     NULL},
    {"/opt/openshift/hand-over/basalt-certs-renew", "bootstrap/certs-renew.sh", 0555, false, NULL},
    {"/opt/openshift/hand-over/basalt-certs-renew.service", "bootstrap/basalt-certs-renew.service", 0644,
     false, NULL},
    {"/opt/openshift/hand-over/basalt-certs-renew.timer", "bootstrap/basalt-certs-renew.timer", 0644, false,
     NULL},
    {"/opt/openshift/hand-over/machine-config-controller.service",
     "bootstrap/machine-config-controller.service", 0644, false, NULL},
    {"/opt/openshift/hand-over/machine-config-server.service", "bootstrap/machine-config-server.service",
     0644, false, NULL},
    {"/usr/local/bin/bootkube.sh", "bootstrap/bootkube.sh", 0555, false, NULL},
};

static const struct {
    const char *name, *template;
    bool enabled;
} machine_units[] = {
    {"bootkube.service", "bootstrap/bootkube.service", true},
};

static const char *const roles[] = {"master", "worker"};

/* ---- parts of the config, in the key order of the contract ---- */

static void add_file(Bootstrap *b, const char *path, const void *data, size_t n, const BootstrapFile *how)
{
    _cleanup_(buf_done_secret)
    Buf url = BUF_INIT;
    Node *file = node_new(b->arena, NODE_OBJECT), *user = node_new(b->arena, NODE_OBJECT);
    Node *contents = node_new(b->arena, NODE_OBJECT);

    data_url_encode_base64("text/plain;charset=utf-8", data, n, &url);
    node_set_string(b->arena, file, "filesystem", "root");
    node_set_string(b->arena, file, "path", path);
    node_set_string(b->arena, user, "name", "root");
    node_set(b->arena, file, "user", user);
    if (how->append)
        node_set(b->arena, file, "append", node_new_bool(b->arena, true));
    node_set_string(b->arena, contents, "source", url.data);
    node_set(b->arena, contents, "verification", node_new(b->arena, NODE_OBJECT));
    node_set(b->arena, file, "contents", contents);
    node_set(b->arena, file, "mode", node_new_int(b->arena, how->mode));
    node_append(b->files, file);
}

static int add_template(Bootstrap *b, const char *path, const BootstrapFile *how, Error *e)
{
    bool is_value = strncmp(how->template, "value:", 6) == 0;
    const char *text = is_value ? template_value(&b->values, how->template + 6)
                                : template_text(&b->values, how->template, e);
    if (!text)
        return -EINVAL;
    add_file(b, path, text, strlen(text), how);
    return 0;
}

static int add_units(Bootstrap *b, Error *e)
{
    for (size_t i = 0; i < ELEMENTS(machine_units); i++) {
        const char *text = template_text(&b->values, machine_units[i].template, e);
        Node *unit = node_new(b->arena, NODE_OBJECT);
        if (!text)
            return -EINVAL;
        node_set_string(b->arena, unit, "contents", text);
        if (machine_units[i].enabled)
            node_set(b->arena, unit, "enabled", node_new_bool(b->arena, true));
        node_set_string(b->arena, unit, "name", machine_units[i].name);
        node_append(b->units, unit);
    }
    return 0;
}

static void add_asset(Bootstrap *b, const char *asset, mode_t mode)
{
    const AssetValue *v = asset_store_get(b->store, asset);
    for (size_t i = 0; i < v->n; i++)
        add_file(b, arena_printf(b->arena, "/opt/openshift/%s", v->files[i].path), v->files[i].data,
                 v->files[i].len, &(BootstrapFile){.mode = mode});
}

/* ---- MachineConfigs of every role that the cluster starts with ---- */

static int add_role_configs(Bootstrap *b, Error *e)
{
    for (size_t role = 0; role < ELEMENTS(roles); role++) {
        RoleConfig configs[CONTROLLER_CONFIG_ROLE];
        int r = controller_config_role(b->arena, &b->cluster, roles[role], configs, e);
        if (r < 0)
            return r;
        for (size_t i = 0; i < CONTROLLER_CONFIG_ROLE; i++)
            add_file(b, arena_printf(b->arena, "/opt/openshift/machine-configs/%s.yaml", configs[i].name),
                     configs[i].text, configs[i].len, &(BootstrapFile){.mode = 0644});
    }
    return 0;
}

static void add_controller_config(Bootstrap *b)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    yaml_write(controller_config_to_node(b->arena, &b->cluster), false, &text);
    add_file(b, "/opt/openshift/hand-over/controller-config.yaml", text.data, text.len,
             &(BootstrapFile){.mode = 0644});
}

/* ---- what the user dropped into openshift/ ---- */

static bool is_document(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0);
}

static void check_file(Bootstrap *b, const AssetFile *f, Report *r)
{
    Severity duplicates = asset_store_options(b->store)->lenient ? SEVERITY_WARNING : SEVERITY_ERROR;
    ManifestSource *kept = ARENA_NEW(b->arena, ManifestSource);
    Source *source = &kept->source;
    Node *documents;

    *source = (Source){.name = asset_store_path(b->store, f->path),
                       .text = f->data,
                       .len = f->len,
                       .secret = strstr(f->path, "secret") != NULL};
    kept->next = b->sources;
    b->sources = kept;
    if (yaml_read_all(b->arena, source, duplicates, &documents, r) < 0)
        return;
    NODE_EACH (document, documents) {
        MachineConfig *mc;
        MachineConfigPool *pool;
        if (machine_config_is(document))
            machine_config_read(b->arena, document, &mc, r);
        else if (machine_config_pool_is(document))
            machine_config_pool_read(b->arena, document, &pool, r);
    }
}

/* What a manifest says may be secret: the person who runs this sees the line, the log does not get it. */
static void print_findings(Bootstrap *b, const Report *r)
{
    _cleanup_buf_ Buf shown = BUF_INIT, logged = BUF_INIT;

    report_write(r, REPORT_TEXT, &shown);
    for (ManifestSource *s = b->sources; s; s = s->next)
        s->source.secret = true;
    report_write(r, REPORT_TEXT, &logged);
    install_log_text(shown.data, logged.data);
}

static int check_manifests(Bootstrap *b, const char *const *assets, Error *e)
{
    _cleanup_report_ Report r = REPORT_INIT(b->arena);

    for (; *assets; assets++) {
        const AssetValue *v = asset_store_get(b->store, *assets);
        for (size_t i = 0; i < v->n; i++)
            if (is_document(v->files[i].path))
                check_file(b, &v->files[i], &r);
    }
    if (r.n)
        print_findings(b, &r);
    if (r.errors)
        return error_set(e, EINVAL, "%zu %s in the manifests", r.errors, r.errors == 1 ? "error" : "errors");
    return 0;
}

/* ---- tokens.json: what the server needs to know a token when it sees one ---- */

static int add_tokens(Bootstrap *b, Error *e)
{
    const char *asset = "Provisioning Tokens";
    time_t until = (time_t)strtoll(asset_store_file(b->store, asset, "tokens/until")->data, NULL, 10);
    Node *root = node_new(b->arena, NODE_OBJECT), *list = node_new(b->arena, NODE_ARRAY);
    _cleanup_buf_ Buf text = BUF_INIT;
    char expires[32];
    struct tm tm;

    strftime(expires, sizeof(expires), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&until, &tm));
    for (size_t i = 0; i < ELEMENTS(roles); i++) {
        const AssetFile *token =
            asset_store_file(b->store, asset, arena_printf(b->arena, "tokens/%s", roles[i]));
        char hex[2 * DIGEST_SIZE_MAX + 1];
        Node *n = node_new(b->arena, NODE_OBJECT);
        int r = digest_hex(DIGEST_SHA256, token->data, token->len, hex, e);
        if (r < 0)
            return r;
        node_set_string(b->arena, n, "sha256", arena_strdup(b->arena, hex));
        node_set_string(b->arena, n, "role", roles[i]);
        node_set_string(b->arena, n, "expires", arena_strdup(b->arena, expires));
        node_append(list, n);
    }
    node_set(b->arena, root, "tokens", list);
    json_write(root, JSON_COMPACT, &text);
    add_file(b, "/opt/openshift/tokens.json", text.data, text.len, &(BootstrapFile){.mode = 0600});
    return 0;
}

/* ---- all of it ---- */

static void add_keys(Bootstrap *b)
{
    for (size_t i = 0; i < certificate_rows_n; i++)
        if (strcmp(certificate_rows[i].file, "root-ca") != 0)
            add_asset(b, certificate_rows[i].asset.name, 0600);
    for (size_t i = 0; i < bundle_rows_n; i++)
        add_asset(b, bundle_rows[i].asset.name, 0600);
    add_asset(b, "Key Pair (service-account)", 0600);
    const AssetFile *root = asset_store_file(b->store, "Root CA", "tls/root-ca.crt");
    add_file(b, "/opt/openshift/tls/root-ca.crt", root->data, root->len, &(BootstrapFile){.mode = 0644});
}

static const char *config_text(Bootstrap *b, const InstallConfig *c)
{
    static const char head[] = "{\"ignition\":{\"config\":{},\"security\":{\"tls\":{}},\"timeouts\":{},"
                               "\"version\":\"2.2.0\"},\"networkd\":{},\"passwd\":{";
    _cleanup_(buf_done_secret)
    Buf out = BUF_INIT;
    const Node *keys = config_ssh_keys(b->arena, c);

    buf_add_str(&out, head);
    if (keys) {
        buf_add_str(&out, "\"users\":[{\"name\":\"core\",\"sshAuthorizedKeys\":");
        json_write(keys, JSON_COMPACT, &out);
        buf_add_str(&out, "}]");
    }
    buf_add_str(&out, "},\"storage\":{\"files\":");
    json_write(b->files, JSON_COMPACT, &out);
    buf_add_str(&out, "},\"systemd\":{\"units\":");
    json_write(b->units, JSON_COMPACT, &out);
    buf_add_str(&out, "}}");
    return arena_strdup(b->arena, out.data);
}

static int fill(Bootstrap *b, Error *e)
{
    static const char *const manifests[] = {"Common Manifests", "Openshift Manifests", "Master Machines",
                                            "Worker Machines", NULL};
    static const char *const kubeconfigs[] = {"Kubeconfig Admin Internal Client", "Kubeconfig Kubelet",
                                              "Kubeconfig Admin Client (Loopback)"};
    int r = check_manifests(b, manifests, e);

    for (size_t i = 0; r >= 0 && i < ELEMENTS(machine_files); i++)
        if (!machine_files[i].when || *template_value(&b->values, machine_files[i].when))
            r = add_template(b, machine_files[i].path, &machine_files[i], e);
    if (r >= 0)
        r = add_role_configs(b, e);
    add_controller_config(b);
    if (r >= 0)
        r = add_units(b, e);
    if (r < 0)
        return r;
    for (size_t i = 0; manifests[i]; i++)
        add_asset(b, manifests[i], 0644);
    for (size_t i = 0; i < ELEMENTS(kubeconfigs); i++)
        add_asset(b, kubeconfigs[i], 0600);
    add_keys(b);
    return add_tokens(b, e);
}

int bootstrap_generate(AssetStore *s, const Asset *asset _unused_, AssetValue *ret, Error *e)
{
    Arena *a = asset_store_arena(s);
    Bootstrap b = {
        .store = s, .arena = a, .files = node_new(a, NODE_ARRAY), .units = node_new(a, NODE_ARRAY)};
    _cleanup_(buf_done_secret)
    Buf out = BUF_INIT;
    const InstallConfig *c;

    int r = asset_store_config(s, &c, e);
    if (r >= 0)
        r = config_values(s, &b.values, e);
    if (r >= 0)
        r = config_cluster(s, &b.cluster, e);
    if (r >= 0) {
        const char *unit = controller_config_proxy_unit(a, &b.cluster, e);
        template_set(&b.values, "proxyUnitEnv", unit);
        r = unit ? fill(&b, e) : -EINVAL;
    }
    if (r >= 0)
        r = ignition_output(a, config_text(&b, c), asset_store_options(s)->ignition_version, &out, e);
    template_done(&b.values);
    if (r < 0)
        return r;
    asset_value_add(a, ret, "bootstrap.ign", out.data, out.len);
    return 0;
}
