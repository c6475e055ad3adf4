#pragma once
/* Objects out of YAML, and the caches that they go into. */
#include "fleet/config_cache.h"
#include "fleet/fleet.h"
#include "format/yaml.h"
#include "kube/kube_kind.h"
#include "machineconfig/controller_config.h"

static inline Node *object_of(Arena *a, const char *text)
{
    Source *source = ARENA_NEW(a, Source);
    _cleanup_report_ Report r = REPORT_INIT(a);
    Node *n = NULL;
    *source = (Source){.name = "object.yaml", .text = arena_strdup(a, text), .len = strlen(text)};
    if (yaml_read(a, source, SEVERITY_ERROR, &n, &r) < 0)
        fail_msg("%s: %s", text, report_first_error(&r));
    return n;
}

static inline const CachedConfig *cache_config(Arena *a, NameList *cache, const char *text)
{
    CachedConfig *c = cached_config_new(object_of(a, text));
    cached_config_free(name_list_put(cache, c));
    return c;
}

/* What every machine of a role has. */
static inline void cache_role(Arena *a, NameList *cache, const char *role)
{
    ControllerConfig c = {.cluster_dns = "172.30.0.10", .kubelet_client_ca = "CA\n"};
    RoleConfig configs[CONTROLLER_CONFIG_ROLE];
    assert_int_equal(controller_config_role(a, &c, role, configs, NULL), 0);
    for (size_t i = 0; i < CONTROLLER_CONFIG_ROLE; i++)
        cache_config(a, cache, configs[i].text);
}

static inline FleetPool *pool_of(Arena *a, Fleet *f, const char *name, const char *labels)
{
    return fleet_pool_seen(
        f, object_of(a, arena_printf(a,
                                     "metadata: {name: %s, uid: u-%s, labels: {%s}}\n"
                                     "spec:\n"
                                     "  machineConfigSelector:\n"
                                     "    matchExpressions:\n"
                                     "    - {key: machineconfiguration.openshift.io/role, operator: In,\n"
                                     "       values: [worker, %s]}\n"
                                     "  nodeSelector: {matchLabels: {node-role.kubernetes.io/%s: ''}}\n",
                                     name, name, labels, name, name)));
}
