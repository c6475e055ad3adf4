#pragma once
/* Merge as Ignition 3 has it (coreos/ignition config/merge/merge.go), by the schema tables. */
#include "ignition/config.h"

/* A new config: the parent with the child's fields over it. Both must be in the newest version. Shares
 * strings and nodes with both, so all of them must live in arenas that outlive the result. */
IgnConfig *ign_config_merge(Arena *a, const IgnConfig *parent, const IgnConfig *child);
IgnConfig *ign_config_empty(Arena *a); /* newest version, nothing set but ignition.version */
