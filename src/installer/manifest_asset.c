/* The manifests: a table of paths and templates, each with the value that must be there for it to be made.
 * What comes once for every element of a list, or for each role, has a loop of its own below the tables. */
#include <string.h>

#include "installer/generators.h"
#include "installer/install_log.h"

typedef struct ManifestRow {
    const char *path, *template;
    const char *when; /* a value that is not empty; NULL: always */
} ManifestRow;

static const ManifestRow common[] = {
    {"manifests/cluster-config.yaml", "manifests/cluster-config.yaml", NULL},
    {"manifests/cluster-dns-02-config.yml", "manifests/cluster-dns-02-config.yml", NULL},
    {"manifests/cluster-infrastructure-02-config.yml", "manifests/cluster-infrastructure-02-config.yml",
     NULL},
    {"manifests/cluster-network-02-config.yml", "manifests/cluster-network-02-config.yml", NULL},
    {"manifests/cluster-proxy-01-config.yaml", "manifests/cluster-proxy-01-config.yaml", NULL},
    {"manifests/cluster-scheduler-02-config.yml", "manifests/cluster-scheduler-02-config.yml", NULL},
    {"manifests/kube-system-configmap-root-ca.yaml", "manifests/kube-system-configmap-root-ca.yaml", NULL},
    {"manifests/machine-config-server-tls-secret.yaml", "manifests/machine-config-server-tls-secret.yaml",
     NULL},
    {"manifests/openshift-config-secret-pull-secret.yaml",
     "manifests/openshift-config-secret-pull-secret.yaml", "pullSecret"},
    {"manifests/user-ca-bundle-config.yaml", "manifests/user-ca-bundle-config.yaml", "trustBundle"},
};

static int render_rows(AssetStore *s, const ManifestRow *rows, size_t n, const TemplateValues *v,
                       AssetValue *ret, Error *e)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].when && !*template_value(v, rows[i].when))
            continue;
        int r = asset_value_render(s, ret, rows[i].path, v, rows[i].template, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int mirror_policies(AssetStore *s, const InstallConfig *c, AssetValue *ret, Error *e)
{
    Arena *a = asset_store_arena(s);
    size_t number = 0;

    if (!c->mirrors)
        return 0;
    NODE_EACH (source, c->mirrors) {
        _cleanup_(template_done)
        TemplateValues v = {.arena = a, .files = installer_templates};
        _cleanup_buf_ Buf mirrors = BUF_INIT;
        const Node *list = node_get(source, "mirrors");
        if (list && list->kind == NODE_ARRAY)
            json_write(list, JSON_COMPACT, &mirrors);
        template_set(&v, "mirrors", mirrors.len ? arena_strdup(a, mirrors.data) : "[]");
        template_set(&v, "source", node_string(node_get(source, "source")));
        template_set(&v, "number", arena_printf(a, "%zu", number));
        int r = asset_value_render(
            s, ret, arena_printf(a, "manifests/image-content-source-policy-%zu.yaml", number++), &v,
            "manifests/image-content-source-policy.yaml", e);
        if (r < 0)
            return r;
    }
    return 0;
}

int common_manifests_generate(AssetStore *s, const Asset *asset _unused_, AssetValue *ret, Error *e)
{
    static const char *const roles[] = {"master", "worker"};
    _cleanup_(template_done)
    TemplateValues v = {0};
    const InstallConfig *c;

    int r = asset_store_config(s, &c, e);
    if (r >= 0)
        r = config_values(s, &v, e);
    if (r < 0)
        return r;
    if (c->compute.replicas == 0)
        install_log(INSTALL_LOG_WARNING,
                    "Making control-plane schedulable by setting MastersSchedulable to true for "
                    "Scheduler cluster settings");
    template_set(&v, "infraID", asset_store_file(s, "Cluster ID", "infra-id")->data);
    template_set(&v, "rootCA", asset_store_file(s, "Root CA", "tls/root-ca.crt")->data);
    template_set(
        &v, "serverCert",
        asset_store_file(s, "Certificate (machine-config-server)", "tls/machine-config-server.crt")->data);
    template_set(
        &v, "serverKey",
        asset_store_file(s, "Certificate (machine-config-server)", "tls/machine-config-server.key")->data);
    r = render_rows(s, common, ELEMENTS(common), &v, ret, e);
    if (r >= 0)
        r = mirror_policies(s, c, ret, e);
    for (size_t i = 0; r >= 0 && i < ELEMENTS(roles); i++) {
        template_set(&v, "role", roles[i]);
        r = asset_value_render(s, ret,
                               arena_printf(v.arena, "manifests/machine-config-pool-%s.yaml", roles[i]), &v,
                               "manifests/machine-config-pool.yaml", e);
    }
    return r;
}

int openshift_manifests_generate(AssetStore *s, const Asset *asset _unused_, AssetValue *ret, Error *e)
{
    _cleanup_(template_done)
    TemplateValues v = {.arena = asset_store_arena(s), .files = installer_templates};

    template_set(&v, "passwordHash",
                 asset_store_file(s, "Kubeadmin Password Hash", "kubeadmin-password-hash")->data);
    return asset_value_render(s, ret, "openshift/99_kubeadmin-password-secret.yaml", &v,
                              "openshift/kubeadmin-password-secret.yaml", e);
}

int role_manifests_generate(AssetStore *s, const Asset *asset, AssetValue *ret, Error *e)
{
    const char *role = asset->what;
    Arena *a = asset_store_arena(s);
    _cleanup_(template_done)
    TemplateValues v = {0};
    _cleanup_buf_ Buf keys_text = BUF_INIT;
    const InstallConfig *c;

    int r = asset_store_config(s, &c, e);
    if (r >= 0)
        r = config_values(s, &v, e);
    if (r < 0)
        return r;
    const MachinePool *pool = strcmp(role, "master") == 0 ? &c->control_plane : &c->compute;
    const Node *keys = config_ssh_keys(a, c);
    if (keys)
        json_write(keys, JSON_COMPACT, &keys_text);
    template_set(&v, "role", role);
    template_set(&v, "sshKeys", keys_text.data);
    template_set(&v, "noThreads", pool->hyperthreading ? "" : "yes");
    template_set(&v, "pointer",
                 asset_store_file(s, asset->parents[1], arena_printf(a, "%s.ign", role))->data);
    const ManifestRow rows[] = {
        {arena_printf(a, "openshift/99_openshift-cluster-api_%s-user-data-secret.yaml", role),
         "openshift/user-data-secret.yaml", NULL},
        {arena_printf(a, "openshift/99_openshift-machineconfig_99-%s-ssh.yaml", role),
         "openshift/machineconfig-ssh.yaml", "sshKeys"},
        {arena_printf(a, "openshift/99_openshift-machineconfig_99-%s-fips.yaml", role),
         "openshift/machineconfig-fips.yaml", "fips"},
        {arena_printf(a, "openshift/99_openshift-machineconfig_99-%s-disable-hyperthreading.yaml", role),
         "openshift/machineconfig-disable-hyperthreading.yaml", "noThreads"},
    };
    return render_rows(s, rows, ELEMENTS(rows), &v, ret, e);
}
