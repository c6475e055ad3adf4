#pragma once
/* The two halves of lifting 2.x, for translate.c: what is in lists of its own, and what lies on filesystems.
 */
#include "ignition/translate.h"

typedef struct Lift {
    Arena *arena;
    const IgnConfig *from;
    IgnConfig *to; /* begins as a copy of `from` */
    const IgnLiftOptions *options;
    Report *report;
} Lift;

/* Everything; findings that are errors mean that `to` is not to be used. */
void lift_v2(Lift *l);

/* files, directories, links, networkd units */
void lift_nodes(Lift *l);
/* A 2.x source to what the newest spec writes for it; `path` is that of the original. */
IgnResource lift_source(Lift *l, const IgnResource *s, const PathStep *path);
/* Where the nodes of a filesystem go; NULL after a finding at `n`. */
const char *lift_mount_point(Lift *l, const IgnNode *n, const PathStep *path);

/* ---- lists under construction ---- */
IgnList list_with_room(Arena *a, size_t items, size_t size, const Node *node);
IgnList list_copy(Arena *a, const IgnList *from, size_t size); /* to be changed item by item */
void *list_add(IgnList *list, const void *item, size_t size);  /* there must be room */
/* For lists whose length nobody knows before: room doubles. Only for lists that began empty. */
void list_push(Arena *a, IgnList *list, const void *item, size_t size);
