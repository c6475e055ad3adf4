#pragma once
/* A MachineConfigPool: which MachineConfigs make up its config, which nodes it has. */
#include "machineconfig/label_selector.h"

typedef struct MachineConfigPool {
    const Node *node; /* NULL: not declared, the role of the same name is meant */
    const char *name;
    LabelSelector machine_config_selector, node_selector;
    bool paused;
    const char *max_unavailable; /* as written: a number or "10%"; NULL: 1 */
} MachineConfigPool;

bool machine_config_pool_is(const Node *document);
int machine_config_pool_read(Arena *a, const Node *document, MachineConfigPool **ret, Report *r);
/* The pool that takes the MachineConfigs whose role is its name. */
MachineConfigPool *machine_config_pool_of_role(Arena *a, const char *role);
/* The object that a machine config server in bootstrap mode looks up: status.configuration names `rendered`.
 */
Node *machine_config_pool_to_node(Arena *a, const MachineConfigPool *p, const char *rendered);
