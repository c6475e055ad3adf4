/* The first line is a URL, the rest a list. A list that matches goes on to do so with one entry more, and
 * "*" matches whatever the URL is. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "net/http_proxy.h"

enum { TEXT_MAX = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX] = "";
    size_t n = size < sizeof(text) - 1 ? size : sizeof(text) - 1;
    memcpy(text, data, n);
    char *line = memchr(text, '\n', n);
    if (!line)
        line = text + n;
    else
        *line++ = '\0';
    const char *const list[] = {line, NULL}, *const more[] = {"other.example", line, NULL},
                      *const all[] = {line, "*", NULL};
    if (http_proxy_bypassed(list, text))
        assert(http_proxy_bypassed(more, text));
    assert(http_proxy_bypassed(all, text));
    return 0;
}
