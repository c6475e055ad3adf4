#pragma once
/* A directory that a system is installed into: filesystems that somebody has made and mounted there, boot/
 * and the ESP where they belong. What they are is found out, and what of an earlier system is in the way. */
#include "base/arena.h"
#include "base/error.h"

typedef struct InstallRoot {
    const char *path;
    int fd;
    /* UUIDs of the filesystems that the directory and boot/ are the tops of; NULL: of none. */
    const char *root_uuid, *boot_uuid, *boot_format;
    const char *esp; /* "boot/efi", "efi"; NULL: neither is there */
    const char *esp_uuid;
    const char *in_way; /* what is there already: "ostree, boot/loader"; "" */
} InstallRoot;
#define INSTALL_ROOT_INIT ((InstallRoot){.fd = -EBADF})
static inline void install_root_done(InstallRoot *root)
{
    closep(&root->fd);
}
#define _cleanup_install_root_ _cleanup_(install_root_done)

/* Looks only. -EINVAL: it is the root of the running machine. `efi` is the loader's name in the ESP. */
int install_root_look(Arena *a, const char *path, const char *efi, InstallRoot *ret, Error *e);
/* Takes everything of a system away, its /var too. */
int install_root_clear(const InstallRoot *root, Error *e);
