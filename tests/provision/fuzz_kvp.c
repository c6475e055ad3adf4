/* Messages of a host, of the kernel's size and of others. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "provision/kvp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MESSAGE = 5152 }; /* struct hv_kvp_msg; other sizes are tried as they are */
    _cleanup_arena_ Arena *a = arena_new();
    uint8_t message[MESSAGE] = {0};
    KvpPair pair[2];
    size_t n = 0;

    if (kvp_message_read(a, data, size, &pair[n], NULL) > 0)
        n++;
    for (size_t length = 4 + 2572; length <= MESSAGE; length++) {
        memcpy(message, data, size < length ? size : length);
        if (kvp_message_read(a, message, length, &pair[n], NULL) > 0) {
            n++;
            break;
        }
    }
    for (size_t i = 0; i < n; i++) {
        assert(strlen(pair[i].key) < KVP_KEY_SIZE && strlen(pair[i].value) < KVP_VALUE_SIZE);
        _cleanup_buf_ Buf file = BUF_INIT, config = BUF_INIT;
        const KvpPairs pairs = {.arena = a, .pairs = pair, .n = n};
        kvp_pool_file(&pairs, pair[i].pool, &file);
        assert(file.len >= KVP_KEY_SIZE + KVP_VALUE_SIZE && file.len % (KVP_KEY_SIZE + KVP_VALUE_SIZE) == 0);
        (void)kvp_config(&pairs, &config);
    }
    return 0;
}
