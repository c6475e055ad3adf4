#pragma once
/* The files stage with its switches: main.c's stage, `apply` to a running or plain root, `plan`, and tests.
 */
#include "base/buf.h"
#include "provision/files_apply.h"
#include "provision/luks_files.h"
#include "provision/stage.h"

typedef struct FilesStageOptions {
    bool live;               /* no users, volumes, result file or labels: `apply` */
    bool ignore_unsupported; /* with `live`: users and groups are skipped instead of refused */
    bool keys_fragment;      /* where ssh keys go, see users.h */
    const FilesHooks *hooks; /* may be NULL */
    LuksUuid luks_uuid;
    LuksFinish luks_finish;     /* NULL: nothing */
    const char *const *covered; /* plan only, see below */
} FilesStageOptions;

/* Those of the environment (IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT). -EINVAL: a value that is no boolean. */
int stage_files_options(FilesStageOptions *ret, Error *e);
int stage_files_run_with(StageContext *c, const FilesStageOptions *o, Error *e);
/* What the stage would do below the root, line by line; conflicts are in the report. Changes nothing.
 * `covered`: paths that will be mounted on, with nothing below them as far as the plan knows; ends with NULL,
 * or is NULL. */
int stage_files_plan(const StageContext *c, const char *const *covered, Buf *out, Report *r, Error *e);
