#pragma once
/* Boot Loader Specification entries of type 1: the files /boot/loader/entries/NAME.conf of a root. At most
 * 512 entries of 64 KiB. A directory that is not there has no entries. */
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "system/cmdline.h"

#define BOOT_ENTRIES_PATH   "/boot/loader/entries"
#define BOOT_ENTRY_SIZE_MAX ((size_t)64 << 10)
#define BOOT_ENTRIES_MAX    512

typedef struct BootEntry {
    const char *file;                                    /* its name in the directory */
    const char *title, *version, *sort_key, *machine_id; /* NULL: not said */
    const char *linux_image, *initrd;                    /* the first of each */
    const char *devicetree, *fdtdir;
    const char *options; /* all its options lines as one; "" without */
    const char *text;    /* the whole file */
    const char *rest; /* lines of it with other keys than title, version, options, devicetree, fdtdir and the
                         first linux and initrd */
    bool spent;       /* NAME+0-3.conf: no tries left */
} BootEntry;

typedef struct BootEntryList {
    BootEntry *entries; /* the one that a boot loader lists first is first */
    size_t n;
} BootEntryList;

/* Text in, entry out. Refuses a NUL and an entry that names neither a kernel nor an EFI program. */
int boot_entry_parse(Arena *a, const char *file, const char *text, size_t n, BootEntry *ret, Error *e);
/* The file of an entry: title, version, options, devicetree, linux, initrd, fdtdir as far as they are said,
 * then `rest`. */
void boot_entry_encode(const BootEntry *b, Buf *out);
/* The same text with other options: one line in the place of the first, or at the end. */
const char *boot_entry_with_options(Arena *a, const BootEntry *b, const char *options);
int boot_entry_list(Arena *a, int root, BootEntryList *ret, Error *e);
/* Edits the kernel arguments of every entry. 1 when an entry changed. Each file is the old or the new one,
 * whole, at any moment; on return all are on the disk. */
int boot_entry_edit(int root, const CmdlineEdit *edit, Error *e);
/* The same in another directory below `root`: on a boot partition it is "/loader/entries". */
int boot_entry_list_in(Arena *a, int root, const char *path, BootEntryList *ret, Error *e);
int boot_entry_edit_in(int root, const char *path, const CmdlineEdit *edit, Error *e);
