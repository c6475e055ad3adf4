#pragma once
/* The bodies of PATCH, but for server-side apply (managed_fields.h). The target is never touched; the result
 * is a tree of its own in the arena. Failures: -EINVAL, the patch does not fit the object or itself (422, for
 * which a real server hides the text behind "the server rejected our request due to an error in our request"
 * and says it in a cause UnexpectedServerResponse); -EBADMSG, the body is no patch at all (400); -E2BIG,
 * larger than the named bounds (413). */
#include "base/arena.h"
#include "base/error.h"
#include "format/node.h"
#include "kube/kube.h"

enum {
    PATCH_OPERATIONS_MAX = 10000, /* as a real server */
    PATCH_VALUES_MAX = 1000000,   /* nodes that copy operations may add in all */
    PATCH_LIST_MAX = 4096,        /* items of a list that is merged item by item */
    PATCH_WORK_MAX = 300000000,   /* members walked over: about a second */
    PATCH_DEPTH_MAX = 512,        /* of what is made */
};

int object_patch_merge(Arena *a, const Node *target, const Node *patch, Node **ret, Error *e); /* RFC 7386 */
int object_patch_json(Arena *a, const Node *target, const Node *patch, Node **ret, Error *e);  /* RFC 6902 */
/* Of built-in kinds only: others are -EOPNOTSUPP (415). Merge keys: builtin_type.h. */
int object_patch_strategic(Arena *a, const KubeKind *kind, const Node *target, const Node *patch, Node **ret,
                           Error *e);
