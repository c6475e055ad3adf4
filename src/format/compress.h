#pragma once
/* Inflating gzip and zstd streams, by pieces; concatenated gzip members are one stream, bytes after the last
 * one are an error. The output is bounded by the caller: bombs stop at `max`. */
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

typedef enum Compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD } Compression;

typedef struct Inflater Inflater;
/* `sink` gets every piece of output; a negative return ends the work with that code. */
typedef int (*InflateSink)(void *context, const void *data, size_t n);
int inflater_new(Compression kind, uint64_t max, InflateSink sink, void *context, Inflater **ret, Error *e);
void inflater_free(Inflater *i);
DEFINE_CLEANUP(Inflater *, inflater_free);
int inflater_feed(Inflater *i, const void *data, size_t n, Error *e);
int inflater_finish(Inflater *i, Error *e); /* -EBADMSG when the stream is cut off */

int inflate_all(Compression kind, const void *data, size_t n, size_t max, Buf *ret, Error *e);
int gzip_all(const void *data, size_t n, int level, Buf *ret); /* deterministic: no time, no name */
