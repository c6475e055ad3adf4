#pragma once
/* The paths of one kind in a document of openapi.h. */
#include "apiserver/openapi.h"

typedef struct OpenapiPaths {
    bool v2;
    const OpenapiKind *kind;
    const char *reference, *list_reference; /* "#/…" */
    bool builtin;                           /* takes strategic merge patches */
} OpenapiPaths;

void openapi_paths_write(Arena *a, const OpenapiPaths *p, Node *paths);
