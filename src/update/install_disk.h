#pragma once
/* A disk, or an image file, on its way to hold a system. Its first megabyte is emptied before anything is
 * written, and its partition table is the last thing that is: until then there are filesystems on it that
 * nothing names, made and mounted as loop devices. Cut off, cancelled or failed at any moment it is a disk
 * without a system, or one with the whole of it. */
#include "system/loop_device.h"
#include "update/install_plan.h"

#define INSTALL_TOP "/run/basalt-os-install"

typedef int (*InstallStep)(void *context, const char *what); /* before each change; negative ends the work */

typedef struct InstallDisk {
    Arena *arena;
    const char *path;
    DeviceFacts facts;
    uint64_t size; /* what it is to have: of an image file what was asked for */
    InstallStep step;
    void *context;
    const InstallPlan *plan;
    int fd;                  /* for us alone */
    bool made, begun, whole; /* a file that was not there; emptied; with its table */
    bool mounted;            /* INSTALL_TOP is ours */
    int loops[INSTALL_PARTS];
    char names[INSTALL_PARTS][LOOP_NAME_SIZE];
} InstallDisk;
#define INSTALL_DISK_INIT      ((InstallDisk){.fd = -EBADF, .loops = {-EBADF, -EBADF, -EBADF, -EBADF}})
#define _cleanup_install_disk_ _cleanup_(install_disk_done)

/* Looks only. `size` makes an image file, or gives one its size; 0 for a disk. Refuses what is no whole disk,
 * what somebody uses (-EBUSY names who) and, without `wipe`, what has something on it (-EEXIST). */
int install_disk_look(InstallDisk *d, const char *path, uint64_t size, bool wipe, Error *e);
/* A directory in memory at INSTALL_TOP, which only this process and its children see, for what comes before
 * the disk is touched. */
int install_disk_begin(InstallDisk *d, Error *e);
/* Empties the disk, makes the filesystems, mounts root and boot/ at INSTALL_TOP. */
int install_disk_mount(InstallDisk *d, const InstallPlan *plan, Error *e);
/* A file of the ESP, in directories that are made. */
int install_disk_esp_write(InstallDisk *d, const char *directory, const char *name, const Buf *data,
                           Error *e);
/* For a boot loader that has more there: a directory in memory on boot/efi, which the second fills the ESP
 * with. */
int install_disk_esp_stage(InstallDisk *d, Error *e);
int install_disk_esp_fill(InstallDisk *d, Error *e);
/* Unmounts, waits for all of it, then `image` in its partition (NULL: none), then the table, with `code` for
 * BIOS (PARTITION_BOOT_CODE bytes). *ret_warning: the kernel does not know the partitions yet, why; NULL. */
int install_disk_finish(InstallDisk *d, const char *code, const Buf *image, const char **ret_warning,
                        Error *e);
void install_disk_done(InstallDisk *d); /* what is not whole is empty afterwards */
