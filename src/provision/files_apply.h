#pragma once
/* Makes a plan real: the one part of the files stage that changes the root. */
#include "base/error.h"
#include "provision/files_journal.h"
#include "provision/files_plan.h"
#include "provision/resource.h"

/* Called before every change, for tests that interrupt; a negative return ends the work with that code. */
typedef struct FilesHooks {
    int (*step)(void *context, const char *what);
    void *context;
} FilesHooks;

typedef struct FilesApply FilesApply;

typedef struct FilesApplyOptions {
    int root;
    Arena *arena;
    Fetcher *fetcher;
    const FilesJournal *journal;
    const FilesHooks *hooks; /* may be NULL */
} FilesApplyOptions;
FilesApply *files_apply_new(const FilesApplyOptions *options);
void files_apply_free(FilesApply *a);
DEFINE_CLEANUP(FilesApply *, files_apply_free);

/* Takes away what an interrupted run may have left under temporary names. */
int files_apply_clean(FilesApply *a, Error *e);
/* Operations from (included) to (excluded) of the plan. Stops at the first that fails; the message names the
 * path and its place in the config. */
int files_apply_run(FilesApply *a, const FilesPlan *p, size_t from, size_t to, Error *e);
/* Everything that was written is on disk when it returns. */
int files_apply_sync(FilesApply *a, Error *e);
/* A file of the stage itself, whole and synced, mode 0600. Its temporary name depends on `name` only: what an
 * interrupted run left is taken over. */
int files_apply_write(int dirfd, const char *name, const void *data, size_t n);
/* For the parts of the stage that have steps of their own. */
int files_apply_step(FilesApply *a, const char *what);
