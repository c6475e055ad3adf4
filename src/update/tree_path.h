#pragma once
/* Where a walk of a tree is, for its messages and rows: "usr/lib", "" at the top. */
#include <string.h>

#include "base/buf.h"

/* The length to go back to. */
static inline size_t tree_path_push(Buf *path, const char *name)
{
    size_t length = path->len;
    buf_addf(path, "%s%s", length > 0 ? "/" : "", name);
    return length;
}

static inline void tree_path_pop(Buf *path, size_t length)
{
    path->len = length;
    if (path->data)
        path->data[length] = '\0';
}

static inline const char *tree_path_text(const Buf *path)
{
    return path->len > 0 ? path->data : "";
}
