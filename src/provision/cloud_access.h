#pragma once
/* What a machine of a cloud may do there by being one: credentials of its own, from the metadata service, for
 * the resources that a config names. Asked for when the first such resource is fetched, kept for the life of
 * the process, by several threads. On any other platform there are none, and resources are fetched
 * anonymously. */
#include "base/buf.h"
#include "base/error.h"
#include "provision/resource_http.h"

typedef struct CloudAccess CloudAccess;

CloudAccess *cloud_access_new(const char *platform); /* NULL: none */
void cloud_access_free(CloudAccess *c);

typedef struct AwsKeys {
    Buf id, secret, token;
} AwsKeys;
void aws_keys_done(AwsKeys *k);

/* 1; 0: the machine has no role, or none can be had (then the log says why). */
int cloud_aws_keys(CloudAccess *c, const ResourceHttp *h, AwsKeys *ret);
/* The region that the machine is in; "" when that is not known. */
void cloud_aws_region(CloudAccess *c, const ResourceHttp *h, Buf *ret);
/* The region of a bucket, when it was found before: 1. */
int cloud_bucket_region(CloudAccess *c, const char *bucket, Buf *ret);
void cloud_bucket_region_put(CloudAccess *c, const char *bucket, const char *region);

typedef enum BearerKind { BEARER_GCS, BEARER_AZURE } BearerKind;
/* The value of `Authorization`: 1; 0: the machine has no identity there. */
int cloud_bearer(CloudAccess *c, const ResourceHttp *h, BearerKind kind, Buf *ret, Error *e);
