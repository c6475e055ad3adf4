#pragma once
/* A ControllerConfig: what the cluster as a whole is, as far as its machines' configs depend on it, and the
 * MachineConfigs that follow from it for every role: 00-ROLE, 01-ROLE-container-runtime, 01-ROLE-kubelet. The
 * installer writes these for the bootstrap, the controller keeps them in the cluster: the same bytes. Fields:
 * machine-config-operator pkg/apis/machineconfiguration.openshift.io/v1/types.go; those that it has not:
 * imageContentSources (as in install-config.yaml) and mastersSchedulable. */
#include "machineconfig/machine_config.h"

typedef struct ControllerConfig {
    const char *cluster_dns;       /* clusterDNSIP */
    const char *kubelet_client_ca; /* kubeAPIServerServingCAData: PEM that kubelets trust clients by */
    const char *trust_bundle;      /* additionalTrustBundle: PEM; NULL: none */
    const char *http_proxy, *https_proxy, *no_proxy; /* NULL: none; no_proxy whole, with the cluster's own */
    const Node *image_content_sources;               /* [{source, mirrors[]}]; NULL: none */
    const char *os_image_url;                        /* NULL: none */
    bool masters_schedulable;
} ControllerConfig;

enum { CONTROLLER_CONFIG_ROLE = 3 };
extern const char controller_config_name[]; /* of the one that counts: "machine-config-controller" */

int controller_config_read(Arena *a, const Node *document, ControllerConfig *ret, Report *r);
Node *controller_config_to_node(Arena *a, const ControllerConfig *c);

typedef struct RoleConfig {
    const char *name; /* "01-worker-kubelet" */
    const char *text; /* YAML of the whole object */
    size_t len;
} RoleConfig;
/* What every machine of a role has, in the order of the names. */
int controller_config_role(Arena *a, const ControllerConfig *c, const char *role,
                           RoleConfig ret[CONTROLLER_CONFIG_ROLE], Error *e);
/* registries.conf, version 2. */
const char *controller_config_registries(Arena *a, const Node *image_content_sources);
/* What systemd gives to all services when there is a proxy. */
const char *controller_config_proxy_unit(Arena *a, const ControllerConfig *c, Error *e);
