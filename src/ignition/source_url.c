/* The schemes of sources as a table: since which version, and what is checked beyond being a URL. Data URLs
 * are checked to their end, so that a broken one is told before a machine boots with it. */
#include "ignition/source_url.h"

#include <string.h>

#include "format/data_url.h"
#include "ignition/url_parts.h"

static int check_data(const char *url, const UrlParts *u _unused_, Error *e)
{
    return data_url_check(url, e);
}

static int check_s3(const char *url _unused_, const UrlParts *u, Error *e)
{
    size_t len;
    if (url_parts_query(u, "versionId", &len) && len == 0)
        return error_set(e, EINVAL, "invalid S3 object VersionId");
    return 0;
}

/* arn:PARTITION:s3:REGION:ACCOUNT:RESOURCE, where the resource is BUCKET/KEY or accesspoint/NAME/KEY. */
static int check_arn(const char *url, const UrlParts *u, Error *e)
{
    const char *p = u->rest, *end = p + u->rest_len;
    if (u->rest_len == 0 || *p == '/')
        return error_set(e, EINVAL, "invalid S3 ARN format");
    for (int field = 0; field < 4; field++) {
        const char *colon = memchr(p, ':', (size_t)(end - p));
        if (!colon || (field == 1 && (colon - p != 2 || memcmp(p, "s3", 2) != 0)))
            return error_set(e, EINVAL, "invalid S3 ARN format");
        p = colon + 1;
    }
    size_t slashes = 0;
    for (const char *q = u->rest; q < end; q++)
        slashes += *q == '/';
    bool access_point = end - p >= 12 && memcmp(p, "accesspoint/", 12) == 0;
    if (slashes < (access_point ? 2 : 1))
        return error_set(e, EINVAL, "invalid S3 ARN format");
    return check_s3(url, u, e);
}

static const struct {
    const char *name;
    IgnVersion since, until;
    int (*check)(const char *url, const UrlParts *u, Error *e);
} schemes[] = {
    {"http", IGN_2_0, IGN_3_7_EXP, NULL},     {"https", IGN_2_0, IGN_3_7_EXP, NULL},
    {"tftp", IGN_2_1, IGN_3_7_EXP, NULL},     {"oem", IGN_2_0, IGN_2_4, NULL},
    {"s3", IGN_2_1, IGN_3_7_EXP, check_s3},   {"gs", IGN_3_2, IGN_3_7_EXP, NULL},
    {"arn", IGN_3_4, IGN_3_7_EXP, check_arn}, {"data", IGN_2_0, IGN_3_7_EXP, check_data},
};

int source_url_check(const char *url, IgnVersion version, Error *e)
{
    UrlParts u;
    if (url_parts_read(url, &u) < 0)
        return error_set(e, EINVAL, "unable to parse url");
    for (size_t i = 0; i < ELEMENTS(schemes); i++)
        if (strcmp(schemes[i].name, u.scheme) == 0 && schemes[i].since <= version &&
            version <= schemes[i].until)
            return schemes[i].check ? schemes[i].check(url, &u, e) : 0;
    return error_set(e, EINVAL, "invalid url scheme");
}
