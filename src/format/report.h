#pragma once
/* What is wrong with a user's text: every finding of a run, each with severity, JSON path, file, line and
 * column. A report is no error: the caller decides what a finding means. Entries are kept in the order they
 * are found; report_sort() puts them in the order of the text. */
#include "base/arena.h"
#include "base/buf.h"
#include "format/node.h"

typedef enum Severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_INFO } Severity;

typedef struct ReportEntry {
    Severity severity;
    const char *path;      /* "$.storage.files.1.mode", "" when the finding has no place in the tree */
    const Source *source;  /* may be NULL */
    uint32_t line, column; /* 0: unknown */
    bool at_container;     /* column is of an opening bracket: Ignition's form names the one behind it */
    const char *message;   /* one line, never a secret */
} ReportEntry;

typedef struct Report {
    Arena *arena; /* borrowed: must outlive the report */
    ReportEntry *entries;
    size_t n, size;
    size_t errors, warnings;
} Report;

#define REPORT_INIT(a)   ((Report){.arena = (a)})
#define _cleanup_report_ _cleanup_(report_done)
void report_done(Report *r);

/* A path through a tree under construction: push a key or an index, pop it again; no allocation while nothing
 * is wrong. Text is made only when a finding needs it. */
typedef struct PathStep {
    const struct PathStep *up;
    const char *key; /* NULL: index */
    size_t index;
} PathStep;
#define PATH_KEY(parent, k)   (&(PathStep){.up = (parent), .key = (k)})
#define PATH_INDEX(parent, i) (&(PathStep){.up = (parent), .index = (i)})
const char *path_text(Arena *a, const PathStep *path); /* NULL path: "$" */

/* `at` gives the position (NULL: none). */
void report_add(Report *r, Severity severity, const PathStep *path, const Node *at, const char *format, ...)
    _printf_(5, 6);
/* The same at the position of the node's key. */
void report_add_key(Report *r, Severity severity, const PathStep *path, const Node *at, const char *format,
                    ...) _printf_(5, 6);
/* At a bare position, for readers. */
void report_add_at(Report *r, Severity severity, const Source *source, uint32_t line, uint32_t column,
                   const char *format, ...) _printf_(6, 7);
void report_sort(Report *r);
/* "$.a.0: text" of the first error, for who has a line for all; in the report's arena. NULL: there is none.
 */
const char *report_first_error(const Report *r);

typedef enum ReportFormat {
    REPORT_IGNITION, /* "error at $.a.0, line 3 col 5: text": Ignition's form, no file name */
    REPORT_TEXT,     /* "file:3:5: error: $.a.0: text", then the line and a caret */
    REPORT_JSON,     /* {"entries":[{severity,path,file,line,column,message}],"errors":N,"warnings":N} */
    REPORT_SARIF     /* SARIF 2.1.0 */
} ReportFormat;
void report_write(const Report *r, ReportFormat format, Buf *out);
