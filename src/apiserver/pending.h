#pragma once
/* Stand-ins until managed fields are there. */
#include "apiserver/kind_table.h"

typedef struct FieldManager {
    const char *name, *subresource;
    int64_t now;
    bool force;
} FieldManager;
void managed_fields_update(Arena *a, const ApiKind *kind, const KindVersion *version, const Node *old,
                           Node *object, const FieldManager *manager);
int managed_fields_apply(Arena *a, const ApiKind *kind, const KindVersion *version, const Node *live,
                         const Node *applied, const FieldManager *manager, Node **ret, Node **ret_conflicts,
                         Error *e);
