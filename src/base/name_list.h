#pragma once
/* Things by their name, in byte order: pointers to structures whose first member is `char *name`, which this
 * borrows. Unlike a Map, things can leave it, and those who walk it see them in order. */
#include <stdbool.h>
#include <stddef.h>

typedef struct NameList {
    void **items;
    size_t n, size;
} NameList;

void name_list_done(NameList *l);                         /* not the things */
void *name_list_get(const NameList *l, const char *name); /* NULL: none */
/* NULL, or the former one of that name. */
void *name_list_put(NameList *l, void *thing);
void *name_list_take(NameList *l, const char *name); /* NULL: none; else it is in no list now */
