#pragma once
/* What the server has, as clients ask before anything else: /api, /apis and below, down to a version of a
 * group. */
#include "apiserver/kind_table.h"

/* NULL: there is no such group or version. `path` without the leading slash, "apis/apps/v1". */
Node *discovery_answer(Arena *a, const KindTable *t, const char *path);
Node *discovery_version(Arena *a);
