/* The standard alphabet's functions do the work; two characters differ, and the padding is left out. */
#include "format/base64url.h"

#include <errno.h>
#include <string.h>

#include "format/data_url.h"

void base64url_encode(const void *data, size_t n, Buf *out)
{
    size_t start = out->len;
    base64_encode(data, n, out);
    while (out->len > start && out->data[out->len - 1] == '=')
        out->data[--out->len] = '\0';
    for (size_t i = start; i < out->len; i++)
        out->data[i] = out->data[i] == '+' ? '-' : out->data[i] == '/' ? '_' : out->data[i];
}

int base64url_decode(const char *text, size_t n, Buf *ret)
{
    _cleanup_(buf_done_secret)
    Buf standard = BUF_INIT;
    if (n % 4 == 1)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '+' || text[i] == '/' || text[i] == '=')
            return -EINVAL;
        buf_add_char(&standard, text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i]);
    }
    while (standard.len % 4)
        buf_add_char(&standard, '=');
    return base64_decode(standard.data ? standard.data : "", standard.len, ret);
}
