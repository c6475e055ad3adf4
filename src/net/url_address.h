#pragma once
/* The parts of a URL with an authority, as the fetchers of schemes other than http need them. User
 * information is dropped, percent escapes of the path are decoded, a fragment is dropped. */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { URL_HOST_MAX = 256 };

typedef struct UrlAddress {
    char host[URL_HOST_MAX]; /* of "[::1]" without the brackets */
    uint16_t port;           /* 0: none was said */
    Buf path;                /* with the leading slash; "" when there is none */
    const char *query;       /* points into the URL, behind the '?'; NULL: none */
} UrlAddress;

void url_address_done(UrlAddress *u);
/* -EINVAL: no such URL; a NUL or a bad escape in the path is one. */
int url_address_read(const char *url, UrlAddress *ret);
/* The first value of a key of the query, decoded ('+' is a space): 1, 0 when the key is not there, -EINVAL.
 */
int url_address_query(const UrlAddress *u, const char *key, Buf *ret);
