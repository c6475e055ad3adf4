#pragma once
/* patcher_apply() in a process without rights. What comes back is held against nothing but its length, as
 * there. */
#include "base/worker_host.h"
#include "format/patch.h"

typedef struct PatchApart PatchApart;
int patch_apart_new(WorkerHost *host, PatchApart **ret, Error *e);
void patch_apart_free(PatchApart *p);
DEFINE_CLEANUP(PatchApart *, patch_apart_free);
int patch_apart_apply(PatchApart *p, PatchBytes base, PatchBytes frame, void *to, size_t n, Error *e);
