/* Open addressing with linear probing, at most three quarters full. A slot that is emptied is filled from
 * those behind it, so that no marks of what was stay. */
#include "kube/name_table.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_more(uint32_t h, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h;
}

static uint32_t hash_names(const char *namespace, const char *name)
{
    return hash_more(hash_more(2166136261u, namespace, strlen(namespace) + 1), name, strlen(name));
}

void name_table_done(NameTable *t)
{
    for (size_t i = 0; i < t->size; i++)
        free(t->slots[i]);
    free(t->slots);
    *t = (NameTable){0};
}

static NameEntry **find(const NameTable *t, uint32_t hash, const char *namespace, const char *name)
{
    for (size_t i = hash & (t->size - 1);; i = (i + 1) & (t->size - 1)) {
        NameEntry *e = t->slots[i];
        if (!e || (e->hash == hash && !strcmp(e->text, namespace) && !strcmp(name_entry_name(e), name)))
            return &t->slots[i];
    }
}

static void grow(NameTable *t)
{
    NameTable bigger = {.n = t->n, .size = t->size ? t->size * 2 : 16};
    bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
    if (!bigger.slots)
        abort();
    for (size_t i = 0; i < t->size; i++)
        if (t->slots[i])
            *find(&bigger, t->slots[i]->hash, t->slots[i]->text, name_entry_name(t->slots[i])) = t->slots[i];
    free(t->slots);
    *t = bigger;
}

NameEntry *name_table_get(NameTable *t, const char *namespace, const char *name)
{
    uint32_t hash = hash_names(namespace, name);
    if (t->n + 1 > t->size - t->size / 4)
        grow(t);
    NameEntry **slot = find(t, hash, namespace, name);
    if (!*slot) {
        size_t first = strlen(namespace), second = strlen(name);
        NameEntry *e = malloc(sizeof(*e) + first + second + 2);
        if (!e)
            abort();
        *e = (NameEntry){.hash = hash, .namespace = (uint16_t)first};
        memcpy(e->text, namespace, first + 1);
        memcpy(e->text + first + 1, name, second + 1);
        *slot = e;
        t->n++;
    }
    return *slot;
}

static void empty(NameTable *t, size_t hole)
{
    t->slots[hole] = NULL;
    t->n--;
    for (size_t i = (hole + 1) & (t->size - 1); t->slots[i]; i = (i + 1) & (t->size - 1)) {
        size_t home = t->slots[i]->hash & (t->size - 1);
        if (((i - home) & (t->size - 1)) < ((i - hole) & (t->size - 1)))
            continue; /* it would come to stand before its place */
        t->slots[hole] = t->slots[i];
        t->slots[i] = NULL;
        hole = i;
    }
}

int name_table_remove(NameTable *t, const char *namespace, const char *name)
{
    NameEntry **slot = t->n ? find(t, hash_names(namespace, name), namespace, name) : NULL;
    if (!slot || !*slot)
        return 0;
    free(*slot);
    empty(t, (size_t)(slot - t->slots));
    return 1;
}

NameEntry *name_table_take_other(NameTable *t, uint32_t mark, size_t *at)
{
    for (; *at < t->size; (*at)++) {
        NameEntry *e = t->slots[*at];
        if (e && e->mark != mark) {
            empty(t, *at); /* another may come to stand here: it is looked at next */
            return e;
        }
    }
    *at = 0;
    return NULL;
}
