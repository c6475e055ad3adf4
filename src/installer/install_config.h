#pragma once
/* install-config.yaml as a C type. Which fields there are, what each may be and what it is when nobody says,
 * stands in the table of install_field.h; `basalt explain` prints the same rows. The tree behind the type has
 * deprecated fields brought up to date and every default filled in. All findings of a run are reported. */
#include "format/report.h"
#include "installer/network_range.h"

typedef struct ClusterNetwork {
    NetworkRange cidr;
    int64_t host_prefix;
} ClusterNetwork;

typedef struct MachinePool {
    const char *name, *architecture;
    int64_t replicas;
    bool hyperthreading;
} MachinePool;

typedef struct InstallConfig {
    const Node *node; /* with defaults */
    const char *name, *base_domain;
    const char *cluster_domain;                       /* name.baseDomain, without a final dot */
    const char *pull_secret, *ssh_key, *trust_bundle; /* NULL: none */
    const char *http_proxy, *https_proxy, *no_proxy;
    const char *platform; /* "none" or "baremetal" */
    const char *api_vip;  /* baremetal only */
    const char *network_type, *publish;
    ClusterNetwork *cluster_networks;
    NetworkRange *machine_networks, *service_networks;
    size_t n_cluster_networks, n_machine_networks, n_service_networks;
    MachinePool control_plane, compute; /* compute: no replicas when there is no pool */
    const Node *mirrors;                /* imageContentSources, or NULL */
    bool fips;
} InstallConfig;

/* 0, or -EINVAL with errors in the report; warnings alone do not fail. */
int install_config_read(Arena *a, const Source *source, Severity duplicate_keys, InstallConfig **ret,
                        Report *r);
