#pragma once
/* The documents of files and directories: YAML and JSON, what a `kind: List` holds (as `kubectl get -o yaml`
 * prints it), and what a bootstrap.ign carries for the cluster. */
#include "base/error.h"
#include "format/report.h"

enum { DOCUMENT_SIZE_MAX = 16 << 20 };

typedef struct Documents {
    Report *report;     /* what cannot be read is a finding; its arena holds all that is read */
    bool lenient;       /* a key that stands twice is a warning */
    unsigned below;     /* directories are read so many levels deep below what was named */
    unsigned documents; /* so many were taken */
    void (*take)(void *context, const Node *document);
    void *context;
} Documents;

/* A file, "-", or the .yaml, .yml and .json files of a directory, by name. An error only when it cannot be
 * opened. */
int documents_take(Documents *d, const char *path, Error *e);
