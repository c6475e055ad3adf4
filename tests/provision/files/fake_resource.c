/* The resource contract for data: URLs alone: enough for the files stage, and no network anywhere near. */
#include "base/file.h"
#include "format/data_url.h"
#include "provision/fetch_pool.h"

int resource_fetch_buf(Fetcher *f, const IgnResource *r, size_t max, Buf *ret, Error *e)
{
    (void)f;
    if (!r->source || !*r->source)
        return 0;
    size_t start = ret->len;
    if (!data_url_is(r->source))
        return error_set(e, EPROTONOSUPPORT, "%s: only data: URLs here", r->source);
    int rc = data_url_decode(r->source, ret, e);
    if (rc >= 0 && ret->len - start > max)
        return error_set(e, EFBIG, "more than %zu bytes", max);
    return rc;
}

int resource_fetch_fd(Fetcher *f, const IgnResource *r, int fd, Error *e)
{
    _cleanup_buf_ Buf data = BUF_INIT;
    int rc = resource_fetch_buf(f, r, SIZE_MAX / 2, &data, e);
    return rc < 0 ? rc : file_write_fd(fd, data.data, data.len);
}

bool source_needs_net(const char *source)
{
    return source && *source && !data_url_is(source);
}

FetchPool *fetch_pool_new(const FetchPoolOptions *options, const IgnResource *const *list, size_t n)
{
    (void)options;
    (void)list;
    (void)n;
    return NULL;
}

void fetch_pool_free(FetchPool *p)
{
    (void)p;
}

int fetch_pool_fd(FetchPool *p, Fetcher *f, const IgnResource *r, int fd, Error *e)
{
    (void)p;
    return resource_fetch_fd(f, r, fd, e);
}
