/* A sorted array: looked up by halving, and a move of its end for one that comes or goes, which for the ten
 * thousands that are meant is cheaper than anything that would have to be balanced. */
#include "base/name_list.h"

#include <stdlib.h>
#include <string.h>

static const char *name_of(const void *thing)
{
    return *(char *const *)thing;
}

/* Where it is, or would be. */
static bool find(const NameList *l, const char *name, size_t *ret)
{
    size_t low = 0, high = l->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int r = strcmp(name_of(l->items[middle]), name);
        if (r == 0) {
            *ret = middle;
            return true;
        }
        if (r < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret = low;
    return false;
}

void *name_list_get(const NameList *l, const char *name)
{
    size_t at;
    return find(l, name, &at) ? l->items[at] : NULL;
}

void *name_list_put(NameList *l, void *thing)
{
    size_t at;
    if (find(l, name_of(thing), &at)) {
        void *former = l->items[at];
        l->items[at] = thing;
        return former;
    }
    if (l->n == l->size) {
        l->size = l->size ? 2 * l->size : 16;
        l->items = reallocarray(l->items, l->size, sizeof(*l->items));
        if (!l->items)
            abort();
    }
    memmove(&l->items[at + 1], &l->items[at], (l->n++ - at) * sizeof(*l->items));
    l->items[at] = thing;
    return NULL;
}

void *name_list_take(NameList *l, const char *name)
{
    size_t at;
    if (!find(l, name, &at))
        return NULL;
    void *thing = l->items[at];
    memmove(&l->items[at], &l->items[at + 1], (--l->n - at) * sizeof(*l->items));
    return thing;
}

void name_list_done(NameList *l)
{
    free(l->items);
    *l = (NameList){0};
}
