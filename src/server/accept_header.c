/* Entries are "type/subtype; parameter=value; …", separated by commas. Those of the Ignition type that name a
 * version count; of them the one with the largest q, the first of equals. An entry without a slash, a version
 * that is none ("1", "3.4") and a q that is none are passed over, as if they were not there. All of 2.2 and
 * above in 2.x is answered with 2.2, which those clients read; 3.x above the newest with the newest. */
#include "server/accept_header.h"

#include <stdlib.h>
#include <string.h>

#define SUBTYPE "vnd.coreos.ignition+json"

typedef struct Text {
    const char *at;
    size_t n;
} Text;

typedef struct Entry {
    bool wanted; /* the Ignition type with a version */
    unsigned major, minor;
    double quality;
} Entry;

static Text trim(const char *from, size_t n)
{
    while (n && strchr(" \t", *from))
        from++, n--;
    while (n && strchr(" \t", from[n - 1]))
        n--;
    return (Text){from, n};
}

/* Cuts off what stands before the separator. */
static Text next(Text *rest, char separator)
{
    const char *end = memchr(rest->at, separator, rest->n);
    size_t n = end ? (size_t)(end - rest->at) : rest->n;
    Text piece = trim(rest->at, n);
    rest->at += end ? n + 1 : n;
    rest->n -= end ? n + 1 : n;
    return piece;
}

static bool starts(Text t, const char *prefix)
{
    return t.n >= strlen(prefix) && !memcmp(t.at, prefix, strlen(prefix));
}

/* Three numbers with dots; what comes behind a '-' or '+' does not matter. */
static bool read_version(Text t, Entry *e)
{
    char text[32], *end = text;
    unsigned long part[3];
    if (t.n >= 2 && t.at[0] == '"' && t.at[t.n - 1] == '"')
        t = (Text){t.at + 1, t.n - 2};
    if (t.n >= sizeof(text))
        return false;
    memcpy(text, t.at, t.n);
    text[t.n] = '\0';
    for (size_t i = 0; i < ELEMENTS(part); i++) {
        if (i && *end++ != '.')
            return false;
        if (*end < '0' || *end > '9')
            return false;
        part[i] = strtoul(end, &end, 10);
        if (part[i] > 9999)
            return false;
    }
    e->major = (unsigned)part[0];
    e->minor = (unsigned)part[1];
    return !*end || *end == '-' || *end == '+';
}

/* RFC 9110: "0.5"; no sign, no exponent, no infinity. */
static bool read_quality(Text t, double *ret)
{
    char text[16], *end;
    if (!t.n || t.n >= sizeof(text))
        return false;
    memcpy(text, t.at, t.n);
    text[t.n] = '\0';
    if (strspn(text, "0123456789.") != t.n)
        return false;
    *ret = strtod(text, &end);
    return end != text && !*end;
}

static Entry read_entry(Text text)
{
    Entry e = {.quality = 1};
    Text type = next(&text, ';');
    const char *slash = memchr(type.at, '/', type.n);
    bool ours = slash && type.n - (size_t)(slash + 1 - type.at) == strlen(SUBTYPE) &&
                !memcmp(slash + 1, SUBTYPE, strlen(SUBTYPE));
    bool has_quality = false;
    while (ours && text.n) {
        Text p = next(&text, ';');
        if (!e.wanted && starts(p, "version="))
            e.wanted = read_version((Text){p.at + 8, p.n - 8}, &e);
        else if (!has_quality && starts(p, "q="))
            has_quality = read_quality((Text){p.at + 2, p.n - 2}, &e.quality);
    }
    return e;
}

static IgnVersion served(unsigned major, unsigned minor)
{
    static const IgnVersion three[] = {IGN_NONE, IGN_3_1, IGN_3_2, IGN_3_3, IGN_3_4, IGN_3_5, IGN_3_6};
    if (major == 2)
        return minor >= 2 ? IGN_2_2 : IGN_NONE;
    if (major != 3)
        return IGN_NONE;
    return minor < ELEMENTS(three) ? three[minor] : IGN_NEWEST;
}

IgnVersion accept_header_version(const char *accept)
{
    Text rest = {accept ? accept : "", accept ? strlen(accept) : 0};
    Entry best = {.quality = -1};
    while (rest.n) {
        Entry e = read_entry(next(&rest, ','));
        if (e.wanted && e.quality > best.quality)
            best = e;
    }
    return best.wanted ? served(best.major, best.minor) : IGN_2_2;
}
