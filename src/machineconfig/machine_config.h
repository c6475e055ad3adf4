#pragma once
/* A MachineConfig (machineconfiguration.openshift.io/v1): what a role's machines are to be. Its Ignition part
 * may be in any spec version; in hand it is always in the newest. Values point into the node tree that it was
 * read from. Fields: openshift/api machineconfiguration/v1 types. */
#include "format/report.h"
#include "ignition/config.h"

#define MACHINE_CONFIG_API        "machineconfiguration.openshift.io/v1"
#define MACHINE_CONFIG_ROLE_LABEL "machineconfiguration.openshift.io/role"
/* Set on what the controller made; decides whose osImageURL counts. */
#define MACHINE_CONFIG_GENERATED_BY "machineconfiguration.openshift.io/generated-by-controller-version"
enum { MACHINE_CONFIG_SIZE_MAX = 1572864 }; /* bytes of JSON: the limit of the API's store */

typedef struct MachineConfig {
    const Node *node;
    const char *name, *role, *generated_by;
    const Node *labels;
    IgnConfig *config;         /* newest spec; NULL: no Ignition part, or an empty one */
    IgnVersion config_version; /* as it was written */
    const char **kernel_arguments;
    size_t n_kernel_arguments;
    const char **extensions;
    size_t n_extensions;
    const char *os_image_url, *extensions_image, *kernel_type; /* NULL: not said */
    bool fips;
} MachineConfig;

/* Is this document one, by apiVersion and kind? */
bool machine_config_is(const Node *document);
/* May a MachineConfig, or a pool, be called so? Such a name is safe as the name of a file, too. */
bool machine_config_name_ok(const char *name);
/* Reads and validates one. 0, or -EINVAL with findings; *ret is then unset. Warnings name what only a first
 * boot can do, so that nobody expects it of a machine that already runs. */
int machine_config_read(Arena *a, const Node *document, MachineConfig **ret, Report *r);
/* The pool that a rendered config was made for, by its owner; NULL: it is none, or one that no cluster holds.
 */
const char *machine_config_pool_owner(const Node *document);
/* The same of a rendered one, which belongs to no role and is past advice. machine_config_read() knows those
 * that a pool owns by themselves. */
int machine_config_read_rendered(Arena *a, const Node *document, MachineConfig **ret, Report *r);
/* The whole object, as `kubectl get -o json` would show it; `config` in the newest spec. */
Node *machine_config_to_node(Arena *a, const MachineConfig *mc);
