#pragma once
/* The events of a tar archive as bytes, for a process that reads archives to tell them one that does not. The
 * bytes of files are not among them: both have the archive, and a frame says where in it they are. Who reads
 * frames trusts nobody who writes them: each byte is copied once and looked at in the copy, every length has
 * a maximum, names hold what TarEntry promises, the bytes of a file are in order and as many as its entry
 * says. */
#include "base/buf.h"
#include "format/tar.h"

enum {
    FRAME_ENTRY_MAX = TAR_EXTENDED_MAX + 2 * (TAR_PATH_MAX + 1) + 9 * TAR_XATTRS_MAX + 64,
};

void frame_entry(const TarEntry *entry, Buf *to);
void frame_data(uint64_t offset, uint64_t n, Buf *to);
void frame_end(Buf *to);

/* As TarSink, but that the bytes are those of the archive from `offset` on. */
typedef struct FrameSink {
    int (*entry)(void *context, const TarEntry *entry, Error *e);
    int (*data)(void *context, uint64_t offset, uint64_t n, Error *e);
    int (*end)(void *context, Error *e);
} FrameSink;

typedef struct FrameReader FrameReader;
FrameReader *frame_reader_new(const FrameSink *sink, void *context); /* both outlive it */
void frame_reader_free(FrameReader *r);
DEFINE_CLEANUP(FrameReader *, frame_reader_free);
/* -EBADMSG: no frames; or what the sink says. After a failure only free it. */
int frame_reader_feed(FrameReader *r, const void *data, size_t n, Error *e);
int frame_reader_finish(FrameReader *r, Error *e); /* -EBADMSG: it ends within a frame, or within a file */
