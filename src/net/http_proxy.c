/* libcurl has a list like this, with other rules: no ports, no "*." and ".name" matches the name as well. */
#include "net/http_proxy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 256 };

typedef struct Address {
    int bits; /* 32, 128; 0: none */
    unsigned char bytes[16];
} Address;

typedef struct Target {
    char host[NAME_SIZE], port[8];
    Address address;
} Target;

static Address parse_address(const char *text)
{
    Address a = {0};
    if (inet_pton(AF_INET, text, a.bytes) == 1)
        a.bits = 32;
    else if (inet_pton(AF_INET6, text, a.bytes) == 1)
        a.bits = 128;
    return a;
}

static bool in_range(const Address *a, const Address *range, int prefix)
{
    if (!a->bits || a->bits != range->bits || prefix < 0 || prefix > a->bits)
        return false;
    for (int i = 0; i < prefix; i++)
        if ((a->bytes[i / 8] ^ range->bytes[i / 8]) & (0x80 >> i % 8))
            return false;
    return true;
}

static bool is_loopback(const Address *a)
{
    static const Address v4 = {.bits = 32, .bytes = {127}}, v6 = {.bits = 128, .bytes = {[15] = 1}};
    return in_range(a, &v4, 8) || in_range(a, &v6, 128);
}

/* "host", "host:port", "[address]", "[address]:port"; an address of IPv6 needs its brackets for a port only.
 */
static void split(const char *text, size_t n, Target *t)
{
    *t = (Target){0};
    const char *end = text + n, *colon = memrchr(text, ':', n), *host = text;
    bool bracket = n && *text == '[';
    const char *close = bracket ? memchr(text, ']', n) : NULL;
    if (close) {
        host++;
        colon = close + 1 < end && close[1] == ':' ? close + 1 : NULL;
    } else if (colon && memchr(text, ':', (size_t)(colon - text)))
        colon = NULL;
    if (colon)
        snprintf(t->port, sizeof(t->port), "%.*s", (int)(end - colon - 1), colon + 1);
    snprintf(t->host, sizeof(t->host), "%.*s", (int)((close ? close : colon ? colon : end) - host), host);
    t->address = parse_address(t->host);
}

static bool entry_matches(const char *text, size_t n, const Target *t)
{
    Target entry;
    const char *slash = memchr(text, '/', n);
    if (n == 1 && *text == '*')
        return true;
    split(text, slash ? (size_t)(slash - text) : n, &entry);
    if (slash) {
        char *end;
        long prefix = strtol(slash + 1, &end, 10);
        return end == text + n && end > slash + 1 && prefix >= 0 && prefix <= 128 &&
               in_range(&t->address, &entry.address, (int)prefix);
    }
    if (!entry.host[0] || (entry.port[0] && strcmp(entry.port, t->port)))
        return false;
    if (entry.address.bits)
        return in_range(&t->address, &entry.address, entry.address.bits);
    const char *name = entry.host + (!strncmp(entry.host, "*.", 2));
    size_t len = strlen(name), host = strlen(t->host);
    if (host < len || strcasecmp(t->host + host - len, name))
        return false;
    return *name == '.' ? host > len : host == len || t->host[host - len - 1] == '.';
}

static void find_target(const char *url, Target *t)
{
    const char *authority = strstr(url, "//");
    authority = authority ? authority + strspn(authority, "/") : url;
    size_t n = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', n), *host = at ? at + 1 : authority;
    split(host, n - (size_t)(host - authority), t);
    if (!t->port[0])
        strcpy(t->port, strncasecmp(url, "https:", 6) ? "80" : "443");
}

bool http_proxy_bypassed(const char *const *no_proxy, const char *url)
{
    Target t;
    find_target(url, &t);
    if (!strcasecmp(t.host, "localhost") || is_loopback(&t.address))
        return true;
    for (; no_proxy && *no_proxy; no_proxy++)
        for (const char *p = *no_proxy; *p;) {
            size_t skip = strspn(p, ", \t"), n = strcspn(p + skip, ", \t");
            if (n && entry_matches(p + skip, n, &t))
                return true;
            p += skip + n;
        }
    return false;
}
