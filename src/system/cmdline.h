#pragma once
/* The kernel's command line: split into words, looked up, edited. Two ways to split: the kernel's own, where
 * double quotes keep spaces together, and the plain one at each space that Ignition's keys are read with. */
#include <stddef.h>

#include "base/arena.h"

typedef enum CmdlineSplit { CMDLINE_QUOTED, CMDLINE_PLAIN } CmdlineSplit;

typedef struct CmdlineWords {
    const char **words; /* as written, with their quotes */
    size_t n;
} CmdlineWords;

CmdlineWords cmdline_split(Arena *a, const char *text, CmdlineSplit how);
char *cmdline_join(Arena *a, const CmdlineWords *w); /* one space between two */
/* The value of the last `key=value`; "" for the key alone; NULL when it is not there. Quotes around the word
 * or around the value are taken off in the quoted way only. */
const char *cmdline_last(Arena *a, const char *text, CmdlineSplit how, const char *key);

/* Each element is one argument, or several separated by spaces outside of quotes. */
typedef struct CmdlineEdit {
    const char *const *should_exist;
    size_t n_should_exist;
    const char *const *should_not_exist;
    size_t n_should_not_exist;
} CmdlineEdit;

/* Every occurrence of a should_not_exist argument goes, then what is missing of should_exist is added at the
 * end in its order. 1 when *ret differs from the text; else 0 and *ret is the text. */
int cmdline_edit(Arena *a, const char *text, const CmdlineEdit *edit, const char **ret);
