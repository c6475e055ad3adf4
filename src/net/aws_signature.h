#pragma once
/* AWS Signature Version 4 (the `Authorization` header), as S3 wants it: the path is encoded once and not
 * normalised. */
#include <time.h>

#include "base/buf.h"
#include "base/error.h"
#include "net/http_client.h"

#define AWS_EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

enum { AWS_HEADERS_MAX = 16, AWS_QUERY_MAX = 16, AWS_TIME_SIZE = 17 };

typedef struct AwsRequest {
    const char *method;
    const char *path;           /* decoded, with the leading slash */
    const HttpHeader *query;    /* decoded names and values; a NULL name ends them; NULL: none */
    const HttpHeader *headers;  /* those that are signed, `Host` among them; a NULL name ends them */
    const char *payload_sha256; /* 64 hex digits, or "UNSIGNED-PAYLOAD" */
    const char *region, *service;
    const char *time; /* as in `X-Amz-Date` */
} AwsRequest;

/* The value of `Authorization`. The secret is in none of what comes out. */
int aws_sign(const AwsRequest *q, const char *key_id, const char *secret, Buf *ret, Error *e);
/* "20130524T000000Z" */
void aws_time_text(time_t when, char out[AWS_TIME_SIZE]);
/* RFC 3986's unreserved characters stay, and '/' where it is told to. */
void aws_uri_encode(const char *text, bool keep_slash, Buf *out);
