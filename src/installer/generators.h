#pragma once
/* The generators of asset_table.c's rows that are not certificates. */
#include "format/template.h"
#include "installer/asset_store.h"
#include "machineconfig/controller_config.h"

typedef int Generate(AssetStore *s, const Asset *asset, AssetValue *ret, Error *e);

Generate install_config_generate; /* from options, or by asking when a person is there */
Generate cluster_id_generate;
Generate metadata_generate;
Generate password_generate;
Generate password_hash_generate;
Generate tokens_generate;
Generate kubeconfig_generate; /* asset->what: a KubeconfigRow */
Generate pointer_generate;    /* asset->what: the role */
Generate common_manifests_generate;
Generate openshift_manifests_generate;
Generate role_manifests_generate; /* asset->what: the role */
Generate bootstrap_generate;

int tokens_validity(AssetStore *s, const AssetValue *v, time_t *ret_from, time_t *ret_until, Error *e);

typedef struct KubeconfigRow {
    const char *path, *user;
    const char *server_host;     /* "" before the domain: "api." or "api-int."; a whole host otherwise */
    bool of_cluster;             /* server_host is such a prefix */
    const char *bundle, *client; /* file names below tls/ */
    const char *bundle_asset, *client_asset;
} KubeconfigRow;
extern const KubeconfigRow kubeconfig_admin, kubeconfig_internal, kubeconfig_kubelet, kubeconfig_loopback;

extern const TemplateFile installer_templates[]; /* src/installer/templates/ */
/* The values that templates have from the install config alone. */
int config_values(AssetStore *s, TemplateValues *ret, Error *e);
/* What the cluster's machines have to know of it. */
int config_cluster(AssetStore *s, ControllerConfig *ret, Error *e);
/* A template's text, as a file of the asset. */
int asset_value_render(AssetStore *s, AssetValue *v, const char *path, const TemplateValues *values,
                       const char *template, Error *e);
/* The public keys of the install config as a JSON list; NULL: none. */
const Node *config_ssh_keys(Arena *a, const InstallConfig *c);
