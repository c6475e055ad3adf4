#pragma once
/* What of a deployment a boot loader reads: kernel, initramfs and device trees of usr/lib/modules/<version>,
 * their common checksum, and their copies in /boot/ostree/<stateroot>-<checksum>. Which names count:
 * libostree src/libostree/ostree-sysroot-deploy.c, get_kernel_from_tree_usrlib_modules(). */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

typedef struct KernelFile {
    const char *from; /* in usr/lib/modules/<version> */
    const char *to;   /* in /boot/ostree/<stateroot>-<checksum>; NULL: there is none */
    uint64_t size;
} KernelFile;

typedef enum KernelPart {
    KERNEL_IMAGE,
    KERNEL_INITRAMFS,
    KERNEL_DEVICETREE,
    KERNEL_DTBS,
    KERNEL_HMAC,
    KERNEL_PARTS
} KernelPart;

typedef struct KernelFiles {
    const char *version;
    KernelFile parts[KERNEL_PARTS]; /* KERNEL_DTBS is a directory, instead of one device tree */
} KernelFiles;

/* In a deployment's directory. -ENOENT: it has no kernel. Of several versions the highest counts. */
int kernel_files_find(Arena *a, int deployment, KernelFiles *ret, Error *e);
/* The checksum that libostree gives them, as hexadecimal digits. Reads all of them. */
int kernel_files_checksum(int deployment, const KernelFiles *k, char ret[65], Error *e);
/* Bytes that are missing of them below `boot`; 0 where they are to be linked. */
int kernel_files_missing(int deployment, int boot, const char *directory, const KernelFiles *k, uint64_t *ret,
                         Error *e);
/* Makes them exist in `directory` ("ostree/os-<checksum>") of boot: what is there stays, else a hard link, on
 * another file system a copy that is synced. */
int kernel_files_install(int deployment, int boot, const char *directory, const KernelFiles *k, Error *e);
/* Those that are there and have other bytes than the deployment's take them on. 1 when one had. */
int kernel_files_repair(int deployment, int boot, const char *directory, const KernelFiles *k, Error *e);
