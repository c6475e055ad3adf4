/* User data of any kind. What is a JSON object already is left alone. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/log.h"
#include "provision/user_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_buf_ Buf b = BUF_INIT;

    log_open(LOG_TARGET_STDERR, "fuzz", LOG_LEVEL_ERROR);
    buf_add(&b, data, size);
    int r = user_data_unpack(&b, NULL);
    if (size > 0 && data[0] == '{')
        assert(r == 0);
    if (r == 0 && size > 0)
        assert(b.len == size && memcmp(b.data, data, size) == 0);
    return 0;
}
