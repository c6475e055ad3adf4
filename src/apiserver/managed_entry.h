#pragma once
/* managedFields as a list of managers with sets. */
#include "apiserver/managed_fields.h"
#include "apiserver/typed_value.h"

typedef struct ManagedEntry {
    const char *manager, *operation, *version, *subresource; /* subresource "": none */
    const char *time;                                        /* NULL: not said */
    FieldSet *set;
} ManagedEntry;

typedef struct ManagedEntries {
    ManagedEntry *entries;
    size_t n, size;
} ManagedEntries;

/* -EINVAL; NULL, [] are none. */
int managed_entries_read(Arena *a, const Node *managed_fields, ManagedEntries *ret, Error *e);
/* Empty ones are left out; NULL: none are left. */
Node *managed_entries_write(Arena *a, ManagedEntries *m);
void managed_entries_add(Arena *a, ManagedEntries *m, const ManagedEntry *e);
/* Versions do not count for Apply. NULL: none. */
ManagedEntry *managed_entries_find(ManagedEntries *m, const ManagedEntry *like);
bool managed_entry_applies(const ManagedEntry *e);
/* Oldest updates together, so that MANAGED_UPDATERS_MAX stay. */
void managed_entries_cap(Arena *a, ManagedEntries *m);
/* What nobody owns: names, versions and times that the server sets. */
FieldSet *managed_strip(Arena *a, FieldSet *set);
