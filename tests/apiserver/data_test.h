#pragma once
/* For tests of functions over trees: a tree from a text, a text from a tree. */
#include "../scratch.h"

#include "format/json.h"

static inline Node *tree(Arena *a, const char *text)
{
    Source *source = ARENA_NEW(a, Source);
    Node *n = NULL;
    Report r = REPORT_INIT(a);
    *source = (Source){.name = "test", .text = text, .len = strlen(text)};
    if (json_read(a, source, SEVERITY_ERROR, &n, &r) < 0)
        fail_msg("no JSON: %s", text);
    report_done(&r);
    return n;
}

static inline const char *text_of(Arena *a, const Node *n)
{
    _cleanup_buf_ Buf b = BUF_INIT;
    json_write(n, JSON_COMPACT, &b);
    return arena_strdup(a, b.data);
}

/* The same value, in whatever order of keys. */
static inline void expect_tree(Arena *a, const Node *is, const char *wanted)
{
    if (!node_equal(is, tree(a, wanted)))
        fail_msg("is     %s\nwanted %s", text_of(a, is), wanted);
}
