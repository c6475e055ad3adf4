/* One copy of a LUKS2 header from a disk. Digests are of what fuzzing makes: the input's is put right first,
 * else no input would get past it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/digest.h"
#include "system/luks_header.h"

static void digest_right(uint8_t *p, size_t n)
{
    uint8_t found[DIGEST_SIZE_MAX];
    _cleanup_(digest_freep)
    Digest *d = NULL;
    memcpy(p + 72, "sha256", 7);
    memset(p + 448, 0, 64);
    if (digest_new(DIGEST_SHA256, &d, NULL) < 0)
        abort();
    digest_update(d, p, n);
    memcpy(p + 448, found, digest_finish(d, found));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    LuksFacts f;
    uint64_t sequence;
    (void)luks_header_parse(a, data, size, &f, &sequence);
    if (size <= 4096 || size > LUKS_HEADER_MAX)
        return 0;
    uint8_t *copy = (uint8_t *)arena_memdup(a, data, size);
    memcpy(copy, "LUKS\xba\xbe\0\2", 8);
    for (unsigned i = 0; i < 8; i++)
        copy[8 + i] = (uint8_t)(size >> (56 - 8 * i));
    digest_right(copy, size);
    if (luks_header_parse(a, copy, size, &f, &sequence) == 0 && f.version != 2)
        abort();
    return 0;
}
