/* One small function a format, in the sense of go-openapi's strfmt. Formats of goods and cards (isbn, ssn,
 * creditcard, colours) are taken as any text: nobody's machine is described by them. */
#include "apiserver/format_check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver/name_check.h"
#include "base/cleanup.h"

static bool any(const char *s)
{
    (void)s;
    return true;
}

static bool ipv4(const char *s)
{
    struct in_addr in;
    return inet_pton(AF_INET, s, &in) == 1;
}

static bool ipv6(const char *s)
{
    struct in6_addr in;
    return strchr(s, ':') && inet_pton(AF_INET6, s, &in) == 1;
}

static bool cidr(const char *s)
{
    char address[64];
    const char *slash = strchr(s, '/');
    if (!slash || (size_t)(slash - s) >= sizeof(address))
        return false;
    memcpy(address, s, (size_t)(slash - s));
    address[slash - s] = '\0';
    if (!slash[1] || slash[1 + strspn(slash + 1, "0123456789")] || strlen(slash + 1) > 3 ||
        (slash[1] == '0' && slash[2]))
        return false;
    long bits = strtol(slash + 1, NULL, 10);
    return (ipv4(address) && bits <= 32) || (ipv6(address) && bits <= 128);
}

static bool mac(const char *s)
{
    size_t n = strlen(s), bytes = 0;
    char separator = n > 2 ? s[2] : 0;
    if (separator != ':' && separator != '-')
        return false;
    for (size_t i = 0; i < n; i += 3, bytes++)
        if (i + 2 > n || !isxdigit((unsigned char)s[i]) || !isxdigit((unsigned char)s[i + 1]) ||
            (i + 2 < n && s[i + 2] != separator) || i + 3 == n)
            return false;
    return bytes == 6 || bytes == 8 || bytes == 20;
}

/* version 0: any */
static bool uuid_of(const char *s, char version)
{
    char digits[33];
    size_t n = 0;
    for (; *s; s++) {
        if (*s == '-' && (n == 8 || n == 12 || n == 16 || n == 20) && s[1] != '-')
            continue;
        if (!isxdigit((unsigned char)*s) || n == 32)
            return false;
        digits[n++] = *s;
    }
    return n == 32 && (!version || digits[12] == version) &&
           (!version || version == '3' || strchr("89abAB", digits[16]));
}

static bool uuid(const char *s)
{
    return uuid_of(s, 0);
}

static bool uuid3(const char *s)
{
    return uuid_of(s, '3');
}

static bool uuid4(const char *s)
{
    return uuid_of(s, '4');
}

static bool uuid5(const char *s)
{
    return uuid_of(s, '5');
}

/* Two or four digits between bounds. */
static bool digits(const char **s, int n, int min, int max)
{
    int v = 0;
    for (int i = 0; i < n; i++, (*s)++) {
        if (!isdigit((unsigned char)**s))
            return false;
        v = v * 10 + (**s - '0');
    }
    return v >= min && v <= max;
}

static bool skip(const char **s, const char *any_of)
{
    if (!**s || !strchr(any_of, **s))
        return false;
    (*s)++;
    return true;
}

static bool full_date(const char **s)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const char *start = *s;
    if (!digits(s, 4, 0, 9999) || !skip(s, "-") || !digits(s, 2, 1, 12) || !skip(s, "-"))
        return false;
    int year = atoi(start), month = atoi(start + 5);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return digits(s, 2, 1, month == 2 && !leap ? 28 : days[month - 1]);
}

static bool date(const char *s)
{
    return full_date(&s) && !*s;
}

static bool datetime(const char *s)
{
    if (!full_date(&s) || !skip(&s, "Tt ") || !digits(&s, 2, 0, 23) || !skip(&s, ":") ||
        !digits(&s, 2, 0, 59) || !skip(&s, ":") || !digits(&s, 2, 0, 60))
        return false;
    if (skip(&s, ".,")) {
        if (!isdigit((unsigned char)*s))
            return false;
        s += strspn(s, "0123456789");
    }
    if (skip(&s, "Zz"))
        return !*s;
    return skip(&s, "+-") && digits(&s, 2, 0, 23) && skip(&s, ":") && digits(&s, 2, 0, 59) && !*s;
}

static bool duration(const char *s)
{
    static const char *const units[] = {
        "nanoseconds", "nanosecond", "nanos", "nano",    "ns",     "microseconds", "microsecond",
        "micros",      "micro",      "us",    "µs",      "μs",     "milliseconds", "millisecond",
        "millis",      "milli",      "ms",    "seconds", "second", "sec",          "s",
        "minutes",     "minute",     "min",   "mins",    "m",      "hours",        "hour",
        "hr",          "h",          "days",  "day",     "d",      "weeks",        "week",
        "wk",          "w",
    };
    bool some = false;
    s += strspn(s, "+-");
    if (!strcmp(s, "0"))
        return true;
    while (*s) {
        size_t n = strspn(s, "0123456789"), unit = 0;
        s += n;
        if (*s == '.') {
            size_t m = strspn(s + 1, "0123456789");
            s += m + 1;
            n += m;
        }
        s += strspn(s, " ");
        for (size_t i = 0; i < ELEMENTS(units); i++)
            if (!strncmp(s, units[i], strlen(units[i])) && strlen(units[i]) > unit)
                unit = strlen(units[i]);
        if (!n || !unit)
            return false;
        s += unit;
        s += strspn(s, " ");
        some = true;
    }
    return some;
}

static bool uri(const char *s)
{
    size_t scheme = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f ||
            (*p == '%' && !(isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2]))))
            return false;
    return *s == '/' || (scheme && isalpha((unsigned char)*s) && s[scheme] == ':' && s[scheme + 1]);
}

static bool email(const char *s)
{
    const char *at = strrchr(s, '@'), *open = strchr(s, '<');
    if (open && s[strlen(s) - 1] == '>')
        return strchr(open, '@') && open[1] != '@';
    return at && at != s && at[1] && !strpbrk(s, " \t\r\n,;<>()[]\\\"") && at[1] != '.' &&
           at[strlen(at) - 1] != '.';
}

static bool hostname(const char *s)
{
    size_t n = strlen(s), part = 0;
    if (!n || n > 255)
        return false;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && s[i] != '.') {
            part++;
            if (!isalnum((unsigned char)s[i]) && s[i] != '-' && !((unsigned char)s[i] & 0x80))
                return false;
            continue;
        }
        if (!part || part > 63 || s[i - 1] == '-' || s[i - part] == '-')
            return false;
        part = 0;
    }
    return true;
}

static bool byte(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t pad = strspn(s + n, "=");
    return !s[n + pad] && pad <= 2 && (n + pad) % 4 == 0 && n > 0;
}

static bool short_name(const char *s)
{
    return !name_check_label(s);
}

static bool long_name(const char *s)
{
    return !name_check_subdomain(s);
}

static const struct {
    const char *name;
    FormatCheck check;
} formats[] = {
    {"bsonobjectid", any},
    {"uri", uri},
    {"email", email},
    {"hostname", hostname},
    {"ipv4", ipv4},
    {"ipv6", ipv6},
    {"cidr", cidr},
    {"mac", mac},
    {"uuid", uuid},
    {"uuid3", uuid3},
    {"uuid4", uuid4},
    {"uuid5", uuid5},
    {"isbn", any},
    {"isbn10", any},
    {"isbn13", any},
    {"creditcard", any},
    {"ssn", any},
    {"hexcolor", any},
    {"rgbcolor", any},
    {"byte", byte},
    {"password", any},
    {"date", date},
    {"duration", duration},
    {"datetime", datetime},
    {"k8sshortname", short_name},
    {"k8slongname", long_name},
};

FormatCheck format_check_get(const char *format)
{
    char name[32];
    size_t n = 0;
    for (; *format && n < sizeof(name) - 1; format++)
        if (*format != '-')
            name[n++] = *format;
    name[n] = '\0';
    for (size_t i = 0; i < ELEMENTS(formats); i++)
        if (!strcmp(name, formats[i].name))
            return formats[i].check;
    return NULL;
}
