#pragma once
/* A MachineConfig as what it puts on the disk of a machine: one list of files and links, by path, whatever
 * they were declared as (files, units, drop-ins, masks), so that planning, applying, verifying and watching
 * all mean the same. Beside it what is no file: which units are enabled, the account `core`. */
#include "machineconfig/machine_config.h"

#define MANAGED_UNITS_DIR "/etc/systemd/system"
#define MANAGED_CORE_USER "core"
enum { MANAGED_SIZE_MAX = 16 << 20 }; /* bytes of one file, inflated */

typedef enum ManagedKind { MANAGED_FILE, MANAGED_UNIT, MANAGED_DROPIN, MANAGED_MASK } ManagedKind;

typedef struct ManagedPath {
    ManagedKind kind;
    const char *path;
    const char *unit; /* of UNIT, DROPIN and MASK */
    const char *data; /* of all but MASK, which is a link to /dev/null */
    size_t len;
    unsigned mode;
    const IgnOwner *user, *group; /* NULL: root */
    const Node *at;               /* where it was declared */
    const char *declared;         /* "spec.config.storage.files.3", for findings */
    const char *problem; /* why a running machine cannot be given it; data is then NULL. NULL: it can */
} ManagedPath;

/* Enablement that is declared; a unit without it is left as it is. */
typedef struct ManagedUnit {
    const char *name;
    bool enabled;
    const char *contents; /* as declared; NULL: the unit is the system's */
    const Node *at;
} ManagedUnit;

typedef struct ManagedState {
    ManagedPath *paths; /* sorted by path; of entries for one path the last one */
    size_t n;
    ManagedUnit *units; /* sorted by name */
    size_t n_units;
    const char *const *keys; /* of core */
    size_t n_keys;
    const char *password_hash; /* of core; NULL: not said */
} ManagedState;

/* `config` may be NULL: nothing. What a running machine cannot be given (contents that are not in the config,
 * damaged ones, what is appended) is in the list with its problem: a first boot may have made it. */
ManagedState *managed_state_read(Arena *a, const IgnConfig *config);
/* NULL: none. */
const ManagedPath *managed_path_find(const ManagedState *s, const char *path);
const ManagedUnit *managed_unit_find(const ManagedState *s, const char *name);
/* The same on the disk, wherever each was declared. */
bool managed_path_equal(const ManagedPath *x, const ManagedPath *y);
/* By its name, or because not everybody may read it: what it says is never shown. */
bool managed_path_is_secret(const ManagedPath *m);
