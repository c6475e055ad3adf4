/* Objects of Google Cloud Storage and of Azure's blob storage: HTTP with the token of the machine, where it
 * has one. The token goes to the store alone: to that host, over TLS, and to nowhere that it redirects to. */
#include <string.h>

#include "base/log.h"
#include "net/aws_signature.h"
#include "net/url_address.h"
#include "provision/resource_scheme.h"

int resource_gs_get(const ResourceHttp *h, CloudAccess *cloud, const IgnResource *r, Content *c, Error *e)
{
    _cleanup_(url_address_done)
    UrlAddress u = {0};
    _cleanup_(buf_done_secret)
    Buf bearer = BUF_INIT;
    _cleanup_buf_ Buf url = BUF_INIT;

    if (url_address_read(r->source, &u) < 0 || u.path.len < 2)
        return error_set(e, EINVAL, "the URL names no object of Google Cloud Storage");
    int k = cloud_bearer(cloud, h, BEARER_GCS, &bearer, e);
    if (k < 0)
        return k;
    buf_add_str(&url, "https://storage.googleapis.com/storage/v1/b/");
    aws_uri_encode(u.host, false, &url);
    buf_add_str(&url, "/o/");
    aws_uri_encode(u.path.data + strspn(u.path.data, "/"), false, &url);
    buf_add_str(&url, "?alt=media");
    const HttpHeader headers[] = {{k > 0 ? "Authorization" : NULL, bearer.data}, {.name = NULL}};
    return resource_http_feed(h, &(ResourceCall){.request = {.url = url.data, .headers = headers}}, c, e);
}

/* https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB, with nothing in the URL that lets anybody in already.
 */
static bool blob_is(const char *source)
{
    static const char domain[] = ".blob.core.windows.net";
    _cleanup_(url_address_done)
    UrlAddress u = {0};

    if (strncasecmp(source, "https://", 8) != 0 || url_address_read(source, &u) < 0 || u.query || u.port ||
        u.path.len == 0)
        return false;
    size_t n = strlen(u.host), end = sizeof(domain) - 1;
    const char *slash = strchr(u.path.data + 1, '/');
    return n > end && strcasecmp(u.host + n - end, domain) == 0 && slash && slash != u.path.data + 1 &&
           slash[1] && !strchr(slash + 1, '/');
}

int resource_azure_get(const ResourceHttp *h, CloudAccess *cloud, const IgnResource *r, Content *c, Error *e)
{
    _cleanup_(buf_done_secret)
    Buf bearer = BUF_INIT;
    Error why = ERROR_INIT;

    if (!blob_is(r->source))
        return 0;
    int k = cloud_bearer(cloud, h, BEARER_AZURE, &bearer, &why);
    if (k == 0)
        return 0;
    if (k > 0) {
        const HttpHeader headers[] = {
            {"Authorization", bearer.data}, {"x-ms-version", "2021-12-02"}, {.name = NULL}};
        const ResourceCall call = {.request = {.url = r->source, .headers = headers}};
        k = resource_http_feed(h, &call, c, &why);
        if (k >= 0)
            return 1;
        if (k == -ECANCELED)
            return error_set(e, why.code, "%s", why.text);
        int again = content_restart(c, e);
        if (again < 0)
            return again;
    }
    log_info("could not fetch it with the machine's credentials: %s", why.text);
    log_info("falling back to HTTP without them");
    return 0;
}
