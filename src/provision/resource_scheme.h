#pragma once
/* The schemes of URLs beside data, http and https: each gives the bytes of one resource. `cloud` NULL:
 * anonymous. */
#include "provision/cloud_access.h"
#include "provision/content.h"
#include "provision/resource_http.h"

int resource_tftp_get(const ResourceHttp *h, const IgnResource *r, Content *c, Error *e);
/* s3://BUCKET/KEY and arn:PARTITION:s3:…, with ?versionId= */
int resource_s3_get(const ResourceHttp *h, CloudAccess *cloud, const IgnResource *r, Content *c, Error *e);
/* gs://BUCKET/OBJECT */
int resource_gs_get(const ResourceHttp *h, CloudAccess *cloud, const IgnResource *r, Content *c, Error *e);
/* https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB with the machine's identity: 1; 0: it has to be
 * fetched like any other URL. */
int resource_azure_get(const ResourceHttp *h, CloudAccess *cloud, const IgnResource *r, Content *c, Error *e);

/* Where an S3 object is, by its URL alone. */
typedef struct S3Object {
    Arena *arena;
    const char *bucket, *key, *version; /* version NULL: the newest */
    const char *region;                 /* of an access point; NULL: to be found out */
    const char *region_hint;            /* of the partition; NULL: none */
    const char *account;                /* of an access point, whose name is `bucket`; NULL: a bucket */
} S3Object;
int s3_object_read(Arena *a, const char *url, S3Object *ret, Error *e);
/* Host and path of the request. */
const char *s3_host(const S3Object *o, const char *region);
const char *s3_path(const S3Object *o);
