#pragma once
/* Everything that the server answers from, in one piece of memory: the files are read by a process that does
 * not listen, and handed to the one that does not read. As JSON:
 * {"certificate","key","kubeconfig","tokens":[…], "pools":{NAME: MachineConfig}, "more":{NAME:
 * MachineConfig}}. `more` is what only new machines get: never part of the pool's config, which every node
 * may read. */
#include "base/arena.h"
#include "base/error.h"
#include "format/node.h"

typedef struct SnapshotPaths {
    const char *base; /* machine-pools/, machine-configs/, machine-more/ (may be missing) */
    const char *certificate, *key, *kubeconfig, *tokens;
} SnapshotPaths;

/* Reads all of it; nothing half. The Error names the file. `pools`: those of a cluster's API, instead of the
 * files'; NULL: the files'. */
int snapshot_read(Arena *a, const SnapshotPaths *paths, Node *pools, Node **ret, Error *e);
/* A number that changes when one of the files does (times, sizes, inodes). */
uint64_t snapshot_mark(const SnapshotPaths *paths);
