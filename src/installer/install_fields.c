/* The table. The order is that of a written install config. A default is JSON, so that lists and objects need
 * no code of their own; help texts are what `basalt explain installconfig.…` prints. */
#include "installer/install_field.h"

#define FIELD(p, k, h, ...)                                                                                  \
    {                                                                                                        \
        .path = (p), .kind = (k), .help = (h), __VA_ARGS__                                                   \
    }

/* The rows of a machine pool, which stands in two places. */
#define POOL(prefix, names, architectures)                                                                   \
    FIELD(prefix ".name", FIELD_STRING, "Name of the pool: its role.", .choices = names,                     \
          .otherwise = "\"" names "\""),                                                                     \
        FIELD(prefix ".replicas", FIELD_INT,                                                                 \
              "How many machines are expected. Basalt does not make them on platform none; 0 workers make "  \
              "the control plane schedulable.",                                                              \
              .otherwise = "3"),                                                                             \
        FIELD(prefix ".hyperthreading", FIELD_STRING,                                                        \
              "Disabled boots the pool's machines with the kernel argument nosmt.",                          \
              .otherwise = "\"Enabled\"", .choices = "Enabled Disabled"),                                    \
        FIELD(prefix ".architecture", FIELD_STRING, "Processor architecture of the pool's machines.",        \
              .otherwise = "\"amd64\"", .choices = architectures),                                           \
        FIELD(prefix ".platform", FIELD_ANY, "Nothing to be said here on the supported platforms.")

const InstallField install_fields[] = {
    FIELD("apiVersion", FIELD_STRING,
          "Version of this file's format: v1. v1beta3 and v1beta4 are brought up to date.",
          .required = "no version was provided"),
    FIELD("metadata", FIELD_OBJECT, "Names the cluster.", .required = "metadata is required"),
    FIELD("metadata.name", FIELD_STRING,
          "Name of the cluster: a DNS-1123 subdomain of at most 54 characters. With baseDomain it makes the "
          "cluster's domain.",
          .required = "cluster name required", .check = check_cluster_name),
    FIELD("metadata.creationTimestamp", FIELD_ANY, "Written by tools; it means nothing here."),
    FIELD("baseDomain", FIELD_STRING,
          "Domain below which the cluster's names stand: api.NAME.BASEDOMAIN and api-int.NAME.BASEDOMAIN.",
          .required = "base domain required", .check = check_domain),
    FIELD("sshKey", FIELD_STRING,
          "Public keys, in authorized_keys format, that may log in as core on every machine.",
          .check = check_ssh_keys),
    FIELD(
        "pullSecret", FIELD_STRING,
        "Credentials for image registries, as JSON: {\"auths\":{HOST:{\"auth\":BASE64}}}. Needed only when a "
        "registry asks for them.",
        .check = check_pull_secret, .secret = true),
    FIELD("additionalTrustBundle", FIELD_STRING,
          "PEM certificates that every machine trusts, such as that of a proxy or of a mirror registry.",
          .check = check_trust_bundle),
    FIELD("platform", FIELD_OBJECT, "Where the machines are. Exactly one of the fields below."),
    FIELD("platform.none", FIELD_OBJECT, "Machines that you provide, found by DNS names that you provide."),
    FIELD("platform.baremetal", FIELD_OBJECT,
          "Machines that you provide, found by a virtual address: no DNS needed."),
    FIELD("platform.baremetal.apiVIP", FIELD_STRING,
          "The address of the API and of the machine config server; inside a machine network.",
          .required = "an API address is required", .check = check_ip),
    FIELD("platform.baremetal.ingressVIP", FIELD_STRING,
          "The address of ingress, carried into the manifests; inside a machine network.", .check = check_ip),
    FIELD("networking", FIELD_OBJECT, "The cluster's networks.", .otherwise = "{}"),
    FIELD("networking.networkType", FIELD_STRING, "Network plugin, carried into the manifests.",
          .otherwise = "\"OpenShiftSDN\""),
    FIELD("networking.machineNetwork", FIELD_OBJECTS, "Networks that the machines are in.",
          .otherwise = "[{\"cidr\":\"10.0.0.0/16\"}]"),
    FIELD("networking.machineNetwork[].cidr", FIELD_STRING, "The network, as ADDRESS/PREFIX.",
          .required = "a CIDR is required", .check = check_cidr),
    FIELD("networking.clusterNetwork", FIELD_OBJECTS, "Networks that pods get their addresses from.",
          .otherwise = "[{\"cidr\":\"10.128.0.0/14\",\"hostPrefix\":23}]"),
    FIELD("networking.clusterNetwork[].cidr", FIELD_STRING, "The network, as ADDRESS/PREFIX.",
          .required = "a CIDR is required", .check = check_cidr),
    FIELD("networking.clusterNetwork[].hostPrefix", FIELD_INT,
          "Prefix length of the part that each node gets.", .otherwise = "23"),
    FIELD("networking.clusterNetwork[].hostSubnetLength", FIELD_INT, "Bits of each node's part.",
          .instead = "hostPrefix"),
    FIELD("networking.serviceNetwork", FIELD_STRINGS,
          "The network of service addresses; two, one of each kind, for IPv4 and IPv6 together.",
          .otherwise = "[\"172.30.0.0/16\"]", .check = check_cidr),
    FIELD("networking.machineCIDR", FIELD_STRING, "The machines' network.", .instead = "machineNetwork",
          .check = check_cidr),
    FIELD("networking.serviceCIDR", FIELD_STRING, "The services' network.", .instead = "serviceNetwork",
          .check = check_cidr),
    FIELD("networking.clusterNetworks", FIELD_OBJECTS, "The pods' networks.", .instead = "clusterNetwork"),
    FIELD("networking.type", FIELD_STRING, "The network plugin.", .instead = "networkType"),
    FIELD("controlPlane", FIELD_OBJECT, "The machines of the control plane.", .otherwise = "{}"),
    POOL("controlPlane", "master", "amd64 arm64 ppc64le s390x"),
    FIELD("compute", FIELD_OBJECTS, "The other machines: at most one pool, named worker.",
          .otherwise = "[{\"name\":\"worker\"}]"),
    POOL("compute[]", "worker", "amd64 arm64 ppc64le s390x"),
    FIELD("proxy", FIELD_OBJECT, "Proxies for HTTP and HTTPS; at least one of the two."),
    FIELD("proxy.httpProxy", FIELD_STRING, "URL of the proxy for HTTP.", .check = check_uri, .secret = true),
    FIELD("proxy.httpsProxy", FIELD_STRING, "URL of the proxy for HTTPS.", .check = check_uri,
          .secret = true),
    FIELD("proxy.noProxy", FIELD_STRING,
          "Domains and networks, separated by commas, that no proxy is used for."),
    FIELD("imageContentSources", FIELD_OBJECTS, "Registries to take images from in place of others."),
    FIELD("imageContentSources[].source", FIELD_STRING, "The repository that images name.",
          .required = "a source is required", .check = check_repository),
    FIELD("imageContentSources[].mirrors", FIELD_STRINGS, "Where to look first, in this order.",
          .check = check_repository),
    FIELD("imageDigestSources", FIELD_OBJECTS, "The newer name of imageContentSources."),
    FIELD("publish", FIELD_STRING, "Who is meant to reach the cluster's API, carried into the manifests.",
          .otherwise = "\"External\"", .choices = "External Internal"),
    FIELD("fips", FIELD_BOOL, "Boots every machine with fips=1. Can only be decided before the first boot.",
          .otherwise = "false"),
    {0},
};
