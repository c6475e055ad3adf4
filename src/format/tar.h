#pragma once
/* A tar stream, taken apart as it arrives: ustar (POSIX.1-2017 pax, "ustar Interchange Format"), pax extended
 * headers of one entry, GNU's long names and base-256 numbers. Everything is pushed: who has bytes feeds
 * them, so that a download goes through digest, inflater and this reader without a thread or a file between
 * them. Sparse entries, multi-volume archives and what has no type of the list below are refused: an image
 * has no use for them, and their maps have been attacks. Names are given as they stand in the stream; nothing
 * is made of them here. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

enum {
    TAR_PATH_MAX = 4096,        /* of a name and of a link's target */
    TAR_EXTENDED_MAX = 1 << 20, /* all extended headers of an entry */
    TAR_XATTRS_MAX = 256,
    TAR_BLOCK = 512, /* an entry has one at least */
};

typedef enum TarType {
    TAR_FILE,
    TAR_HARD_LINK, /* to another entry's path */
    TAR_SYMLINK,
    TAR_CHARACTER_DEVICE,
    TAR_BLOCK_DEVICE,
    TAR_DIRECTORY,
    TAR_FIFO,
} TarType;

typedef struct TarXattr { /* of SCHILY.xattr.NAME */
    const char *name;
    const void *value;
    size_t n;
} TarXattr;

typedef struct TarEntry { /* lives until the call that is given it returns */
    TarType type;
    const char *path, *link; /* without NUL bytes; link is "" where there is none */
    uint32_t mode, uid, gid; /* mode: permissions, setuid, setgid and sticky only */
    uint64_t size;           /* 0 unless a file */
    const TarXattr *xattrs;  /* as they come; no name twice */
    size_t n_xattrs;
} TarEntry;

/* Every function < 0 ends the work with that code and what is in `e`. A file is entry, data in pieces, end;
 * the rest is entry alone. */
typedef struct TarSink {
    int (*entry)(void *context, const TarEntry *entry, Error *e);
    int (*data)(void *context, const void *data, size_t n, Error *e);
    int (*end)(void *context, Error *e);
} TarSink;

typedef struct TarReader TarReader;
TarReader *tar_reader_new(const TarSink *sink, void *context); /* both outlive it */
void tar_reader_free(TarReader *r);
DEFINE_CLEANUP(TarReader *, tar_reader_free);
/* -EBADMSG for what is no such stream, with the entry's name or the offset. After a failure only free it.
 * What follows the end of the archive is ignored. */
int tar_reader_feed(TarReader *r, const void *data, size_t n, Error *e);
/* -EBADMSG when the stream stops within an entry. One that stops between two is whole, as everywhere. */
int tar_reader_finish(TarReader *r, Error *e);
