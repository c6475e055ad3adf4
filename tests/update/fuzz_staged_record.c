/* A record that is read means the same when it is written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "update/staged_record.h"

static int same(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_buf_ Buf b = BUF_INIT;
    StagedRecord r, again;

    if (staged_record_decode(a, data, size, &r) < 0)
        return 0;
    staged_record_encode(&r, &b);
    if (staged_record_decode(a, b.data, b.len, &again) < 0 || !same(again.target.path, r.target.path) ||
        !same(again.merge_checksum, r.merge_checksum) ||
        again.target.finalization_locked != r.target.finalization_locked)
        abort();
    return 0;
}
