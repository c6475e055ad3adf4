/* The graph: what is made of what. The certificates are rows of their own table and stand behind these; the
 * bootstrap config depends on all of them, so its list of parents is put together from both. A file on disk
 * belongs to the first row with a pattern for it, so the rows that claim few files stand before those that
 * claim all of a directory. */
#include <string.h>

#include "installer/certificate_table.h"
#include "installer/generators.h"

#define PARENTS(...)                                                                                         \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }
#define FILES(...)        .patterns = (const char *const[]){__VA_ARGS__, NULL}, .mode = 0600
#define PUBLIC_FILES(...) .patterns = (const char *const[]){__VA_ARGS__, NULL}, .mode = 0640

static const char *bootstrap_parents[ASSET_PARENTS_MAX + 1] = {
    "Install Config",
    "Provisioning Tokens",
    "Common Manifests",
    "Openshift Manifests",
    "Master Machines",
    "Worker Machines",
    "Kubeconfig Admin Internal Client",
    "Kubeconfig Kubelet",
    "Kubeconfig Admin Client (Loopback)",
    "Key Pair (service-account)",
};

static const Asset plain[] = {
    {.name = "Install Config",
     .generate = install_config_generate,
     .input = true,
     FILES("install-config.yaml")},
    {.name = "Cluster ID", .generate = cluster_id_generate, .parents = PARENTS("Install Config")},
    {.name = "Provisioning Tokens", .generate = tokens_generate, .validity = tokens_validity},
    {.name = "Key Pair (service-account)", .generate = service_account_generate},
    {.name = "Kubeadmin Password", .generate = password_generate, FILES("auth/kubeadmin-password")},
    {.name = "Kubeadmin Password Hash",
     .generate = password_hash_generate,
     .parents = PARENTS("Kubeadmin Password")},
    {.name = "Kubeconfig Admin Client",
     .generate = kubeconfig_generate,
     .what = &kubeconfig_admin,
     .parents = PARENTS("Install Config", "Certificate (kube-apiserver-complete-server-ca-bundle)",
                        "Certificate (admin-kubeconfig-client)"),
     FILES("auth/kubeconfig")},
    {.name = "Kubeconfig Admin Internal Client",
     .generate = kubeconfig_generate,
     .what = &kubeconfig_internal,
     .parents = PARENTS("Install Config", "Certificate (kube-apiserver-complete-server-ca-bundle)",
                        "Certificate (admin-kubeconfig-client)")},
    {.name = "Kubeconfig Kubelet",
     .generate = kubeconfig_generate,
     .what = &kubeconfig_kubelet,
     .parents = PARENTS("Install Config", "Certificate (kube-apiserver-complete-server-ca-bundle)",
                        "Certificate (kubelet-client)")},
    {.name = "Kubeconfig Admin Client (Loopback)",
     .generate = kubeconfig_generate,
     .what = &kubeconfig_loopback,
     .parents = PARENTS("Install Config", "Certificate (kube-apiserver-localhost-ca-bundle)",
                        "Certificate (admin-kubeconfig-client)")},
    {.name = "Master Ignition Config",
     .generate = pointer_generate,
     .what = "master",
     .parents = PARENTS("Install Config", "Root CA", "Provisioning Tokens"),
     FILES("master.ign")},
    {.name = "Worker Ignition Config",
     .generate = pointer_generate,
     .what = "worker",
     .parents = PARENTS("Install Config", "Root CA", "Provisioning Tokens"),
     FILES("worker.ign")},
    {.name = "Master Machines",
     .generate = role_manifests_generate,
     .what = "master",
     .parents = PARENTS("Install Config", "Master Ignition Config"),
     FILES("openshift/99_openshift-cluster-api_master-*.yaml",
           "openshift/99_openshift-machineconfig_99-master-*.yaml")},
    {.name = "Worker Machines",
     .generate = role_manifests_generate,
     .what = "worker",
     .parents = PARENTS("Install Config", "Worker Ignition Config"),
     FILES("openshift/99_openshift-cluster-api_worker-*.yaml",
           "openshift/99_openshift-machineconfig_99-worker-*.yaml")},
    {.name = "Common Manifests",
     .generate = common_manifests_generate,
     .parents = PARENTS("Install Config", "Cluster ID", "Root CA", "Certificate (machine-config-server)"),
     FILES("manifests/*")},
    {.name = "Openshift Manifests",
     .generate = openshift_manifests_generate,
     .parents = PARENTS("Install Config", "Kubeadmin Password Hash"),
     FILES("openshift/*")},
    {.name = "Bootstrap Ignition Config",
     .generate = bootstrap_generate,
     .parents = bootstrap_parents,
     FILES("bootstrap.ign")},
    {.name = "Metadata",
     .generate = metadata_generate,
     .parents = PARENTS("Install Config", "Cluster ID"),
     PUBLIC_FILES("metadata.json")},
};

const AssetTarget asset_targets[] = {
    {"install-config", PARENTS("Install Config")},
    {"manifests", PARENTS("Master Machines", "Worker Machines", "Common Manifests", "Openshift Manifests")},
    {"ignition-configs", PARENTS("Kubeconfig Admin Client", "Kubeadmin Password", "Master Ignition Config",
                                 "Worker Ignition Config", "Bootstrap Ignition Config", "Metadata")},
    {0},
};

static void bootstrap_parents_fill(void)
{
    size_t n = 0;

    while (bootstrap_parents[n])
        n++;
    for (size_t i = 0; i < certificate_rows_n && n < ASSET_PARENTS_MAX; i++)
        bootstrap_parents[n++] = certificate_rows[i].asset.name;
    for (size_t i = 0; i < bundle_rows_n && n < ASSET_PARENTS_MAX; i++)
        bootstrap_parents[n++] = bundle_rows[i].asset.name;
}

size_t asset_count(void)
{
    static bool filled;
    if (!filled) {
        filled = true;
        bootstrap_parents_fill();
    }
    return ELEMENTS(plain) + certificate_rows_n + bundle_rows_n;
}

const Asset *asset_at(size_t i)
{
    if (i < ELEMENTS(plain))
        return &plain[i];
    i -= ELEMENTS(plain);
    return i < certificate_rows_n ? &certificate_rows[i].asset : &bundle_rows[i - certificate_rows_n].asset;
}
