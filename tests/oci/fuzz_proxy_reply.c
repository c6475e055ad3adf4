/* A packet of skopeo's proxy. */
#include <stdlib.h>

#include "oci/image_proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    ProxyReply reply;
    Error e = ERROR_INIT;
    int r = proxy_reply_read(a, size ? (const char *)data : "", size, &reply, &e);
    if (r < 0) {
        if ((r != -EBADMSG && r != -EREMOTEIO) || !e.text[0])
            abort();
    } else if (reply.pipe > UINT32_MAX || reply.fd >= 0)
        abort();
    return 0;
}
