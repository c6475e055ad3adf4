#pragma once
/* Who keeps a mount from being taken off, in words for a person: "process 812 (journald) has /var/log/x
 * open". */
#include <stdint.h>

#include "base/arena.h"

/* At most this many are told, then "and others". */
enum { MOUNT_USERS_TOLD = 6 };

/* "" when nobody is found (another mount namespace cannot be looked into). Never fails: it is said beside a
 * failure that is known already. */
const char *mount_users_text(Arena *a, uint64_t mount_id);
