/* Kernel arguments: the boot entries are edited, then the machine reboots into them; the stage of the next
 * boot finds nothing left to do. The entries are those below /boot of the root; where there are none, those
 * of the boot partition (boot_partition.h), which is mounted for the stage alone. Where arguments are asked
 * for and there is no entry to put them into, the stage fails: a machine that boots without them is not the
 * one that was specified. It also fails when a reboot did not help: entries that are what they were before,
 * or that the boot loader does not read, would make it reboot for ever (kargs_marker.h). Killed between the
 * edit and the reboot, the next run in the same boot still asks for it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "provision/kargs_marker.h"
#include "provision/reboot.h"
#include "provision/stage.h"
#include "system/boot_entry.h"
#include "system/boot_partition.h"

enum { CMDLINE_MAX = 1 << 20 };

/* Where the entries are. */
typedef struct BootPlace {
    int root, own;       /* own: to be closed, else -EBADF */
    const char *dir;     /* where their filesystem begins, in `root` */
    const char *entries; /* their directory, in `root` */
    const char *name;    /* for a person */
} BootPlace;

static int entries_in(Arena *a, const BootPlace *p, Error *e)
{
    BootEntryList list;
    int r = boot_entry_list_in(a, p->root, p->entries, &list, e);

    return r < 0 ? r : list.n > 0;
}

static int nowhere(const StageContext *c, Error *e)
{
    static const char *const generated[] = {"/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"};
    const char *hint = "";

    for (size_t i = 0; c->root >= 0 && i < ELEMENTS(generated) && !*hint; i++) {
        _cleanup_close_ int fd = root_openat(c->root, generated[i], O_PATH, 0);
        if (fd >= 0)
            hint = "; this machine's GRUB is configured by a generated file, which is not edited: put the "
                   "arguments into the image instead";
    }
    return error_set(
        e, ENOENT,
        "no boot entries in %s of the root, on a filesystem labelled 'boot', an extended boot loader "
        "partition or an EFI system partition%s",
        BOOT_ENTRIES_PATH, hint);
}

/* Two disks may each have an EFI system partition: the one that the firmware took cannot be told. */
static int find_partition(const StageContext *c, BootPlace *ret, Error *e)
{
    BootPartition *list;
    size_t n;
    int r = boot_partitions_find(c->arena, &list, &n, e);

    for (size_t i = 0; r >= 0 && i < n; i++) {
        BootPlace p = {.dir = "/", .entries = "/loader/entries"};
        if (ret->own >= 0 && list[i].why != ret->name)
            break; /* there is one of the better kind */
        p.root = p.own = boot_partition_mount(&list[i], e);
        if (p.own < 0)
            return p.own;
        r = entries_in(c->arena, &p, e);
        if (r > 0 && ret->own >= 0)
            r = error_set(e, ENOTUNIQ,
                          "several filesystems have boot entries and are %s; mount the right one on /boot "
                          "below the root",
                          ret->name);
        if (r <= 0) {
            close(p.own);
            continue;
        }
        log_info("the boot entries are on %s, %s", list[i].device, list[i].why);
        p.name = list[i].why;
        *ret = p;
    }
    return r < 0 ? r : ret->own >= 0 ? 0 : nowhere(c, e);
}

static int find_place(const StageContext *c, BootPlace *ret, Error *e)
{
    *ret = (BootPlace){.root = c->root, .own = -EBADF, .dir = "/boot", .entries = BOOT_ENTRIES_PATH};
    int r = c->root >= 0 ? entries_in(c->arena, ret, e) : 0;

    if (r != 0)
        return r < 0 ? r : 0;
    return find_partition(c, ret, e);
}

/* ---- what the kernel was started with ---- */

static int cmdline_read(Buf *ret, Error *e)
{
    const char *path = getenv("IGNITION_KERNEL_CMDLINE_PATH");

    int r = file_read_at(AT_FDCWD, path && *path ? path : "/proc/cmdline", CMDLINE_MAX, ret, e);
    if (r >= 0 && ret->len > 0 && ret->data[ret->len - 1] == '\n')
        ret->data[--ret->len] = '\0';
    return r;
}

/* 1: it has what it should and nothing else of the edit. */
static int was_booted_so(Arena *a, const CmdlineEdit *edit, Error *e)
{
    _cleanup_buf_ Buf text = BUF_INIT;
    const char *ignored;
    int r = cmdline_read(&text, e);

    return r < 0 ? r : cmdline_edit(a, text.data ? text.data : "", edit, &ignored) == 0;
}

/* ---- the stage ---- */

/* 1: an entry would change. */
static int boot_entries_need(Arena *a, const BootPlace *p, const CmdlineEdit *edit, Error *e)
{
    const char *ignored;
    BootEntryList list;
    int r = boot_entry_list_in(a, p->root, p->entries, &list, e);

    for (size_t i = 0; r == 0 && i < list.n; i++)
        r = cmdline_edit(a, list.entries[i].options, edit, &ignored);
    return r;
}

static const char *edit_text(Arena *a, const CmdlineEdit *edit)
{
    _cleanup_buf_ Buf text = BUF_INIT;

    for (size_t i = 0; i < edit->n_should_exist; i++)
        buf_addf(&text, "+%s\n", edit->should_exist[i]);
    for (size_t i = 0; i < edit->n_should_not_exist; i++)
        buf_addf(&text, "-%s\n", edit->should_not_exist[i]);
    return arena_memdup(a, text.data ? text.data : "", text.len);
}

static int reboot_once(const KargsMarkerPlace *m, Error *e)
{
    int r = kargs_marker_write(m, KARGS_MARKER_EDITED, e);

    if (r < 0)
        return r;
    log_info("changed the kernel arguments of the boot entries, rebooting");
    r = reboot_request(e);
    /* Whoever stands in for the reboot starts another kernel or none: nothing could be told by it. */
    return r < 0 ? r : kargs_marker_remove(m, e);
}

/* What is left to do when the entries have the arguments. */
static int entries_are_right(const KargsMarkerPlace *m, KargsMarker marker, int booted_so, Error *e)
{
    if (marker == KARGS_MARKER_NONE) {
        log_info("the boot entries have the kernel arguments already");
        return 0;
    }
    if (marker == KARGS_MARKER_EDITED || (marker == KARGS_MARKER_BEGUN && !booted_so))
        return reboot_once(m, e);
    if (!booted_so)
        return error_set(
            e, ELOOP,
            "the machine was rebooted for its kernel arguments, the boot entries have them, but it was "
            "started without: its boot loader does not take them from there");
    log_info("the machine was started with the kernel arguments");
    return kargs_marker_remove(m, e);
}

static int kargs_apply(const BootPlace *p, Arena *a, const CmdlineEdit *edit, Error *e)
{
    const KargsMarkerPlace m = {.root = p->root, .dir = p->dir, .what = edit_text(a, edit)};
    KargsMarker marker;
    int r = kargs_marker_read(&m, &marker, e), booted_so;

    if (r >= 0)
        r = boot_entries_need(a, p, edit, e);
    if (r < 0)
        return r;
    if (r == 0) {
        booted_so = was_booted_so(a, edit, e);
        return booted_so < 0 ? booted_so : entries_are_right(&m, marker, booted_so, e);
    }
    if (marker == KARGS_MARKER_REBOOTED)
        return error_set(
            e, ELOOP,
            "the machine was rebooted for its kernel arguments, but the boot entries are again without "
            "them: something writes them anew");
    r = kargs_marker_write(&m, KARGS_MARKER_BEGUN, e);
    if (r >= 0)
        r = boot_entry_edit_in(p->root, p->entries, edit, e);
    return r < 0 ? r : reboot_once(&m, e);
}

int stage_kargs_run(StageContext *c, Error *e)
{
    const IgnKernelArguments *k = &c->config->kernel_arguments;
    const CmdlineEdit edit = {
        .should_exist = k->should_exist.items,
        .n_should_exist = k->should_exist.n,
        .should_not_exist = k->should_not_exist.items,
        .n_should_not_exist = k->should_not_exist.n,
    };
    BootPlace place;

    if (edit.n_should_exist + edit.n_should_not_exist == 0)
        return 0;
    int r = find_place(c, &place, e);
    if (r >= 0)
        r = kargs_apply(&place, c->arena, &edit, e);
    closep(&place.own);
    return r < 0 ? error_wrap(e, r, "updating kernel arguments") : 0;
}
