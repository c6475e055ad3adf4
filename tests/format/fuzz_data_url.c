/* A URL as text; its bytes must survive both encoders. Each input is tried as a whole URL, as percent-encoded
 * data and as base64. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/data_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const char *url, const Buf *bytes)
{
    _cleanup_buf_ Buf again = BUF_INIT;
    if (data_url_decode(url, &again, NULL) < 0 || again.len != bytes->len ||
        (bytes->len && memcmp(again.data, bytes->data, bytes->len) != 0))
        abort();
}

static void try_url(const char *prefix, const uint8_t *data, size_t size)
{
    _cleanup_buf_ Buf url = BUF_INIT, bytes = BUF_INIT, base64 = BUF_INIT, percent = BUF_INIT;
    Error e = ERROR_INIT;
    buf_add_str(&url, prefix);
    buf_add(&url, data, size);
    int r = data_url_decode(url.data, &bytes, &e);
    if (data_url_check(url.data, NULL) != r)
        abort();
    if (r < 0) {
        if (!*e.text || bytes.len)
            abort();
        return;
    }
    data_url_encode_base64("text/plain", bytes.data, bytes.len, &base64);
    data_url_encode_percent(bytes.data, bytes.len, &percent);
    check_again(base64.data, &bytes);
    check_again(percent.data, &bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_url("", data, size);
    try_url("data:,", data, size);
    try_url("data:;base64,", data, size);
    return 0;
}
