#pragma once
/* GRUB in front of a system: its configuration, its counter and its module `linux` in boot/grub, and its
 * image, which the firmware starts. The image is made by grub-mkimage of this machine out of the modules of
 * the installed system or, without any there, of this machine. Ready images, signed ones too, cannot be used:
 * they have the command `linux` built in, which boot/grub/grub.cfg must be able to define (data/grub.cfg). */
#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

typedef enum GrubFirmware { GRUB_UEFI, GRUB_BIOS, GRUB_FIRMWARES } GrubFirmware;

typedef struct GrubInstall {
    int boot;              /* the directory that becomes boot/, open */
    const char *boot_path; /* the same for other programs */
    int deployment;        /* the installed system, open, and its path */
    const char *deployment_path;
    const char *boot_uuid; /* of the filesystem that boot/ is on; NULL: one labelled `root` */
    const char *options;   /* kernel arguments: GRUB speaks where the kernel does */
    const char *machine;   /* as uname says it */
} GrubInstall;

/* What is missing on this machine for any install; what a system brings is not known before. */
int grub_install_check(const char *machine, GrubFirmware firmware, Error *e);
/* The modules below boot/grub, early.cfg, and the image that starts them. */
int grub_image_make(Arena *a, const GrubInstall *g, GrubFirmware firmware, Buf *ret, Error *e);
/* grub.cfg, custom.cfg, grubenv. */
int grub_config_install(Arena *a, const GrubInstall *g, Error *e);
const char *grub_efi_name(const char *machine); /* "BOOTX64.EFI" */

/* For BIOS: what the first sector of the disk begins with, in front of its table, and where it goes on: both
 * made to know that the image lies at `sector` (of 512 bytes, the first of the BIOS boot partition). */
enum { GRUB_BOOT_SIZE = 512, GRUB_BOOT_CODE = 440 };
int grub_boot_code_read(const GrubInstall *g, char ret[GRUB_BOOT_SIZE], Error *e);
int grub_bios_place(char boot[GRUB_BOOT_SIZE], Buf *image, uint64_t sector, size_t room, Error *e);

/* "serial --unit=0 --speed=115200\n…" of console= arguments; "" without a serial one. Pure. */
const char *grub_console_text(Arena *a, const char *options);
/* The modules that `name` needs, itself among them, by the text of moddep.lst; -ENOENT names what is not in
 * it. Pure. */
int grub_module_needs(Arena *a, const char *moddep, const char *name, const char ***ret, size_t *ret_n,
                      Error *e);
