/* The first byte of the input says how large the output is; the rest is taken twice. As it is: what comes out
 * has no query and no fragment, at any size. And cut at its line ends into
 * user, host and path, query, fragment, whose letters tell where they belong: nothing of a user or of a query
 * comes out, the rest does. */
#include <assert.h>
#include <string.h>

#include "net/http_client.h"

enum { URL_MAX = 4096 };

/* A part of a URL whose letters are all `mark`, without the characters that would end the part. */
static size_t add_part(char *out, size_t at, const uint8_t *part, size_t n, const char *ends, char mark)
{
    for (size_t i = 0; i < n && at < URL_MAX - 8; i++) {
        char c = (char)part[i];
        if (!c || strchr(ends, c))
            continue;
        out[at++] = strchr(":@;=&%!/?#.[]", c) ? c : mark;
    }
    return at;
}

static size_t line_length(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    return end ? (size_t)(end - data) : size;
}

static void check_parts(const uint8_t *data, size_t size)
{
    static const struct {
        const char *before, *ends;
        char mark;
    } parts[] = {{"https://", "/?#", 'S'}, {"@", "@?#", 'h'}, {"?", "#", 'S'}, {"#", "", 'S'}};
    char url[URL_MAX], out[URL_MAX];
    size_t at = 0, hosts = 0;
    for (unsigned i = 0; i < 4; i++) {
        size_t n = line_length(data, size), before = strlen(parts[i].before);
        memcpy(url + at, parts[i].before, before);
        at = add_part(url, at + before, data, n, parts[i].ends, parts[i].mark);
        data += n + (n < size);
        size -= n + (n < size);
    }
    url[at] = '\0';
    http_url_redact(url, out, sizeof(out));
    assert(!strchr(out, 'S'));
    for (const char *p = url; *p; p++)
        hosts += *p == 'h';
    for (const char *p = out; *p; p++)
        hosts -= *p == 'h';
    assert(hosts == 0);
}

static void check_whole(const uint8_t *data, size_t size, size_t out_size)
{
    char url[URL_MAX], out[URL_MAX];
    size_t n = size < sizeof(url) - 1 ? size : sizeof(url) - 1;
    memcpy(url, data, n);
    url[n] = '\0';
    assert(http_url_redact(url, out, out_size) == out);
    assert(strlen(out) < out_size && !strpbrk(out, "?#"));
    http_url_redact(url, out, sizeof(out));
    assert(!strpbrk(out, "?#"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    check_whole(data + 1, size - 1, data[0] + 1u);
    check_parts(data + 1, size - 1);
    return 0;
}
