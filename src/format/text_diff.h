#pragma once
/* Two texts beside each other, by lines: what goes, what comes, and a few lines around it. The shortest such
 * list, unless too much has changed; then what changed goes and comes as a whole. Pure. */
#include "base/buf.h"

enum {
    TEXT_DIFF_AROUND = 2,   /* unchanged lines that are shown beside changed ones */
    TEXT_DIFF_LINES = 200,  /* that are shown at most; how many more there are is told */
    TEXT_DIFF_COLUMNS = 200 /* bytes of one line; the rest is "…" */
};

typedef struct DiffText {
    const char *data;
    size_t len;
} DiffText;

/* Lines with "-", "+", or a space in front; "@@ N" tells the line of `to` at which a part begins. What is no
 * text (NULs, other control characters) is told by its sizes. */
void text_diff(DiffText from, DiffText to, Buf *out);
