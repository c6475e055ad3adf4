#pragma once
/* The second boot writer: systemd-boot reads nothing but FAT, which has no links and replaces nothing
 * atomically. What boot/loader offers stays the truth; the ESP (boot/efi or efi, where EFI/systemd is) gets a
 * copy of it after each swap: kernels, then entries under names of their own, then the default, and only then
 * goes what was there. Cut off anywhere each entry on it boots a whole system, the old one or the new one,
 * since boot_swap.h and sysroot_cleanup.h remove nothing that the ESP may still name before it is level. */
#include "update/sysroot.h"

/* Makes the ESP offer what boot/loader offers, finishing what was cut off. 1 when something changed; 0 also
 * where there is no such ESP. */
int boot_esp_sync(Sysroot *s, Error *e);
/* What is not level with boot/loader, for a person; NULL: nothing, or no such ESP. Looks only. */
const char *boot_esp_behind(Sysroot *s);
bool boot_esp_is_there(const Sysroot *s);

/* Files that will be wanted: -ENOSPC with the numbers. */
typedef struct EspNeed {
    const char *path; /* "ostree/os-<checksum>/vmlinuz-…" */
    uint64_t size;
} EspNeed;
int boot_esp_room(Sysroot *s, const EspNeed *needs, size_t n, Error *e);

/* How often systemd-boot may still start the first entry, and whether it has. 0: it does not count. */
int boot_esp_tries(Sysroot *s, unsigned *ret_left, bool *ret_counted);

/* "ostree-1-2-os+2-1.conf": false for what is not ours. *ret_left -1: no counter. Pure. */
typedef struct EspName {
    char base[256]; /* "ostree-1-2-os" */
    int left, done;
} EspName;
bool esp_name_read(const char *file, EspName *ret);
