#pragma once
/* The one thing that changes which system boots. Everything new is written beside what is in force: entries
 * in boot/loader.<other>, links in ostree/boot.<other>, kernels; it is on the disk, as a boot loader without
 * a journal sees it, before one rename of boot/loader puts it in force, and that rename is there as well
 * before this returns. Nothing of what was in force is removed here: sysroot_cleanup.h does, later. */
#include "update/sysroot.h"

/* The wanted deployments in the order of boot; what is staged is left out. Their path, stateroot, checksum,
 * boot_checksum, options, version and entry_rest count, the rest is given. 1: in force, the list is reloaded.
 * 0: it was so already; with `always` it is written anew even then. -EBUSY: the running system is not among
 * them. */
int boot_swap(Sysroot *s, const DeploymentList *wanted, bool always, Error *e);
/* Disk that boot_swap() would need in /boot. */
int boot_swap_measure(Sysroot *s, const DeploymentList *wanted, uint64_t *ret_bytes, Error *e);
/* What sync and freeze a sysroot's options ask for, of ostree/ and then of boot/. */
int boot_sync(Sysroot *s, Error *e);
