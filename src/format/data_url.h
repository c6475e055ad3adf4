#pragma once
/* data: URLs (RFC 2397), as Ignition takes them: optional media type and parameters, base64 (standard
 * alphabet, padding required) or percent-encoding. */
#include "base/buf.h"
#include "base/error.h"

bool data_url_is(const char *url);
/* Appends the bytes; the message is the one a validation report shows. */
int data_url_decode(const char *url, Buf *ret, Error *e);
int data_url_check(const char *url, Error *e); /* whether it decodes, and the same message */
/* "data:text/plain;charset=utf-8;base64,…" */
void data_url_encode_base64(const char *media_type, const void *data, size_t n, Buf *out);
/* "data:,…" with percent escapes: unreserved characters as they are. */
void data_url_encode_percent(const void *data, size_t n, Buf *out);

void base64_encode(const void *data, size_t n, Buf *out);
int base64_decode(const char *text, size_t n, Buf *ret); /* -EINVAL; white space is refused */
