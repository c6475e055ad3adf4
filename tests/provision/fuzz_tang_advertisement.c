/* What a server answers; also as the payload of an answer, so that its encoding is no hurdle. */
#include <stdint.h>

#include "format/base64url.h"
#include "provision/tang_advertisement.h"

static void read_one(Arena *a, const char *text, size_t n)
{
    _cleanup_(string_list_done)
    StringList thumbprints = {0};
    Node *root;
    if (tang_advertisement_read(a, text, n, &root, &thumbprints, NULL) == 0)
        (void)tang_advertisement_has(a, root, "x", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;
    read_one(a, (const char *)data, size);
    buf_add_str(&b, "{\"payload\":\"");
    base64url_encode(data, size, &b);
    buf_add_str(&b, "\"}");
    read_one(a, b.data, b.len);
    return 0;
}
