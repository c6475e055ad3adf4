#pragma once
/* Options as mount(8) takes them, taken apart for the kernel: flags, changes of propagation, and the text
 * that is the filesystem's own. Those for userspace alone (nofail, _netdev, x-systemd.…) are left out. */
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

typedef struct MountOptions {
    unsigned long flags;       /* MS_RDONLY, MS_NOSUID, … */
    unsigned long propagation; /* MS_SHARED and its kin, with MS_REC: a call of its own */
    const char *text;          /* as given, joined by commas: for messages; "" without any */
    const char *data;          /* NULL: none */
} MountOptions;

/* Each element is one option, or several with commas between them. */
int mount_options_read(Arena *a, const char *const *options, size_t n, MountOptions *ret, Error *e);
