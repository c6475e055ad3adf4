#pragma once
/* What one stage of a run tells the next ones: /run/ignition/state, JSON, 0600 (it may hold key files). The
 * member names in the file are Ignition's, so that a machine can be looked at with the tools it already has.
 * Strings live in the arena that the state was loaded with; lists keep their order. */
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "ignition/config.h"

typedef struct FetchedConfig {
    const char *kind, *source; /* "base" or "user"; the provider's name or the path of a URL */
    bool referenced;           /* by another config (merge, replace) */
} FetchedConfig;

/* A key of a volume that the files stage writes: `name` of the volume (or of the file of the key repository),
 * contents as a data: URL. */
typedef struct StateKey {
    const char *name, *contents;
} StateKey;

typedef struct State {
    Arena *arena;
    FetchedConfig *fetched_configs;
    size_t n_fetched_configs;
    StateKey *luks_key_files; /* luksPersistKeyFiles */
    size_t n_luks_key_files;
    StateKey *luks_volume_key_files; /* luksPersistVolumeKeyFiles */
    size_t n_luks_volume_key_files;
    const char **notated_directories; /* made by the mount stage, relative to the root */
    size_t n_notated_directories;
    bool root_covered;             /* the mount stage put a filesystem on the root itself */
    IgnList provider_output_files; /* IgnFile: a provider wants them written in the files stage */
} State;

/* A file that is not there is an empty state. Anything else that cannot be read is a failure. */
int state_load(Arena *a, const char *path, State *ret, Error *e);
/* Whole or not at all, also through a power cut. Makes the directory (0700). */
int state_save(const State *s, const char *path, Error *e);

/* Each copies its strings into the arena of the state. */
void state_add_config(State *s, const char *kind, const char *source, bool referenced);
void state_add_directory(State *s, const char *path);
void state_add_key(State *s, const char *volume, const char *contents);
/* After the files stage wrote them: they must not outlive the initramfs. */
void state_forget_keys(State *s);
