/* URLs are parsed as far as the verdict needs it: the scheme, escapes and control characters anywhere, the
 * versionId of S3 objects, the whole of a data URL. Hosts are left to the fetcher. */
#include "ignition/url_check.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "format/data_url.h"

typedef struct SchemeRow {
    const char *name;
    IgnVersion since;
} SchemeRow;

static const SchemeRow schemes_v2[] = {{"http", IGN_2_0}, {"https", IGN_2_0}, {"oem", IGN_2_0},
                                       {"data", IGN_2_0}, {"tftp", IGN_2_1},  {"s3", IGN_2_1}};

static bool escapes_valid(const char *s)
{
    for (; *s && *s != '?'; s++)
        if (*s == '%' && !(isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])))
            return false;
    return true;
}

const char *url_scheme(const char *url, char *buf, size_t size)
{
    size_t n = 0;
    bool opaque;

    for (const char *p = url; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return NULL;
    if (isalpha((unsigned char)url[0]))
        while (isalnum((unsigned char)url[n]) || (url[n] && strchr("+-.", url[n])))
            n++;
    if (url[n] != ':' || n >= size) {
        /* no scheme: what is left must not look like one */
        n = strcspn(url, "/?#");
        return memchr(url, ':', n) || !escapes_valid(url) ? NULL : strcpy(buf, "");
    }
    if (n == 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
        buf[i] = (char)tolower((unsigned char)url[i]);
    buf[n] = '\0';
    opaque = url[n + 1] != '/';
    return opaque || escapes_valid(url) ? buf : NULL;
}

/* A versionId that is there must say something. */
static bool version_id_valid(const char *url)
{
    static const char key[] = "versionId";
    const char *p = strchr(url, '?');

    while (p && *p && *p != '#') {
        p++;
        if (strncmp(p, key, sizeof(key) - 1) == 0) {
            const char *rest = p + sizeof(key) - 1;

            if (*rest == '\0' || *rest == '&' || *rest == '#')
                return false;
            if (*rest == '=')
                return rest[1] != '\0' && rest[1] != '&' && rest[1] != '#';
        }
        p = strpbrk(p, "&#");
    }
    return true;
}

int url_check_v2(const char *url, IgnVersion version, Error *e)
{
    const SchemeRow *row = NULL;
    char buf[32];
    const char *scheme;

    if (!url || !*url)
        return 0;
    scheme = url_scheme(url, buf, sizeof(buf));
    if (!scheme)
        return error_set(e, EINVAL, "unable to parse url");
    for (size_t i = 0; i < ELEMENTS(schemes_v2); i++)
        if (strcmp(schemes_v2[i].name, scheme) == 0 && version >= schemes_v2[i].since)
            row = &schemes_v2[i];
    if (!row)
        return error_set(e, EINVAL, "invalid url scheme");
    if (strcmp(scheme, "s3") == 0 && !version_id_valid(url))
        return error_set(e, EINVAL, "invalid S3 object VersionId");
    if (strcmp(scheme, "data") == 0) {
        _cleanup_buf_ Buf data = BUF_INIT;

        return data_url_decode(url, &data, e);
    }
    return 0;
}
