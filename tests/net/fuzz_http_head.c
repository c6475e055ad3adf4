/* Lines as a server may send them, each in memory of its own size, so that a byte read past its end is seen.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    HttpHead h = {0};
    while (size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t n = end ? (size_t)(end - data) + 1 : size;
        char *line = malloc(n);
        if (!line)
            abort();
        memcpy(line, data, n);
        http_head_line(&h, line, n);
        assert(memchr(h.etag, '\0', sizeof(h.etag)));
        assert(!strpbrk(h.etag, "\r\n")); /* it goes into a request */
        free(line);
        data += n;
        size -= n;
    }
    return 0;
}
