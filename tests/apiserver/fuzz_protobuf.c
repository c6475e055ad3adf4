/* Objects in protobuf, from a client. */
#include <stddef.h>
#include <stdint.h>

#include "apiserver/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    Node *object;
    (void)protobuf_read(a, data, size, &object, NULL);
    return 0;
}
