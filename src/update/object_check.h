#pragma once
/* Whether objects are what their names say: read whole, with owner, mode and attributes, and hashed. */
#include "update/checksum_set.h"
#include "update/repo.h"

typedef enum ObjectState {
    OBJECT_GOOD,
    OBJECT_MISSING,
    OBJECT_DAMAGED,    /* contents, owner, mode or attributes are others */
    OBJECT_UNREADABLE, /* the disk or the file system fails, or it is no file at all */
} ObjectState;
const char *object_state_text(ObjectState s); /* "missing" */

/* Told now and then by the caller's own thread; a negative answer ends the work with it. */
typedef struct CheckProgress {
    uint64_t objects, all; /* files hashed, of how many */
    uint64_t bytes;
} CheckProgress;
typedef struct CheckRun {
    unsigned threads; /* 0: one a processor, at most CHECK_THREADS_MAX */
    int (*progress)(void *context, const CheckProgress *p);
    void *context;
} CheckRun;
enum { CHECK_THREADS_MAX = 16 };

/* The checksum that a file or symlink on disk has as an object; -EINVAL: it is neither. */
int file_checksum(int dirfd, const char *name, uint8_t ret[OSTREE_CHECKSUM], uint64_t *ret_bytes);
/* That of a directory's metadata. */
int directory_checksum(int fd, uint8_t ret[OSTREE_CHECKSUM]);

/* states[i] is that of row i of the set. */
int object_check_files(int repo, const ChecksumSet *files, const CheckRun *run, ObjectState *states,
                       CheckProgress *ret, Error *e);
