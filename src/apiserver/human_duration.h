#pragma once
/* Times as the API writes them and ages as kubectl shows them. */
#include <stdint.h>

#include "base/arena.h"

/* RFC 3339, fractions allowed and dropped. 0 with the seconds since 1970, or -EINVAL. */
int time_read(const char *s, int64_t *ret);
/* "5m3s", "47h", "2y10d"; "<invalid>" for what lies in the future by more than a second. */
const char *human_duration(Arena *a, int64_t seconds);
