/* The rows, signers before what they sign. Two lifetimes matter to people: what has 24 hours is what a node
 * needs to join, so a set of configs is good for half a day; the rest lives as long as the cluster may. */
#include "installer/certificate_table.h"

enum { HOUR = 3600, DAY = 24 * HOUR };
#define YEAR (365UL * DAY)
#define BOTH (CERTIFICATE_SERVER | CERTIFICATE_CLIENT)

#define PARENTS(...)                                                                                         \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }
#define ASSET(title, ...)                                                                                    \
    .asset = {.name = (title),                                                                               \
              .generate = certificate_generate,                                                              \
              .validity = certificate_asset_validity,                                                        \
              __VA_ARGS__}
#define NAMED(f) "Certificate (" f ")"

/* A certificate that signs itself and others. */
#define SIGNER(f, ou, seconds)                                                                               \
    {                                                                                                        \
        ASSET(NAMED(f)), .file = f, .common_name = f, .unit = (ou), .life = (seconds), .use = CERTIFICATE_CA \
    }
/* A leaf: file, signer, common name, organization, lifetime. */
#define LEAF(f, signer, cn, o, seconds, ...)                                                                 \
    {                                                                                                        \
        ASSET(NAMED(f), .parents = PARENTS(NAMED(signer))), .file = f, .common_name = cn, .organization = o, \
                                                            .life = (seconds), .signed_by = true,            \
                                                            __VA_ARGS__                                      \
    }
/* A leaf for a server, whose names the install config knows. */
#define SERVER(f, signer, cn, o, sans, seconds, ...)                                                         \
    {                                                                                                        \
        ASSET(NAMED(f), .parents = PARENTS(signer, "Install Config")),                                       \
            .file = f, .common_name = cn, .organization = o, .names = (sans), .life = (seconds),             \
            .signed_by = true, __VA_ARGS__                                                                   \
    }

#define API_CN        "system:kube-apiserver"
#define API_O         "kube-master"
#define BOOTSTRAPPERS "system:serviceaccounts:openshift-machine-config-operator"
#define SERVICE_NAMES                                                                                        \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,"                                      \
    "DNS:kubernetes.default.svc.cluster.local,DNS:openshift,DNS:openshift.default,"                          \
    "DNS:openshift.default.svc,DNS:openshift.default.svc.cluster.local,IP:@SERVICE@"

const CertificateRow certificate_rows[] = {
    {ASSET("Root CA"), .file = "root-ca", .common_name = "root-ca", .unit = "openshift", .life = 10 * YEAR,
     .use = CERTIFICATE_CA},
    SERVER("machine-config-server", "Root CA", "api-int.@DOMAIN@", NULL, "DNS:api-int.@DOMAIN@", 10 * YEAR,
           .use = CERTIFICATE_SERVER | CERTIFICATE_NO_KEY_USAGE, .at_vip = true),
    {ASSET(NAMED("journal-gatewayd"), .parents = PARENTS("Root CA")), .file = "journal-gatewayd",
     .common_name = "journal-gatewayd", .organization = "OpenShift Bootstrap", .life = 10 * YEAR,
     .signed_by = true, .use = BOTH},

    SIGNER("admin-kubeconfig-signer", "openshift", 10 * YEAR),
    LEAF("admin-kubeconfig-client", "admin-kubeconfig-signer", "system:admin", "system:masters", 10 * YEAR,
         .use = BOTH),
    SIGNER("kubelet-bootstrap-kubeconfig-signer", "openshift", 10 * YEAR),
    LEAF("kubelet-client", "kubelet-bootstrap-kubeconfig-signer",
         "system:serviceaccount:openshift-machine-config-operator:node-bootstrapper", BOOTSTRAPPERS, DAY,
         .use = CERTIFICATE_CLIENT),
    SIGNER("kubelet-signer", "openshift", DAY),

    SIGNER("kube-apiserver-lb-signer", "openshift", 10 * YEAR),
    SERVER("kube-apiserver-lb-server", NAMED("kube-apiserver-lb-signer"), API_CN, API_O, "DNS:api.@DOMAIN@",
           DAY, .use = CERTIFICATE_SERVER, .chained = true, .at_vip = true),
    SERVER("kube-apiserver-internal-lb-server", NAMED("kube-apiserver-lb-signer"), API_CN, API_O,
           "DNS:api-int.@DOMAIN@", DAY, .use = CERTIFICATE_SERVER, .chained = true, .at_vip = true),
    /* The embedded API has one certificate, for all the names that it is asked by. */
    SERVER("basalt-apiserver", NAMED("kube-apiserver-lb-signer"), API_CN, API_O,
           "DNS:api-int.@DOMAIN@,DNS:api.@DOMAIN@,DNS:localhost,IP:127.0.0.1,IP:::1", DAY,
           .use = CERTIFICATE_SERVER, .chained = true, .at_vip = true),
    SIGNER("kube-apiserver-localhost-signer", "openshift", 10 * YEAR),
    LEAF("kube-apiserver-localhost-server", "kube-apiserver-localhost-signer", API_CN, API_O, DAY,
         .use = CERTIFICATE_SERVER, .chained = true, .names = "DNS:localhost,IP:127.0.0.1,IP:::1"),
    SIGNER("kube-apiserver-service-network-signer", "openshift", 10 * YEAR),
    SERVER("kube-apiserver-service-network-server", NAMED("kube-apiserver-service-network-signer"), API_CN,
           API_O, SERVICE_NAMES, DAY, .use = CERTIFICATE_SERVER, .chained = true),
    SIGNER("kube-apiserver-to-kubelet-signer", "openshift", YEAR),
    LEAF("kube-apiserver-to-kubelet-client", "kube-apiserver-to-kubelet-signer", API_CN, API_O, YEAR,
         .use = CERTIFICATE_CLIENT),

    SIGNER("kube-control-plane-signer", "openshift", YEAR),
    LEAF("kube-control-plane-kube-controller-manager-client", "kube-control-plane-signer", "system:admin",
         "system:masters", YEAR, .use = CERTIFICATE_CLIENT),
    LEAF("kube-control-plane-kube-scheduler-client", "kube-control-plane-signer", "system:admin",
         "system:masters", YEAR, .use = CERTIFICATE_CLIENT),

    SIGNER("aggregator-signer", "openshift", DAY),
    LEAF("aggregator-client", "aggregator-signer", "system:kube-apiserver-proxy", API_O, DAY,
         .use = CERTIFICATE_CLIENT),
    {ASSET(NAMED("aggregator-ca")), .file = "aggregator-ca", .common_name = "aggregator", .unit = "bootkube",
     .life = DAY, .use = CERTIFICATE_CA},
    LEAF("apiserver-proxy", "aggregator-ca", "system:kube-apiserver-proxy", API_O, DAY,
         .use = CERTIFICATE_CLIENT),

    SIGNER("etcd-signer", "openshift", 10 * YEAR),
    LEAF("etcd-client", "etcd-signer", "etcd", NULL, 10 * YEAR, .use = CERTIFICATE_CLIENT, .unit = "etcd"),
    SIGNER("etcd-metric-signer", "openshift", 10 * YEAR),
    LEAF("etcd-metric-signer-client", "etcd-metric-signer", "etcd-metric", NULL, 10 * YEAR,
         .use = CERTIFICATE_CLIENT, .unit = "etcd-metric"),
};
const size_t certificate_rows_n = ELEMENTS(certificate_rows);

#define BUNDLE(f, ...)                                                                                       \
    {                                                                                                        \
        .asset = {.name = NAMED(f), .generate = bundle_generate, .parents = PARENTS(__VA_ARGS__)}, .file = f \
    }

const BundleRow bundle_rows[] = {
    BUNDLE("admin-kubeconfig-ca-bundle", NAMED("admin-kubeconfig-signer")),
    BUNDLE("kubelet-bootstrap-kubeconfig-ca-bundle", NAMED("kubelet-bootstrap-kubeconfig-signer")),
    BUNDLE("kubelet-client-ca-bundle", NAMED("kubelet-signer")),
    BUNDLE("kubelet-serving-ca-bundle", NAMED("kubelet-signer")),
    BUNDLE("kube-apiserver-lb-ca-bundle", NAMED("kube-apiserver-lb-signer")),
    BUNDLE("kube-apiserver-localhost-ca-bundle", NAMED("kube-apiserver-localhost-signer")),
    BUNDLE("kube-apiserver-service-network-ca-bundle", NAMED("kube-apiserver-service-network-signer")),
    BUNDLE("kube-apiserver-complete-server-ca-bundle", NAMED("kube-apiserver-localhost-ca-bundle"),
           NAMED("kube-apiserver-service-network-ca-bundle"), NAMED("kube-apiserver-lb-ca-bundle")),
    BUNDLE("kube-apiserver-to-kubelet-ca-bundle", NAMED("kube-apiserver-to-kubelet-signer")),
    BUNDLE("kube-control-plane-ca-bundle", NAMED("kube-control-plane-signer"),
           NAMED("kube-apiserver-lb-signer"), NAMED("kube-apiserver-localhost-signer"),
           NAMED("kube-apiserver-service-network-signer")),
    BUNDLE("kube-apiserver-complete-client-ca-bundle", NAMED("admin-kubeconfig-ca-bundle"),
           NAMED("kubelet-client-ca-bundle"), NAMED("kube-control-plane-ca-bundle"),
           NAMED("kube-apiserver-to-kubelet-ca-bundle"), NAMED("kubelet-bootstrap-kubeconfig-ca-bundle")),
    BUNDLE("aggregator-ca-bundle", NAMED("aggregator-signer")),
    BUNDLE("etcd-ca-bundle", NAMED("etcd-signer")),
    BUNDLE("etcd-metric-ca-bundle", NAMED("etcd-metric-signer")),
};
const size_t bundle_rows_n = ELEMENTS(bundle_rows);
