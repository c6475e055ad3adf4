/* Any header: an answer that is served, or none. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "server/accept_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    buf_add(&text, data, size);
    IgnVersion v = accept_header_version(text.data);
    if (v != IGN_NONE && v != IGN_2_2 && (v < IGN_3_1 || v > IGN_NEWEST))
        abort();
    return 0;
}
