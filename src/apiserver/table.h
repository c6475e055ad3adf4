#pragma once
/* Lists as kubectl asks for them: Table of meta.k8s.io/v1, with the columns that a real server prints. */
#include "base/arena.h"
#include "base/error.h"
#include "format/report.h"
#include "kube/kube.h"

typedef struct TableColumns TableColumns;

/* Of a kind that is no CRD; kinds without columns of their own get Name and Created At. */
const TableColumns *table_columns_builtin(const KubeKind *kind);
/* Of a version of a CRD: its additionalPrinterColumns, NULL: Name and Age. Findings are field errors at
 * spec.additionalPrinterColumns. */
int table_columns_read(Arena *a, const Node *additional_printer_columns, TableColumns **ret, Report *r);

/* What a row has besides its cells; as includeObject=. */
typedef enum TableObjects {
    TABLE_METADATA, /* PartialObjectMetadata: when nothing was asked for */
    TABLE_OBJECT,
    TABLE_NONE,
} TableObjects;

/* `now` in seconds since 1970. The table borrows from the list. */
Node *table_make(Arena *a, const TableColumns *columns, const Node *list_or_object, int64_t now,
                 TableObjects objects);
