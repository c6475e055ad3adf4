/* Order of the cuts: fragment, scheme, query, then authority and path. Refused: control characters, an empty
 * scheme (":x"), broken percent escapes in host, path and fragment, characters that no host has, ports that
 * are no numbers, and a first path segment with a colon where no scheme stands. The part behind an opaque
 * scheme
 * ("data:…", "arn:…") is taken as it is. */
#include "ignition/url_parts.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"

static bool escapes_valid(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] == '%' &&
            (i + 2 >= n || !isxdigit((unsigned char)s[i + 1]) || !isxdigit((unsigned char)s[i + 2])))
            return false;
    return true;
}

/* ":" and digits, or nothing. */
static bool port_valid(const char *s, size_t n)
{
    if (n == 0)
        return true;
    if (s[0] != ':')
        return false;
    for (size_t i = 1; i < n; i++)
        if (!isdigit((unsigned char)s[i]))
            return false;
    return true;
}

/* In a host only bytes past ASCII and a literal percent sign may be escaped. */
static bool host_valid(const char *s, size_t n)
{
    if (!escapes_valid(s, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '%') {
            if (s[i + 1] < '8' && memcmp(s + i, "%25", 3) != 0)
                return false;
            i += 2;
        } else if (c < 0x80 && !isalnum(c) && !strchr("-_.~!$&'()*+,;=:[]<>\"", c))
            return false;
    }
    return true;
}

static bool authority_valid(const char *s, size_t n)
{
    const char *at = memrchr(s, '@', n);
    if (at) {
        for (const char *p = s; p < at; p++)
            if (!isalnum((unsigned char)*p) && !strchr("-._:~!$&'()*+,;=%@", *p))
                return false;
        if (!escapes_valid(s, (size_t)(at - s)))
            return false;
        n -= (size_t)(at + 1 - s);
        s = at + 1;
    }
    const char *close = memrchr(s, ']', n), *colon = memrchr(s, ':', n);
    if (n > 0 && s[0] == '[') {
        if (!close || !port_valid(close + 1, (size_t)(s + n - close - 1)))
            return false;
        const char *zone = memmem(s, (size_t)(close - s), "%25", 3);
        return host_valid(s, (size_t)((zone ? zone : close) - s));
    }
    if (colon && !port_valid(colon, (size_t)(s + n - colon)))
        return false;
    return host_valid(s, n);
}

/* Length of the scheme before its colon; 0: none; -EINVAL: a colon with nothing before it. */
static int scheme_len(const char *s, size_t n, size_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == ':') {
            *ret = i;
            return i == 0 ? -EINVAL : 0;
        }
        if (!isalpha(c) && (i == 0 || (!isdigit(c) && !strchr("+-.", c))))
            return 0;
    }
    return 0;
}

static int hierarchical_check(const char *s, size_t n, bool has_scheme)
{
    const char *slash = memchr(s, '/', n);
    size_t segment = slash ? (size_t)(slash - s) : n;
    if (!has_scheme && memchr(s, ':', segment))
        return -EINVAL;
    bool authority = n >= 2 && memcmp(s, "//", 2) == 0;
    if (authority && (has_scheme || n < 3 || s[2] != '/')) {
        const char *end = memchr(s + 2, '/', n - 2);
        size_t len = end ? (size_t)(end - s - 2) : n - 2;
        if (!authority_valid(s + 2, len))
            return -EINVAL;
        s += 2 + len;
        n -= 2 + len;
    }
    return escapes_valid(s, n) ? 0 : -EINVAL;
}

/* Block by block and to the end of each, which compilers make vector instructions of: data URLs are long. */
static bool has_controls(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned char bad = 0;
    for (; n >= 64 && !bad; p += 64, n -= 64)
        for (size_t i = 0; i < 64; i++)
            bad |= (p[i] < 0x20) | (p[i] == 0x7f);
    for (size_t i = 0; i < n; i++)
        bad |= (p[i] < 0x20) | (p[i] == 0x7f);
    return bad != 0;
}

int url_parts_read(const char *text, UrlParts *ret)
{
    UrlParts u = {};
    size_t n = strlen(text), scheme;
    if (has_controls(text, n))
        return -EINVAL;
    const char *fragment = memchr(text, '#', n);
    if (fragment) {
        if (!escapes_valid(fragment + 1, (size_t)(text + n - fragment - 1)))
            return -EINVAL;
        n = (size_t)(fragment - text);
    }
    if (scheme_len(text, n, &scheme) < 0)
        return -EINVAL;
    for (size_t i = 0; scheme < URL_SCHEME_MAX && i < scheme; i++)
        u.scheme[i] = (char)tolower((unsigned char)text[i]);

    u.rest = scheme ? text + scheme + 1 : text;
    u.rest_len = (size_t)(text + n - u.rest);
    const char *mark = memchr(u.rest, '?', u.rest_len);
    if (mark) {
        u.query = mark + 1;
        u.query_len = (size_t)(text + n - u.query);
        u.rest_len = (size_t)(mark - u.rest);
    }
    bool opaque = scheme && (u.rest_len == 0 || u.rest[0] != '/');
    if (!opaque && hierarchical_check(u.rest, u.rest_len, scheme > 0) < 0)
        return -EINVAL;
    *ret = u;
    return 0;
}

int url_parts_query(const UrlParts *u, const char *key, size_t *ret_len)
{
    const char *p = u->query, *end = p ? p + u->query_len : NULL;
    size_t key_len = strlen(key);
    while (p && p < end) {
        const char *amp = memchr(p, '&', (size_t)(end - p));
        size_t n = (size_t)((amp ? amp : end) - p);
        if (n >= key_len && memcmp(p, key, key_len) == 0 && (n == key_len || p[key_len] == '=')) {
            *ret_len = n == key_len ? 0 : n - key_len - 1;
            return 1;
        }
        p = amp ? amp + 1 : NULL;
    }
    return 0;
}
