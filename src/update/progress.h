#pragma once
/* How far an import is, on stderr: one line that is written over on a terminal, else a line every ten
 * seconds and one at the end. For one import at a time. */
#include "update/image_import.h"

typedef struct Progress {
    int64_t started, shown; /* ms; 0: not yet */
    bool terminal, quiet, open;
} Progress;

void progress_begin(Progress *p, bool quiet);
void progress_show(void *progress, const ImportProgress *now); /* as ImportOptions.progress */
void progress_end(Progress *p);                                /* the line is ended */
void bytes_text(uint64_t n, char out[16]);                     /* "63.4 MB" */
