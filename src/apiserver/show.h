#pragma once
/* An object as a request wants to see it: in a version of its kind, as a row of a table. */
#include "apiserver/watch.h"

bool show_as_stored(const ApiKind *k, const KindVersion *v);
/* These may change and return `node`. */
Node *show_version(Arena *a, const ApiKind *k, const KindVersion *v, Node *node);
Node *show_stored(Arena *a, const ApiKind *k, Node *node);
Node *show_table(Arena *a, const KindVersion *v, const Node *node, int64_t now, WatchForm form);
