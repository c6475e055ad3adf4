#pragma once
/* What stood at every target before the files stage first touched it, kept in the root until the stage is
 * done. While the file is there the root is half provisioned; the next run reads it, so that it neither takes
 * its own leavings for the admin's files nor appends a second time. */
#include "base/error.h"
#include "provision/files_plan.h"

#define FILES_JOURNAL_PATH "/etc/.ignition-files.journal" /* 0600 */

typedef struct FilesJournal {
    Arena *arena;
    bool resumed;                /* an interrupted run left it */
    Map before;                  /* real path → FilesBefore */
    Map disabled;                /* units that were enabled before, to be named in the preset */
    const char *previous_report; /* of the result file before the first run; NULL: none */
    Buf records;                 /* as in the file */
} FilesJournal;
#define FILES_JOURNAL_INIT(a) ((FilesJournal){.arena = (a)})
void files_journal_done(FilesJournal *j);
#define _cleanup_files_journal_ _cleanup_(files_journal_done)

/* No journal: 0 and `resumed` stays false. */
int files_journal_load(FilesJournal *j, int root, Error *e);
/* Adds records; what is known already stays as it is. */
void files_journal_add_plan(FilesJournal *j, const FilesPlan *p);
void files_journal_add_disabled(FilesJournal *j, const char *unit);
void files_journal_set_report(FilesJournal *j, const char *json);
/* On disk when it returns. */
int files_journal_save(const FilesJournal *j, int root, Error *e);
int files_journal_remove(int root, Error *e);
