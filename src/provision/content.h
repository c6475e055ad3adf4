#pragma once
/* The way of one resource's bytes from where they arrive to where they go: inflated, counted, hashed,
 * written. Inflating runs in the caller's thread; once more than one buffer has come and there is work to
 * share, hashing and writing move to a second thread with a bounded ring of buffers between them, so that a
 * big file takes as long as inflating it alone, in a fixed amount of memory. Small ones never start a thread.
 */
#include "base/buf.h"
#include "base/error.h"
#include "format/compress.h"

typedef struct ContentSpec {
    Compression compression;
    const char *hash; /* "sha512-<hex>" or "sha256-<hex>"; NULL or "": not checked */
    uint64_t max;     /* bytes of output; 0: no limit */
    int fd;           /* where it goes; -EBADF: to `buf` */
    Buf *buf;
} ContentSpec;

typedef struct Content Content;
int content_new(const ContentSpec *spec, Content **ret, Error *e);
void content_free(Content *c);
DEFINE_CLEANUP(Content *, content_free);

int content_feed(Content *c, const void *data, size_t n, Error *e);
/* Back to the state after content_new(): what was written is cut off again. For a transfer that starts anew.
 */
int content_restart(Content *c, Error *e);
/* All of it has come: -EBADMSG when the stream was cut off or the hash is another one. */
int content_finish(Content *c, Error *e);
