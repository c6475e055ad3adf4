#pragma once
/* What an encrypted volume says of itself, read from its header without any library, key or right to write:
 * also of image files. LUKS2 keeps two copies of its header with a digest each; the newer sound one counts.
 */
#include "system/device_facts.h"

enum { LUKS_HEADER_MAX = 4 << 20 };

/* ret->version is 0 when there is no header. A header whose copies are both damaged is version 2 with nothing
 * else known of it. Of a block device also whether it is open, and as what. */
int luks_header_look(Arena *a, const char *path, LuksFacts *ret, Error *e);
int luks_header_look_fd(Arena *a, int fd, LuksFacts *ret, Error *e);

/* One copy of a LUKS2 header in memory, from its first byte. -EBADMSG: not whole, or not sound. */
int luks_header_parse(Arena *a, const void *data, size_t n, LuksFacts *ret, uint64_t *ret_sequence);

/* The name under which the volume with that UUID is open; NULL: it is not. `sysfs` is "/sys" but for tests.
 */
const char *luks_mapping_find(Arena *a, const char *sysfs, const char *uuid);
