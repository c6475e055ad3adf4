#pragma once
/* Files by name, of a directory or of a tar archive that can be read anywhere (no pipe, not compressed): what
 * the layouts of images on disk are made of. Whoever made them is not trusted: links of a directory stay
 * below it, only regular files are read, of an archive the headers alone are believed as far as the file
 * goes. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

enum { MEMBERS_MAX = 16384, MEMBER_NAME_MAX = 1024 };

typedef struct Members Members;
int members_open_directory(const char *path, Members **ret, Error *e);
/* -EBADMSG: no tar archive (format/tar.h), or cut off; the last of two members of a name counts. */
int members_open_archive(const char *path, Members **ret, Error *e);
void members_free(Members *m);
DEFINE_CLEANUP(Members *, members_free);

/* The whole of it; -ENOENT, -EFBIG. */
int members_read(Members *m, const char *name, size_t max, Buf *ret, Error *e);
int members_size(Members *m, const char *name, uint64_t *ret, Error *e);
/* Piece by piece, in order. */
int members_stream(Members *m, const char *name, int (*take)(void *context, const void *data, size_t n),
                   void *context, Error *e);
