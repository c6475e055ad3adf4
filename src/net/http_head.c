/* The lines come from the network and end in no NUL. A value that cannot be understood counts as absent. */
#include "net/http_head.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value that would have to be cut would pass for another, and one with control characters is not to be sent
 * back: both are left empty. */
static bool header_is(const char *line, size_t n, const char *name, char *value, size_t size)
{
    size_t len = strlen(name);
    if (n <= len || line[len] != ':' || strncasecmp(line, name, len))
        return false;
    const char *p = line + len + 1, *end = line + n;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && memchr(" \t\r\n", end[-1], 4))
        end--;
    size_t got = (size_t)(end - p);
    for (const char *c = p; c < end; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            got = 0;
    if (got >= size)
        got = 0;
    memcpy(value, p, got);
    value[got] = '\0';
    return true;
}

static uint64_t part_start(const char *range)
{
    if (strncasecmp(range, "bytes ", 6) || range[6] < '0' || range[6] > '9')
        return UINT64_MAX;
    char *end;
    errno = 0;
    unsigned long long start = strtoull(range + 6, &end, 10);
    return errno || *end != '-' ? UINT64_MAX : start;
}

void http_head_line(HttpHead *h, const char *line, size_t n)
{
    char value[sizeof(h->etag)];
    if (n > 5 && !memcmp(line, "HTTP/", 5))
        *h = (HttpHead){.part_start = UINT64_MAX};
    else if (n && (line[0] == '\r' || line[0] == '\n'))
        h->whole = true;
    else if (header_is(line, n, "etag", value, sizeof(value)))
        memcpy(h->etag, value, sizeof(value));
    else if (header_is(line, n, "accept-ranges", value, sizeof(value)))
        h->ranges = !strcasecmp(value, "bytes");
    else if (header_is(line, n, "content-range", value, sizeof(value)))
        h->part_start = part_start(value);
}
