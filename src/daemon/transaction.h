#pragma once
/* Many paths of a root changed as one: after a failure, a kill or a power cut at any moment the root can be
 * brought back to what it was, to the byte, until the change is committed. What stood at each path is saved
 * first, then a journal says so on the disk, then the changes are made one by one, each file whole. While the
 * journal is there the former state can be had back; taking it away is the commit. One transaction a root. */
#include "base/arena.h"
#include "base/error.h"
#include "format/node.h"
#include "system/user_db.h"

#define TRANSACTION_JOURNAL "/etc/machine-config-daemon/journal"
#define TRANSACTION_UNDO    "/etc/machine-config-daemon/undo"

typedef enum RootChangeKind {
    ROOT_WRITE, /* a file */
    ROOT_LINK,  /* a symbolic link */
    ROOT_COPY,  /* the file or link at `target`, as it is */
    ROOT_REMOVE,
} RootChangeKind;

typedef struct RootChange {
    RootChangeKind kind;
    const char *path; /* links of its parents are followed inside the root */
    const char *data;
    size_t len;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    const char *target; /* of LINK: its text; of COPY: a path of the root */
    const UserEntry
        *as; /* WRITE and REMOVE with the rights of this user, in private directories; NULL: root */
} RootChange;

/* Called before every change of the disk, for tests that interrupt. */
typedef struct TransactionHooks {
    int (*step)(void *context, const char *what);
    void *context;
} TransactionHooks;

typedef struct Transaction {
    int root; /* borrowed */
    Arena *arena;
    const TransactionHooks *hooks; /* may be NULL */
    Node *note;                    /* the caller's, an object; kept in the journal */
    Node *records;                 /* what stood where */
} Transaction;

/* Saves what stands at the paths. -EISDIR and its kin: something is in the way. After a failure nothing is
 * different. Two changes of one path are not allowed. */
int transaction_begin(Transaction *t, const RootChange *changes, size_t n, Error *e);
/* After a failure the root is in between: transaction_undo(). */
int transaction_run(Transaction *t, const RootChange *changes, size_t n, Error *e);
/* The note as it is now, on the disk. */
int transaction_note(Transaction *t, Error *e);
/* The root as it is now is what counts, the new one, or after transaction_undo() the former. */
int transaction_commit(Transaction *t, Error *e);
/* All as it was; can be called as often as it takes. transaction_commit() ends it. */
int transaction_undo(Transaction *t, Error *e);
/* 1: one is under way, or was cut off; *t has its note. 0: none; what a finished one left is gone. Root,
 * arena and hooks of *t are the caller's. */
int transaction_load(Transaction *t, Error *e);
