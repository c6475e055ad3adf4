#pragma once
/* From a difference of two configs and what a root has, to the changes of that root: what has to be written,
 * linked and removed, and what is kept aside so that it can come back. Reads the root, changes nothing. */
#include "daemon/transaction.h"
#include "daemon/unit_links.h"
#include "machineconfig/machine_config_diff.h"

/* What stood at a path before a config first had it; for a path where nothing stood an empty file says so. */
#define KEPT_DIR   "/etc/machine-config-daemon/orig"
#define KEPT_END   ".mcdorig"
#define ABSENT_DIR "/etc/machine-config-daemon/noorig"
#define ABSENT_END ".mcdnoorig"

typedef struct NodeChanges {
    Arena *arena;
    int root;
    bool keys_fragment; /* of the keys' file: see authorized_keys.h */
    RootChange *items;
    size_t n, room;
} NodeChanges;

/* All of `d`, then the record of it as the current config. */
int node_changes_make(NodeChanges *c, const MachineConfigDiff *d, Error *e);
/* What is missing to a root that has been brought to `s` before: these paths, units, and keys and password
 * where asked for. */
typedef struct NodeRepair {
    const char *const *paths;
    size_t n_paths;
    const char *const *units;
    size_t n_units;
    bool keys, password;
} NodeRepair;
int node_changes_repair(NodeChanges *c, const ManagedState *s, const NodeRepair *what, Error *e);

/* The ids behind an owner; NULL is root. */
int node_owner(Arena *a, int root, const IgnOwner *o, bool group, uint32_t *ret, Error *e);
/* The links that an enabled unit of this config has; those of Also= among them. */

int node_unit_links(Arena *a, int root, const ManagedState *s, const char *unit, UnitLinks *ret, Error *e);
