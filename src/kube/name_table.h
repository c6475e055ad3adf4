#pragma once
/* From names to versions and a mark, for as many objects as a cluster has: one piece of memory and eight
 * bytes each. */
#include <stddef.h>
#include <stdint.h>

typedef struct NameEntry {
    uint64_t version;
    uint32_t hash, mark;
    uint16_t namespace; /* length; the name follows behind a NUL */
    char text[];
} NameEntry;

typedef struct NameTable {
    NameEntry **slots;
    size_t n, size; /* size is 0 or a power of two */
} NameTable;

void name_table_done(NameTable *t);
/* The entry, made if it was not there (version 0). Names longer than the API's are cut for nobody: they must
 * be at most NAME_TABLE_MAX together. */
enum { NAME_TABLE_MAX = 1024 };
NameEntry *name_table_get(NameTable *t, const char *namespace, const char *name);
/* 1 when it was there. */
int name_table_remove(NameTable *t, const char *namespace, const char *name);
/* Takes one entry out whose mark is not `mark`; the caller frees it. NULL: there is none. `*at` starts at 0.
 */
NameEntry *name_table_take_other(NameTable *t, uint32_t mark, size_t *at);
static inline const char *name_entry_name(const NameEntry *e)
{
    return e->text + e->namespace + 1;
}
