#pragma once
/* Who owns which fields of an object: metadata.managedFields, kept up to date with each write, and
 * server-side apply. One entry per manager, operation, version and subresource; sets of all versions are read
 * alike. */
#include "apiserver/crd_schema.h"
#include "kube/kube.h"

enum {
    MANAGED_UPDATERS_MAX = 10, /* entries of operation Update; older ones become "ancient-changes" */
    MANAGED_ENTRIES_MAX = 1000,
};

typedef struct FieldManager {
    const KubeKind *kind;
    const CrdSchema *schema; /* of a CRD's version; NULL: built in, or without one */
    const char *manager;     /* fieldManager=; "" or NULL: "unknown" */
    const char *subresource; /* NULL: the object itself */
    int64_t now;             /* seconds since 1970 */
    bool force;              /* of apply */
} FieldManager;

/* CREATE, UPDATE and other patches: `object` is what will be stored, `live` what is (NULL: CREATE). Sets
 * object's managedFields. An object without any gets none by an update; [] or [{}] in `object` takes them
 * away. Never fails: what is no set counts as none. */
void managed_fields_update(Arena *a, const FieldManager *m, const Node *live, Node *object);

/* Server-side apply: *ret is the object to be stored, with managedFields, before defaults and validation.
 * `live` NULL: it is created. -ESTALE: fields belong to others; *ret_status is the Status (409) with a cause
 * FieldManagerConflict each. -EINVAL: `applied` does not fit (400). */
int managed_fields_apply(Arena *a, const FieldManager *m, const Node *live, const Node *applied, Node **ret,
                         Node **ret_status, Error *e);
/* The same but for the times: then nothing need be stored. */
bool managed_fields_same(const Node *before, const Node *after);
