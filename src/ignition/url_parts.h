#pragma once
/* A URL cut into the parts that a config's rules look at. What is a URL at all is decided as Go's net/url
 * decides it, because that is the parser whose verdict configs were written against. */
#include <stddef.h>

enum { URL_SCHEME_MAX = 16 }; /* longer ones are no scheme that anything here knows */

typedef struct UrlParts {
    char scheme[URL_SCHEME_MAX]; /* lower case; "" when there is none or it is too long */
    const char *rest;            /* behind "scheme:", up to the query */
    size_t rest_len;
    const char *query; /* NULL: none */
    size_t query_len;
} UrlParts;

/* -EINVAL: not a URL. Parts point into `text`. */
int url_parts_read(const char *text, UrlParts *ret);
/* The first value of a key of the query: 1 with its length, 0 when the key is not there. */
int url_parts_query(const UrlParts *u, const char *key, size_t *ret_len);
