/* Splits scheme://[user@]host[:port][/path][?query][#fragment]. */
#include "net/url_address.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

void url_address_done(UrlAddress *u)
{
    buf_done(&u->path);
    *u = (UrlAddress){0};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode(const char *text, size_t n, bool plus, Buf *ret)
{
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '%') {
            int high = n - i > 2 ? hex_digit(text[i + 1]) : -1, low = n - i > 2 ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return -EINVAL;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        buf_add_char(ret, c);
    }
    return 0;
}

static int authority_read(const char *text, size_t n, UrlAddress *u)
{
    const char *at = memrchr(text, '@', n), *end = text + n;
    const char *host = at ? at + 1 : text, *host_end, *port;

    if (host < end && *host == '[') {
        host++;
        host_end = memchr(host, ']', (size_t)(end - host));
        if (!host_end)
            return -EINVAL;
        port = host_end + 1;
    } else {
        for (host_end = host; host_end < end && *host_end != ':'; host_end++)
            ;
        port = host_end;
    }
    if (host_end == host || host_end - host >= URL_HOST_MAX || (port < end && *port != ':'))
        return -EINVAL;
    memcpy(u->host, host, (size_t)(host_end - host));
    u->host[host_end - host] = '\0';
    if (port < end)
        port++;
    if (end - port > 5)
        return -EINVAL;
    unsigned long number = 0;
    for (; port < end; port++) {
        if (*port < '0' || *port > '9')
            return -EINVAL;
        number = number * 10 + (unsigned long)(*port - '0');
    }
    if (number > UINT16_MAX)
        return -EINVAL;
    u->port = (uint16_t)number;
    return 0;
}

int url_address_read(const char *url, UrlAddress *ret)
{
    UrlAddress u = {0};
    const char *text = strstr(url, "://");

    if (!text || text == url || strcspn(url, "/?#") < (size_t)(text - url))
        return -EINVAL;
    text += strlen("://");
    size_t authority = strcspn(text, "/?#");
    const char *path = text + authority;
    size_t path_len = strcspn(path, "?#");
    int r = authority_read(text, authority, &u);
    if (r >= 0)
        r = decode(path, path_len, false, &u.path);
    if (r < 0) {
        url_address_done(&u);
        return r;
    }
    u.query = path[path_len] == '?' ? path + path_len + 1 : NULL;
    *ret = u;
    return 0;
}

int url_address_query(const UrlAddress *u, const char *key, Buf *ret)
{
    const char *p = u->query, *end = p ? p + strcspn(p, "#") : NULL;

    while (p && p < end) {
        size_t n = strcspn(p, "&#"), name = strcspn(p, "=&#");
        _cleanup_buf_ Buf decoded = BUF_INIT;
        if (decode(p, name, true, &decoded) < 0)
            return -EINVAL;
        if (decoded.len == strlen(key) && (decoded.len == 0 || memcmp(decoded.data, key, decoded.len) == 0)) {
            int r = name < n ? decode(p + name + 1, n - name - 1, true, ret) : 0;
            return r < 0 ? r : 1;
        }
        p += n + (p + n < end ? 1 : 0);
    }
    return 0;
}
