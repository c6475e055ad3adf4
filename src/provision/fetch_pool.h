#pragma once
/* Remote resources that are fetched before they are asked for, several at a time, each into a file without a
 * name or into memory. They are handed out in the order of the list, by the caller's thread, so what is
 * applied first and which failure is told does not depend on which server answers first. */
#include "provision/fetcher.h"

typedef struct FetchPoolOptions {
    Fetcher *fetcher;
    int dirfd;  /* where the files without a name are made, borrowed; -EBADF: into memory */
    size_t max; /* bytes of one resource, in memory */
} FetchPoolOptions;

typedef struct FetchPool FetchPool;
/* Local ones of the list are left out. NULL: there is nothing to be done at the same time. No thread starts
 * before the first of the list is asked for. The resources are borrowed. */
FetchPool *fetch_pool_new(const FetchPoolOptions *options, const IgnResource *const *list, size_t n);
/* Ends what is under way and forgets what was fetched. NULL allowed. */
void fetch_pool_free(FetchPool *p);
DEFINE_CLEANUP(FetchPool *, fetch_pool_free);
/* Nothing is being fetched, and nothing will be. NULL is idle. */
bool fetch_pool_idle(FetchPool *p);

/* As resource_fetch_fd() and resource_fetch_buf(), which they are for a resource that is not in the pool, for
 * a NULL pool, and when `f` has got other settings since the pool was made. */
int fetch_pool_fd(FetchPool *p, Fetcher *f, const IgnResource *r, int fd, Error *e);
int fetch_pool_buf(FetchPool *p, Fetcher *f, const IgnResource *r, size_t max, Buf *ret, Error *e);
