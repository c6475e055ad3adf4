/* No field is recorded yet; an apply is a merge. */
#include "apiserver/pending.h"

#include "apiserver/object_patch.h"

void managed_fields_update(Arena *a, const ApiKind *kind, const KindVersion *version, const Node *old,
                           Node *object, const FieldManager *manager)
{
    (void)a, (void)kind, (void)version, (void)old, (void)object, (void)manager;
}

int managed_fields_apply(Arena *a, const ApiKind *kind, const KindVersion *version, const Node *live,
                         const Node *applied, const FieldManager *manager, Node **ret, Node **ret_conflicts,
                         Error *e)
{
    (void)version, (void)manager, (void)ret_conflicts;
    if (!live) {
        *ret = node_copy(a, applied);
        return 0;
    }
    return kind->custom ? object_patch_merge(a, live, applied, ret, e)
                        : object_patch_strategic(a, &kind->kube, live, applied, ret, e);
}
