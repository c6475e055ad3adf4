#include <stdint.h>

#include "system/user_db.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_arena_ Arena *a = arena_new();
    _cleanup_user_db_ UserDb db = {0};
    user_db_add_passwd(a, &db, (const char *)data, size);
    user_db_add_group(a, &db, (const char *)data, size);
    user_db_user(&db, "root");
    return 0;
}
