#pragma once
/* MachineConfigs that are made out of other objects: of a KubeletConfig a pool's
 * 99-POOL-generated-kubelet with /etc/kubernetes/kubelet.conf, of a ContainerRuntimeConfig its
 * 99-POOL-generated-containerruntime with /etc/crio/crio.conf and /etc/containers/storage.conf. They change
 * the file as the pool's other configs have it, whose rest stays. Several objects for one pool are taken
 * together, the youngest last. Fields and limits: machine-config-operator
 * pkg/controller/{kubelet-config,container-runtime-config}. Pure. */
#include "fleet/config_cache.h"
#include "fleet/fleet.h"

typedef enum GeneratedKind { GENERATED_KUBELET, GENERATED_CONTAINER_RUNTIME, GENERATED_KINDS } GeneratedKind;

typedef struct GeneratedSource {
    char *name;
    GeneratedKind kind;
    Arena *arena;
    const Node *object;
    int64_t created;
    LabelSelector pools; /* of their labels */
    const char *error;   /* NULL: it can be used */
} GeneratedSource;
GeneratedSource *generated_source_new(GeneratedKind kind, const Node *object);
void generated_source_free(GeneratedSource *s);
DEFINE_CLEANUP(GeneratedSource *, generated_source_free);

/* The MachineConfig of a kind that a pool is to have: its name always, the object unless nothing asks for
 * one. `sources`: a NameList of one kind. An error tells which object does not fit. */
typedef struct GeneratedConfig {
    const char *name;
    Node *object; /* NULL: there is to be none */
} GeneratedConfig;
int generated_config_make(Arena *a, GeneratedKind kind, const FleetPool *p, const NameList *sources,
                          const NameList *cache, GeneratedConfig *ret, Error *e);
/* Is it one of ours, so that it may be removed? */
bool generated_config_is(const CachedConfig *c);
