#pragma once
/* One resource of a config: where it comes from, how it is unpacked, what it must hash to. Nothing is handed
 * out before its digest was verified where one is declared (to a descriptor it is written while it streams:
 * the caller gives that file its name only after success). */
#include "base/buf.h"
#include "base/error.h"
#include "ignition/config.h"

typedef struct Fetcher Fetcher;

/* Streams to fd, inflating and hashing on the way. An empty or unset source is an empty file. */
int resource_fetch_fd(Fetcher *f, const IgnResource *r, int fd, Error *e);
/* Appends to ret; more than `max` bytes is -EFBIG. */
int resource_fetch_buf(Fetcher *f, const IgnResource *r, size_t max, Buf *ret, Error *e);
