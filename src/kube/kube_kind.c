/* The rows of kube_kind.h, and what every object has. */
#include "kube/kube_kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MACHINE "machineconfiguration.openshift.io"

const KubeKind kube_machine_config = {MACHINE, "v1", "MachineConfig", "machineconfigs", false};
const KubeKind kube_machine_config_pool = {MACHINE, "v1", "MachineConfigPool", "machineconfigpools", false};
const KubeKind kube_kubelet_config = {MACHINE, "v1", "KubeletConfig", "kubeletconfigs", false};
const KubeKind kube_container_runtime_config = {MACHINE, "v1", "ContainerRuntimeConfig",
                                                "containerruntimeconfigs", false};
const KubeKind kube_controller_config = {MACHINE, "v1", "ControllerConfig", "controllerconfigs", false};
const KubeKind kube_node = {"", "v1", "Node", "nodes", false};
const KubeKind kube_pod = {"", "v1", "Pod", "pods", true};
const KubeKind kube_namespace = {"", "v1", "Namespace", "namespaces", false};
const KubeKind kube_config_map = {"", "v1", "ConfigMap", "configmaps", true};
const KubeKind kube_secret = {"", "v1", "Secret", "secrets", true};
const KubeKind kube_event = {"", "v1", "Event", "events", true};
const KubeKind kube_lease = {"coordination.k8s.io", "v1", "Lease", "leases", true};
const KubeKind kube_certificate_signing_request = {"certificates.k8s.io", "v1", "CertificateSigningRequest",
                                                   "certificatesigningrequests", false};
const KubeKind kube_pod_disruption_budget = {"policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets",
                                             true};
const KubeKind kube_daemon_set = {"apps", "v1", "DaemonSet", "daemonsets", true};
const KubeKind kube_custom_resource_definition = {"apiextensions.k8s.io", "v1", "CustomResourceDefinition",
                                                  "customresourcedefinitions", false};

static const KubeKind *const kinds[] = {
    &kube_machine_config,
    &kube_machine_config_pool,
    &kube_kubelet_config,
    &kube_container_runtime_config,
    &kube_controller_config,
    &kube_node,
    &kube_pod,
    &kube_namespace,
    &kube_config_map,
    &kube_secret,
    &kube_event,
    &kube_lease,
    &kube_certificate_signing_request,
    &kube_pod_disruption_budget,
    &kube_daemon_set,
    &kube_custom_resource_definition,
};

const KubeKind *kube_kind_of(const Node *object)
{
    const char *version = node_string(node_get(object, "apiVersion")),
               *kind = node_string(node_get(object, "kind"));
    char text[128];
    for (size_t i = 0; version && kind && i < ELEMENTS(kinds); i++)
        if (!strcmp(kind, kinds[i]->kind) && !strcmp(version, kube_api_version(kinds[i], text)))
            return kinds[i];
    return NULL;
}

const char *kube_api_version(const KubeKind *k, char out[128])
{
    snprintf(out, 128, "%s%s%s", k->group, *k->group ? "/" : "", k->version);
    return out;
}

static const char *metadata_string(const Node *object, const char *key)
{
    return node_string(node_get(node_get(object, "metadata"), key));
}

const char *kube_name(const Node *object)
{
    return metadata_string(object, "name");
}

const char *kube_namespace_of(const Node *object)
{
    return metadata_string(object, "namespace");
}

const char *kube_resource_version(const Node *object)
{
    return metadata_string(object, "resourceVersion");
}

uint64_t kube_revision(const Node *object)
{
    const char *text = kube_resource_version(object);
    char *end = NULL;
    uint64_t n = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    return end && !*end ? n : 0;
}

const char *kube_uid(const Node *object)
{
    return metadata_string(object, "uid");
}

int64_t kube_created(const Node *object)
{
    const char *text = metadata_string(object, "creationTimestamp");
    struct tm tm = {0};
    return text && strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) ? (int64_t)timegm(&tm) : 0;
}

const char *kube_annotation(const Node *object, const char *name)
{
    return node_string(node_get(node_get(node_get(object, "metadata"), "annotations"), name));
}

const char *kube_label(const Node *object, const char *name)
{
    return node_string(node_get(node_get(node_get(object, "metadata"), "labels"), name));
}

Node *kube_object_new(Arena *a, const KubeKind *k, const char *namespace, const char *name)
{
    char version[128];
    Node *object = node_new(a, NODE_OBJECT), *metadata = node_new(a, NODE_OBJECT);

    node_set_string(a, object, "apiVersion", kube_api_version(k, version));
    node_set_string(a, object, "kind", k->kind);
    node_set(a, object, "metadata", metadata);
    node_set_string(a, metadata, "name", name);
    node_set_string(a, metadata, "namespace", namespace);
    return object;
}
