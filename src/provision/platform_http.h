#pragma once
/* One request to a platform's metadata service, for those that ask it in a way of their own. */
#include "provision/platform.h"

/* By the rules of the platform's row, at this URL. -ENOENT: 404. */
int metadata_get(const PlatformFetch *p, const char *url, Buf *ret, Error *e);
/* 1: got one; 0: the service has none and need not. */
int metadata_token(const ResourceHttp *h, const Metadata *m, int64_t deadline_ms, Buf *ret, Error *e);
