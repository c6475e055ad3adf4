#pragma once
/* Where the objects are kept: a SQLite file in a directory, with one count of changes (the revision) over all
 * of them. A change is in hand as soon as it is made and on the disk when store_commit() returns; nobody is
 * told of it before. Former versions stay for STORE_HISTORY changes: lists in parts and watches read them;
 * whoever asks for older ones gets -ESTALE. One program may have the directory open for writing; any may copy
 * it. For one thread. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum {
    STORE_HISTORY = 20000,      /* changes that can still be asked for, at the least */
    STORE_OBJECT_MAX = 3 << 20, /* bytes of one object */
    STORE_COMPACT_EVERY = 1000, /* changes; so many are forgotten at a time */
};

typedef struct StoreKey {
    const char *kind; /* "pods", "leases.coordination.k8s.io" */
    const char *namespace, *name;
} StoreKey; /* namespace "": of none */

typedef enum StoreVerb { STORE_ADDED, STORE_MODIFIED, STORE_REMOVED } StoreVerb;

typedef struct StoreObject {
    StoreKey key;
    int64_t revision;
    StoreVerb verb;
    const char *json; /* of STORE_REMOVED: what it was in the end */
    size_t n;
    const char *former; /* STORE_MODIFIED: what it was before; of store_changes() alone */
    size_t former_n;
} StoreObject;

typedef struct Store Store;
/* The directory is made when it is not there. `quick`: for tests, without waiting for the disk. -EBUSY:
 * another program has it. */
int store_open(const char *directory, bool quick, Store **ret, Error *e);
void store_free(Store *s); /* what was not committed is forgotten */
DEFINE_CLEANUP(Store *, store_free);

int64_t store_revision(const Store *s); /* the newest, committed or not */
int64_t store_floor(const Store *s);    /* changes after this one can be asked for */

/* -ENOENT without a text. Texts live in the arena. */
int store_get(Store *s, const StoreKey *key, Arena *a, StoreObject *ret, Error *e);

typedef struct StoreList {
    const char *kind, *namespace, *name;      /* NULL: of all */
    const char *after_namespace, *after_name; /* NULL: from the beginning */
    int64_t revision;                         /* 0: as it is now */
    unsigned limit;                           /* 0: none */
} StoreList;
/* By namespace and name in byte order. Texts live until `each` returns; what it returns < 0 ends the walk. */
typedef int (*StoreEach)(void *context, const StoreObject *o);
int store_list(Store *s, const StoreList *q, StoreEach each, void *context, Error *e);
int store_count(Store *s, const StoreList *q, int64_t *ret, Error *e); /* all that come after `after_*` */
/* What happened after a revision, in order; namespace and name NULL: of all. */
int store_changes(Store *s, const StoreKey *of, int64_t after, StoreEach each, void *context, Error *e);

/* One change. `json` has the revision that the change will get in it: store_revision() + 1. `former` is the
 * revision that it takes the place of, 0: there is none. -EEXIST, -ESTALE without a text. */
int store_put(Store *s, const StoreKey *key, int64_t former, const char *json, size_t n, Error *e);
int store_remove(Store *s, const StoreKey *key, int64_t former, const char *json, size_t n, Error *e);
/* Who is owned by whom. */
int store_own(Store *s, const char *owner_uid, const StoreKey *key, bool owns, Error *e);
int store_owned(Store *s, const char *owner_uid, StoreEach each, void *context, Error *e); /* keys alone */

/* Several changes that are made as one, inside of what will be committed. */
int store_begin(Store *s, Error *e);
int store_end(Store *s, bool keep, Error *e);
bool store_dirty(const Store *s); /* something waits for store_commit() */
int store_commit(Store *s, Error *e);

/* A copy of what is committed, while another program has it open; the file appears whole. */
int store_backup(const char *directory, const char *file, Error *e);
/* From such a file into a directory that has no objects. */
int store_restore(const char *file, const char *directory, Error *e);
