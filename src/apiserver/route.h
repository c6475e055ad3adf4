#pragma once
/* A URL of the API taken apart: /api/v1/namespaces/NS/RESOURCE/NAME/SUBRESOURCE, /apis/GROUP/VERSION/…. */
#include "apiserver/kind_table.h"

typedef struct Route {
    const ApiKind *kind;
    const KindVersion *version;
    const char *namespace, *name, *subresource; /* NULL: none */
} Route;

/* 0; -ENOENT: no such resource. */
int route_read(Arena *a, const KindTable *t, const char *path, Route *ret);
