#pragma once
/* GRUB's environment block: the file (boot/grub/grubenv) in which it remembers names and values from boot to
 * boot. GRUB writes it in place, into the blocks that it lies in, and cannot make it longer; so it is written
 * here as well, and a file of another size than before is never left behind. */
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

enum { GRUB_ENV_SIZE = 1024, GRUB_ENV_MAX = 64 << 10 };

void grub_env_make(char block[GRUB_ENV_SIZE]); /* without a name in it */
/* NULL: it is not there, or this is no environment block. */
const char *grub_env_get(Arena *a, const char *block, size_t n, const char *name);
/* In the same bytes; NULL takes the name away. 1: changed; -EBADMSG: no environment block; -ENOSPC. */
int grub_env_set(char *block, size_t n, const char *name, const char *value);

/* A file below a directory that is trusted. -ENOENT without an Error's text; -EBADMSG, -EFBIG. */
int grub_env_read(int dirfd, const char *path, Buf *ret, Error *e);
/* Over what is there, which must be of this size, and onto the disk. */
int grub_env_write(int dirfd, const char *path, const Buf *block, Error *e);
