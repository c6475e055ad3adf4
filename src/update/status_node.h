#pragma once
/* A system's deployments as JSON, with the names that `rpm-ostree status --json` gives them (src/app/
 * rpmostree-builtin-status.cxx), for what reads those. */
#include "update/program.h"
#include "update/update_seen.h"

/* What a commit's metadata say; NULL: nothing. `key` such as "ostree.manifest-digest". */
const char *commit_text(Arena *a, int repo, const char *checksum, const char *key);
Node *deployment_node(Arena *a, const Session *s, const Deployment *d);
Node *status_node(Arena *a, const Session *s);
/* 1: what `upgrade --check` saw last is still news. */
int status_update(Arena *a, const Session *s, UpdateSeen *ret);
