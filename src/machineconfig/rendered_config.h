#pragma once
/* What a pool's machines are to be: its MachineConfigs merged into one object, by one rule everywhere
 * (bootstrap, cluster, `basalt render`), so that the same inputs give the same bytes and the same name.
 * Order: MachineConfigs whose role is worker first, then the others, each by name in byte order; the later
 * one wins, per path, unit, drop-in and user. Kernel arguments and extensions are concatenated in that order,
 * repeats kept; FIPS when any says so; the last kernel type that is not the default; the last osImageURL that
 * a user wrote over the default. Rule: openshift/machine-config-operator pkg/controller/common/helpers.go
 * (MergeMachineConfigs); the differences are in docs/machine-configs.md. */
#include "machineconfig/machine_config.h"
#include "machineconfig/machine_config_pool.h"

typedef struct RenderInput {
    const MachineConfigPool *pool;
    MachineConfig *const *configs; /* all there are; the pool's selector picks */
    size_t n_configs;
    const char *os_image_url;       /* the default, or NULL */
    const char *controller_version; /* for the annotation; NULL: this program's */
} RenderInput;

typedef struct RenderedConfig {
    const char *name;              /* "rendered-<pool>-<32 hex digits>" */
    MachineConfig merged;          /* named so */
    Node *node;                    /* the object as it is stored and served */
    const MachineConfig **sources; /* in the order in which they were merged */
    size_t n_sources;
} RenderedConfig;

/* -ENOENT when the selector picks nothing, -EINVAL when the merged config is not valid or too large; both
 * with a finding. The result shares memory with the inputs. */
int rendered_config_make(Arena *a, const RenderInput *input, RenderedConfig **ret, Report *r);

/* Who says what about one thing: a path, a unit ("x.service"), a drop-in ("x.service/10-y.conf") or a user
 * ("user:core"). Sources in merge order; the last one wins where they differ. Returns how many there are. */
size_t rendered_config_explain(Arena *a, const RenderedConfig *rc, const char *what,
                               const MachineConfig ***ret, const Node ***ret_at);
