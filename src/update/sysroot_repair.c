/* placeholder until the next commit */
#include "update/sysroot_state.h"

#include <errno.h>

int sysroot_repair(Sysroot *s, Report *r, Error *e)
{
    (void)s;
    (void)r;
    return error_set(e, ENOSYS, "not yet");
}
