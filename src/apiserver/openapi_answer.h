#pragma once
/* /openapi/v2 and /openapi/v3: what clients validate and explain by. */
#include "apiserver/kind_table.h"
#include "base/buf.h"

/* Appends the document. -ENOENT. */
int openapi_answer(Arena *a, const KindTable *t, const char *path, const char *accept, Buf *out,
                   const char **ret_type);
