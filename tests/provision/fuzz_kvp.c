/* Messages of a host: as they are, and filled up to the one size that the kernel takes, so that what is in
 * them is looked at. A pair that is taken fits into a pool file and comes back out of it. */
#include <assert.h>
#include <string.h>

#include "provision/kvp.h"

static void check(Arena *a, const KvpPair *pair)
{
    _cleanup_buf_ Buf file = BUF_INIT, config = BUF_INIT;
    KvpPair copy = *pair;
    const KvpPairs pairs = {.arena = a, .pairs = &copy, .n = 1};
    KvpPairs back = {.arena = a};

    assert(strlen(pair->key) < KVP_KEY_SIZE && strlen(pair->value) < KVP_VALUE_SIZE);
    kvp_pool_file(&pairs, pair->pool, &file);
    assert(file.len == KVP_KEY_SIZE + KVP_VALUE_SIZE);
    kvp_pool_read(pair->pool, &file, &back);
    assert(back.n == 1 && !strcmp(back.pairs[0].key, pair->key) && !strcmp(back.pairs[0].value, pair->value));
    assert(kvp_config(&pairs, &config) <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    uint8_t message[KVP_MESSAGE_SIZE] = {0};
    KvpPair pair;

    if (kvp_message_read(a, data, size, &pair, NULL) > 0)
        assert(size == KVP_MESSAGE_SIZE);
    memcpy(message, data, size < sizeof(message) ? size : sizeof(message));
    if (kvp_message_read(a, message, sizeof(message), &pair, NULL) > 0)
        check(a, &pair);
    return 0;
}
