#pragma once
/* The objects of an OSTree repository in mode "bare" on disk, written once each: an object's name is known
 * before it is written, so what is there already costs a look and no write. A session gathers new objects
 * aside and makes them part of the repository at its end, after a sync: killed at any moment, the repository
 * has the objects that it had, and perhaps some whole new ones that nothing refers to yet. Layout: libostree
 * docs/repo.md. Needs the right to give files away; owners, modes and attributes are those of the objects. */
#include <sys/stat.h>

#include "update/checksum_set.h"
#include "update/repo.h"

/* Below the repository: what a session has not committed yet. */
#define OBJECTS_ASIDE "tmp/basalt-import"

/* Makes an empty repository in an empty or absent directory; 0 also where one is already. */
int object_store_init(int dirfd, const char *path, Error *e);

typedef struct ObjectStore ObjectStore;
/* Any number of threads may put. -EBUSY: somebody else is writing; what an interrupted session left aside is
 * taken away. -EMEDIUMTYPE: no repository, or not a bare one. `steps` is called before each change of the
 * disk, for tests; a negative answer ends the work; NULL allowed. */
typedef int (*ObjectStoreStep)(void *context, const char *what);
int object_store_open(int dirfd, const char *path, ObjectStoreStep steps, void *context, ObjectStore **ret,
                      Error *e);
/* For looking only: without the lock, and nothing is made. */
int object_store_open_reading(int dirfd, const char *path, ObjectStore **ret, Error *e);
void object_store_free(ObjectStore *s); /* what was not committed goes */
DEFINE_CLEANUP(ObjectStore *, object_store_free);
#define _cleanup_object_store_ _cleanup_(object_store_freep)

/* Objects of these names count as not there, whatever is there: put again, they take its place at the end, by
 * one rename each. Borrowed; before the first put. */
void object_store_suspect(ObjectStore *s, const ChecksumSet *suspects);
const ChecksumSet *object_store_suspects(const ObjectStore *s); /* NULL: none */

bool object_store_has(const ObjectStore *s, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM]);
/* -ENOENT; more than `max` bytes is -EFBIG, contents that do not have the checksum -EBADMSG. Not for files.
 */
int object_store_read(const ObjectStore *s, ObjectKind kind, const uint8_t checksum[OSTREE_CHECKSUM],
                      size_t max, Buf *ret, Error *e);

int object_store_directory(const ObjectStore *s); /* the repository's, borrowed */
/* -ENOENT. Of a regular file its size, of a symlink the length of its target. */
int object_store_stat(const ObjectStore *s, const uint8_t file[OSTREE_CHECKSUM], struct stat *ret, Error *e);

/* 1: it is new; 0: it was there. *ret is its name. Metadata and symlinks come whole. */
int object_store_put(ObjectStore *s, ObjectKind kind, const void *data, size_t n,
                     uint8_t ret[OSTREE_CHECKSUM], Error *e);
int object_store_put_symlink(ObjectStore *s, const OstreeMeta *m, const char *target,
                             uint8_t ret[OSTREE_CHECKSUM], Error *e);

/* A regular file by pieces. Up to OBJECT_IN_MEMORY its bytes wait in memory until the name is known; a larger
 * one goes to a file without a name meanwhile, unless its bytes are, so far, those of a file that is there
 * already (object_file_expect()). `meta` and its attributes must live until the end. */
enum { OBJECT_IN_MEMORY = 2 << 20 };
typedef struct ObjectFile {
    ObjectStore *store;
    const OstreeMeta *meta;
    Digest *digest;
    Buf buffer; /* kept from file to file */
    uint64_t size;
    int fd;   /* of the file without a name, or -EBADF */
    int twin; /* of the one that it has been the same as so far, or -EBADF */
} ObjectFile;
#define OBJECT_FILE_INIT ((ObjectFile){.fd = -EBADF, .twin = -EBADF})
int object_file_begin(ObjectFile *f, ObjectStore *s, const OstreeMeta *meta, Error *e);
/* Before the first byte, for a large file: it is probably this object's again. Nothing is lost when it is
 * not. */
void object_file_expect(ObjectFile *f, const uint8_t checksum[OSTREE_CHECKSUM]);
int object_file_add(ObjectFile *f, const void *data, size_t n, Error *e);
int object_file_end(ObjectFile *f, uint8_t ret[OSTREE_CHECKSUM], Error *e); /* as object_store_put() */
void object_file_done(ObjectFile *f);

/* All that was put becomes part of the repository, on disk when this returns. The session may go on. */
typedef struct ObjectCounts {
    uint64_t objects, bytes; /* new ones; bytes of contents */
} ObjectCounts;
int object_store_commit(ObjectStore *s, ObjectCounts *ret, Error *e);
