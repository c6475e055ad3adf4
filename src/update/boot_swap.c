/* A plan in memory first: which deployment stands where, its number among those of the same kernel, its entry
 * as text. From it follows how much has to change: nothing; only where the links lead, when every entry would
 * say what it says now; or entries and links, under the number (0 or 1) that is not in force. Then, in this
 * order:
 *
 *   what an earlier run left under the other number goes, after a sync: the boot loader may still read it
 *   kernels, entries (and a trial of the first, boot_counting.h), links; a link loader.tmp
 *   sync of ostree/, then sync and freeze of boot/
 *   loader.tmp and loader change places     <- from here on the next boot is another one
 *   sync and freeze of boot/
 *   the ESP of systemd-boot, where there is one (boot_esp.h)
 *
 * A boot loader that sees the old loader after the rename finds its links still there; one that sees the new
 * finds all that it names. The old link stays, as loader.tmp: a rename over it would free its inode, and on
 * the disk that can come before the directory's block that no longer names it. Only the links: the same with
 * a rename of ostree/boot.<n>, which the kernel alone reads. */
#include "update/boot_swap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "system/boot_entry.h"
#include "update/boot_counting.h"
#include "update/boot_esp.h"
#include "update/boot_freeze.h"
#include "update/kernel_files.h"
#include "update/os_release.h"
#include "update/sysroot_state.h"

typedef struct PlanRow {
    Deployment d; /* as it will be */
    KernelFiles kernel;
    const char *directory; /* "ostree/os-<boot checksum>" of boot/ */
    BootEntry entry;       /* but for options: those of the deployment */
} PlanRow;

typedef struct Plan {
    Sysroot *s;
    PlanRow *rows;
    size_t n;
    bool entries;      /* else only the links */
    const char *trial; /* trial.cfg; NULL: none */
    unsigned bootversion, subbootversion;
} Plan;

int boot_sync(Sysroot *s, Error *e)
{
    int r = sysroot_step(s, "a sync", e);

    if (r >= 0)
        r = boot_freeze_sync(s->ostree, false, e);
    return r < 0 || s->boot < 0 ? r : boot_freeze_sync(s->boot, s->options.freeze, e);
}

/* ---- the plan ---- */

/* "Name 1.2 (ostree:0)", with the stateroot when there are several: as libostree, whose syslinux part looks
 * for
 * "(ostree". */
static const char *title_make(const Plan *p, int tree, size_t index)
{
    Arena *a = p->s->arena;
    const Deployment *d = &p->rows[index].d;
    const char *name = os_release_get(a, tree, "PRETTY_NAME"), *version = d->version, *stateroot = "";

    if (!name)
        name = os_release_get(a, tree, "ID");
    if (!name)
        name = d->stateroot;
    for (size_t i = 1; i < p->n; i++)
        if (strcmp(p->rows[i].d.stateroot, p->rows[0].d.stateroot) != 0)
            stateroot = arena_printf(a, ":%s", d->stateroot);
    if (version && version[0] && !strpbrk(version, "\r\n") && !strstr(name, version))
        name = arena_printf(a, "%s %s", name, version);
    return arena_printf(a, "%s (ostree%s:%zu)", name, stateroot, index);
}

static int row_plan(Plan *p, size_t index, Error *e)
{
    PlanRow *row = &p->rows[index];
    Arena *a = p->s->arena;
    _cleanup_close_ int tree = deployment_open(p->s, &row->d, e);
    int r = tree < 0 ? tree : kernel_files_find(a, tree, &row->kernel, e);

    if (r < 0)
        return error_wrap(e, r, "deployment %s", row->d.path);
    const KernelFile *parts = row->kernel.parts;
    row->d.boot_serial = 0;
    for (size_t i = 0; i < index; i++) /* among all stateroots: libostree counts so */
        row->d.boot_serial += strcmp(p->rows[i].d.boot_checksum, row->d.boot_checksum) == 0;
    row->directory = arena_printf(a, "ostree/%s-%s", row->d.stateroot, row->d.boot_checksum);
    row->entry = (BootEntry){
        .title = title_make(p, tree, index),
        .version = arena_printf(a, "%zu", p->n - index),
        .linux_image = arena_printf(a, "/%s/%s", row->directory, parts[KERNEL_IMAGE].to),
        .rest = row->d.entry_rest,
    };
    if (parts[KERNEL_INITRAMFS].to)
        row->entry.initrd = arena_printf(a, "/%s/%s", row->directory, parts[KERNEL_INITRAMFS].to);
    if (parts[KERNEL_DEVICETREE].to)
        row->entry.devicetree = arena_printf(a, "/%s/%s", row->directory, parts[KERNEL_DEVICETREE].to);
    if (parts[KERNEL_DTBS].to)
        row->entry.fdtdir = arena_printf(a, "/%s/%s", row->directory, parts[KERNEL_DTBS].to);
    return 0;
}

static bool is_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Its entry says already what the row wants. */
static bool is_in_force(const Deployment *d, const PlanRow *row)
{
    return strcmp(d->boot_checksum, row->d.boot_checksum) == 0 && d->boot_serial == row->d.boot_serial &&
           strcmp(d->stateroot, row->d.stateroot) == 0 && is_text(d->options, row->d.options) &&
           is_text(d->title, row->entry.title) && is_text(d->entry_rest, row->d.entry_rest);
}

/* 0: nothing, 1: links, 2: entries. */
static int what_changes(const Plan *p)
{
    const DeploymentList *now = &p->s->list;
    size_t first = now->n > 0 && now->items[0]->staged ? 1 : 0;
    int change = 0;

    if (p->s->problems.n > 0 || now->n - first != p->n || !is_text(p->trial, boot_trial_now(p->s)))
        return 2;
    for (size_t i = 0; i < p->n; i++) {
        if (!is_in_force(now->items[first + i], &p->rows[i]))
            return 2;
        if (!deployment_is_same(now->items[first + i], &p->rows[i].d))
            change = 1;
    }
    return change;
}

static int plan_make(Plan *p, const DeploymentList *wanted, Error *e)
{
    const Deployment *booted = NULL;
    int r = 0;

    p->rows = ARENA_ARRAY(p->s->arena, PlanRow, wanted->n + 1);
    for (size_t i = 0; i < p->s->list.n; i++)
        if (p->s->list.items[i]->booted)
            booted = p->s->list.items[i];
    for (size_t i = 0; i < wanted->n; i++) {
        if (wanted->items[i]->staged)
            continue;
        p->rows[p->n++].d = *wanted->items[i];
        if (booted && deployment_is_same(booted, wanted->items[i]))
            booted = NULL;
    }
    if (booted)
        return error_set(e, EBUSY, "the running system %s would lose its boot entry", booted->path);
    if (p->n == 0 || p->n > DEPLOYMENTS_MAX)
        return error_set(e, EINVAL, "%zu deployments: there can be 1 to %d", p->n, DEPLOYMENTS_MAX);
    for (size_t i = 0; r >= 0 && i < p->n; i++)
        r = row_plan(p, i, e);
    if (r >= 0)
        p->trial = boot_trial_plan(p->s, &p->rows[0].d, p->n);
    return r;
}

int boot_swap_measure(Sysroot *s, const DeploymentList *wanted, uint64_t *ret_bytes, Error *e)
{
    Plan p = {.s = s};
    int r = plan_make(&p, wanted, e);
    uint64_t sum = 0;

    for (size_t i = 0; r >= 0 && i < p.n; i++) {
        const PlanRow *row = &p.rows[i];
        _cleanup_close_ int tree = deployment_open(s, &row->d, e);
        uint64_t bytes;
        bool counted = false;
        for (size_t k = 0; k < i; k++)
            counted = counted || strcmp(p.rows[k].directory, row->directory) == 0;
        if (counted)
            continue;
        r = tree < 0 ? tree : kernel_files_missing(tree, s->boot, row->directory, &row->kernel, &bytes, e);
        sum += r < 0 ? 0 : bytes;
    }
    if (r >= 0)
        *ret_bytes = sum;
    return r;
}

/* ---- written beside what is in force ---- */

/* The name goes aside, is made, and takes its place: it leads to the old or the new at any moment. */
static int link_replace(int dirfd, const char *target, const char *name)
{
    char fresh[300];

    snprintf(fresh, sizeof(fresh), "%s.tmp", name);
    if (unlinkat(dirfd, fresh, 0) < 0 && errno != ENOENT)
        return -errno;
    if (symlinkat(target, dirfd, fresh) < 0)
        return -errno;
    return renameat(dirfd, fresh, dirfd, name) < 0 ? -errno : 0;
}

static int others_remove(Plan *p, Error *e)
{
    Sysroot *s = p->s;
    char loader[32], links[32], links_now[32];
    struct stat st;

    snprintf(loader, sizeof(loader), "loader.%u", p->bootversion);
    snprintf(links, sizeof(links), "boot.%u.%u", p->bootversion, p->subbootversion);
    snprintf(links_now, sizeof(links_now), "boot.%u", p->bootversion);
    bool old_loader = p->entries && fstatat(s->boot, loader, &st, AT_SYMLINK_NOFOLLOW) == 0;
    bool old_links = fstatat(s->ostree, links, &st, AT_SYMLINK_NOFOLLOW) == 0;
    int r = old_loader || old_links ? boot_sync(s, e) : 0;
    if (r >= 0)
        r = sysroot_step(s, "the removal of what was left", e);
    if (r < 0)
        return r;
    if (old_loader)
        r = tree_remove_at(s->boot, loader);
    if (r >= 0 && old_links)
        r = tree_remove_at(s->ostree, links);
    return r < 0 ? error_errno(e, r, "removing %s and %s", loader, links) : 0;
}

static int kernels_install(Plan *p, Error *e)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < p->n; i++) {
        const PlanRow *row = &p->rows[i];
        r = sysroot_step(p->s, "a kernel", e);
        _cleanup_close_ int tree = r < 0 ? r : deployment_open(p->s, &row->d, e);
        if (r >= 0)
            r = tree < 0 ? tree : kernel_files_install(tree, p->s->boot, row->directory, &row->kernel, e);
    }
    return r;
}

static const char *options_make(const Plan *p, const PlanRow *row)
{
    Arena *a = p->s->arena;
    const char *link = arena_printf(a, "/ostree/boot.%u/%s/%s/%u", p->bootversion, row->d.stateroot,
                                    row->d.boot_checksum, row->d.boot_serial);
    const char *options = row->d.options && row->d.options[0] ? arena_printf(a, "%s ", row->d.options) : "";

    if (!row->entry.initrd) /* then nothing but the tree itself can make it the root */
        options = arena_printf(a, "%sinit=%s/usr/lib/ostree/ostree-prepare-root ", options, link);
    return arena_printf(a, "%sostree=%s", options, link);
}

static int entries_write(Plan *p, Error *e)
{
    char path[64], name[SYSROOT_NAME_MAX + 32];
    int r;

    snprintf(path, sizeof(path), "loader.%u/entries", p->bootversion);
    r = dir_make_all_at(p->s->boot, path, 0755);
    _cleanup_close_ int dir = r < 0 ? -EBADF : openat(p->s->boot, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return error_errno(e, r < 0 ? r : -errno, "boot/%s", path);
    for (size_t i = 0; i < p->n; i++) {
        PlanRow *row = &p->rows[i];
        _cleanup_buf_ Buf text = BUF_INIT;
        row->entry.options = options_make(p, row);
        boot_entry_encode(&row->entry, &text);
        if (text.len > BOOT_ENTRY_SIZE_MAX)
            return error_set(e, E2BIG, "the boot entry of %s would have %zu bytes", row->d.path, text.len);
        snprintf(name, sizeof(name), "ostree-%zu-%s.conf", p->n - i, row->d.stateroot);
        r = sysroot_step(p->s, "a boot entry", e);
        if (r >= 0 && (r = file_write_at(dir, name, text.data, text.len, FILE_WRITE())) < 0)
            error_errno(e, r, "boot/%s/%s", path, name);
        if (r < 0)
            return r;
    }
    return 0;
}

static int trial_write(Plan *p, Error *e)
{
    char path[32];
    int r = p->trial ? sysroot_step(p->s, "the trial", e) : 0;

    if (r < 0 || !p->trial)
        return r;
    snprintf(path, sizeof(path), "loader.%u/trial.cfg", p->bootversion);
    r = file_write_at(p->s->boot, path, p->trial, strlen(p->trial), FILE_WRITE());
    return r < 0 ? error_errno(e, r, "boot/%s", path) : 0;
}

static int links_write(Plan *p, Error *e)
{
    char top[32];
    int r;

    snprintf(top, sizeof(top), "boot.%u.%u", p->bootversion, p->subbootversion);
    r = sysroot_step(p->s, "the links", e);
    if (r < 0)
        return r;
    r = dir_make_all_at(p->s->ostree, top, 0755);
    for (size_t i = 0; r >= 0 && i < p->n; i++) {
        const Deployment *d = &p->rows[i].d;
        char path[SYSROOT_NAME_MAX + 200], target[SYSROOT_NAME_MAX + 200];
        int n = snprintf(path, sizeof(path), "%s/%s/%s", top, d->stateroot, d->boot_checksum);
        r = dir_make_all_at(p->s->ostree, path, 0755);
        snprintf(path + n, sizeof(path) - (size_t)n, "/%u", d->boot_serial);
        snprintf(target, sizeof(target), "../../../deploy/%s/deploy/%s.%u", d->stateroot, d->checksum,
                 d->serial);
        if (r >= 0 && symlinkat(target, p->s->ostree, path) < 0)
            r = -errno;
    }
    return r < 0 ? error_errno(e, r, "ostree/%s", top) : 0;
}

/* ostree/boot.<n> leads to the new links; of a number that is not in force nobody looks yet. */
static int links_swap(Plan *p, Error *e)
{
    char name[32], target[32];
    int r = sysroot_step(p->s, "the swap of the links", e);

    snprintf(name, sizeof(name), "boot.%u", p->bootversion);
    snprintf(target, sizeof(target), "boot.%u.%u", p->bootversion, p->subbootversion);
    if (r >= 0 && (r = link_replace(p->s->ostree, target, name)) < 0)
        error_errno(e, r, "ostree/%s", name);
    return r;
}

static int loader_link_write(Plan *p, Error *e)
{
    char target[32];
    int r = sysroot_step(p->s, "the new loader's link", e);

    if (r < 0)
        return r;
    snprintf(target, sizeof(target), "loader.%u", p->bootversion);
    if ((symlinkat(".", p->s->boot, "boot") < 0 && errno != EEXIST) ||
        (unlinkat(p->s->boot, "loader.tmp", 0) < 0 && errno != ENOENT) ||
        symlinkat(target, p->s->boot, "loader.tmp") < 0)
        return errno == EPERM
                   ? error_set(e, EPERM,
                               "the file system of /boot has no symbolic links (FAT?): it cannot hold "
                               "the boot entries of deployments")
                   : error_errno(e, -errno, "boot/loader.tmp");
    return 0;
}

/* ---- in force ---- */

/* This is what changes the next boot. Not every file system can exchange; the very first has nothing to. */
static int loader_swap(int boot)
{
    if (renameat2(boot, "loader.tmp", boot, "loader", RENAME_EXCHANGE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOENT)
        return -errno;
    return renameat(boot, "loader.tmp", boot, "loader") < 0 ? -errno : 0;
}

static int links_only(Plan *p, Error *e)
{
    int r = links_write(p, e);

    if (r >= 0)
        r = boot_sync(p->s, e);
    if (r >= 0)
        r = links_swap(p, e);
    return r < 0 ? r : boot_sync(p->s, e);
}

static int entries_and_links(Plan *p, Error *e)
{
    int r = kernels_install(p, e);

    if (r >= 0)
        r = entries_write(p, e);
    if (r >= 0)
        r = trial_write(p, e);
    if (r >= 0)
        r = links_write(p, e);
    if (r >= 0)
        r = links_swap(p, e);
    if (r >= 0)
        r = loader_link_write(p, e);
    if (r >= 0)
        r = boot_sync(p->s, e);
    if (r >= 0)
        r = sysroot_step(p->s, "the swap", e);
    if (r >= 0 && (r = loader_swap(p->s->boot)) < 0)
        error_errno(e, r, "boot/loader");
    return r < 0 ? r : boot_sync(p->s, e);
}

static unsigned subbootversion_now(const Sysroot *s, unsigned bootversion)
{
    char name[32];
    snprintf(name, sizeof(name), "boot.%u", bootversion);
    const char *target = link_read(s->arena, s->ostree, name);
    return target && target[0] && target[strlen(target) - 1] == '1' ? 1 : 0;
}

static int esp_room(const Plan *p, Error *e)
{
    static const KernelPart parts[] = {KERNEL_IMAGE, KERNEL_INITRAMFS, KERNEL_DEVICETREE};
    EspNeed *needs = ARENA_ARRAY(p->s->arena, EspNeed, p->n * ELEMENTS(parts));
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < ELEMENTS(parts); k++) {
            const KernelFile *f = &p->rows[i].kernel.parts[parts[k]];
            if (f->to)
                needs[n++] =
                    (EspNeed){arena_printf(p->s->arena, "%s/%s", p->rows[i].directory, f->to), f->size};
        }
    return boot_esp_room(p->s, needs, n, e);
}

/* The list is loaded again where the ESP was behind. */
static int esp_level(Sysroot *s, Error *e)
{
    int r = boot_esp_sync(s, e);
    return r > 0 ? sysroot_load(s, e) : r;
}

static int plan_apply(Plan *p, Error *e)
{
    Sysroot *s = p->s;
    struct stat st;

    p->bootversion = p->entries ? !s->bootversion : s->bootversion;
    p->subbootversion = !subbootversion_now(s, p->bootversion);
    if (s->boot < 0)
        return error_set(e, ENOENT, "the sysroot has no boot/");
    if (fstatat(s->boot, "loader", &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode))
        return error_set(e, ENOTSUP, "boot/loader is no symbolic link: it is not ours to change");
    int r = esp_room(p, e);
    if (r >= 0) /* it may still name what is removed now */
        r = boot_esp_sync(s, e);
    if (r >= 0)
        r = others_remove(p, e);
    if (r >= 0)
        r = p->entries ? entries_and_links(p, e) : links_only(p, e);
    if (r >= 0 && utimensat(s->ostree, "deploy", NULL, 0) < 0) /* others watch it */
        r = error_errno(e, -errno, "ostree/deploy");
    if (r >= 0)
        r = sysroot_load(s, e);
    return r < 0 ? r : esp_level(s, e);
}

int boot_swap(Sysroot *s, const DeploymentList *wanted, bool always, Error *e)
{
    Plan p = {.s = s};
    int r = sysroot_need_write(s, e);

    if (r >= 0)
        r = plan_make(&p, wanted, e);
    if (r < 0)
        return r;
    int change = always ? 2 : what_changes(&p);
    if (change == 0)
        return 0;
    p.entries = change == 2;
    r = plan_apply(&p, e);
    return r < 0 ? error_wrap(e, r, "changing what boots") : 1;
}
