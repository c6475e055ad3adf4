#pragma once
/* The kinds of objects that Basalt's programs ask an API for, a row each, and the parts that all objects
 * have. */
#include "kube/kube.h"

extern const KubeKind kube_machine_config, kube_machine_config_pool, kube_kubelet_config,
    kube_container_runtime_config, kube_controller_config, kube_node, kube_pod, kube_namespace,
    kube_config_map, kube_secret, kube_event, kube_lease, kube_certificate_signing_request,
    kube_pod_disruption_budget, kube_daemon_set, kube_custom_resource_definition;

/* NULL: none of those. */
const KubeKind *kube_kind_of(const Node *object);

const char *kube_api_version(const KubeKind *k,
                             char out[128]); /* "v1", "machineconfiguration.openshift.io/v1" */

/* Of any object; NULL when it is missing. */
const char *kube_name(const Node *object);
const char *kube_namespace_of(const Node *object);
const char *kube_resource_version(const Node *object);
/* The resourceVersion in the order of changes, as etcd and the embedded API count; 0: it is no number. */
uint64_t kube_revision(const Node *object);
const char *kube_uid(const Node *object);
int64_t kube_created(const Node *object); /* seconds since 1970; 0: not said */
const char *kube_annotation(const Node *object, const char *name);
const char *kube_label(const Node *object, const char *name);
/* apiVersion, kind and metadata.name (and namespace, unless NULL), to be filled. */
Node *kube_object_new(Arena *a, const KubeKind *k, const char *namespace, const char *name);
