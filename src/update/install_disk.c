/* In order:
 *   look: holders, signatures, size              (nothing is written)
 *   the disk is opened for us alone; signatures, table and first megabyte go, and that is waited for
 *   each partition as a loop device: old signatures go, mkfs
 *   root and boot/ are mounted, in a mount namespace of our own: the caller puts the system there
 *   unmounted, settled, synced
 *   the image of GRUB for BIOS                   (still no table: the firmware finds nothing)
 *   backup of the table, primary table, with the code for BIOS in its first sector
 *                                                <- from here on it is a disk with a system
 *   the kernel's partitions
 * Loop devices make one way of disks and image files, and of kernels that read tables or do not. The ESP is
 * written by mtools, for which no kernel needs to know FAT. */
#include "update/install_disk.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/process.h"
#include "system/block_device.h"
#include "system/device_wait.h"
#include "system/kernel_partitions.h"
#include "system/partition_table.h"
#include "system/superblock.h"

enum { MIB = 1 << 20 };

static int step(const InstallDisk *d, const char *what, Error *e)
{
    int r = d->step ? d->step(d->context, what) : 0;
    return r == -ECANCELED ? error_set(e, ECANCELED, "cancelled before %s", what)
           : r < 0         ? error_errno(e, r, "interrupted before %s", what)
                           : 0;
}

/* ---- looking ---- */

static int content_refuse(const InstallDisk *d, Error *e)
{
    const DeviceFacts *f = &d->facts;
    const char *what = f->table.kind == TABLE_GPT       ? "a partition table (GPT)"
                       : f->table.kind == TABLE_DAMAGED ? "a damaged partition table"
                       : f->table.kind == TABLE_OTHER   ? "a partition table"
                       : f->superblock.type             ? f->superblock.type
                                                        : "something that is signed";
    return error_set(e, EEXIST, "%s has %s%s%s%s on it: --wipe gives all of that up", d->path, what,
                     f->superblock.label ? " labelled \"" : "",
                     f->superblock.label ? f->superblock.label : "", f->superblock.label ? "\"" : "");
}

static int holders_refuse(const InstallDisk *d, Error *e)
{
    const DeviceFacts *f = &d->facts;
    const char *text = "";
    for (size_t i = 0; i < f->n_holders && i < 6; i++) {
        const DeviceHolder *h = f->holders + i;
        const char *part = h->partition ? arena_printf(d->arena, "partition %u: ", h->partition) : "";
        text = arena_printf(d->arena, "%s%s%s%s", text, *text ? ", " : "", part,
                            device_holder_text(d->arena, h));
    }
    return error_set(e, EBUSY, "%s is in use (%s)", d->path, text);
}

static int absent_look(InstallDisk *d, Error *e)
{
    if (d->size == 0)
        return error_set(e, ENOENT, "%s is not there (an image file is made with --size)", d->path);
    if (strncmp(d->path, "/dev/", 5) == 0 && !strchr(d->path + 5, '/'))
        return error_set(e, ENOENT, "%s is not there, and what is made in /dev is no image file", d->path);
    d->facts = (DeviceFacts){
        .path = d->path, .real = d->path, .size = d->size, .sector_size = 512, .superblock.clean = true};
    return 0;
}

int install_disk_look(InstallDisk *d, const char *path, uint64_t size, bool wipe, Error *e)
{
    d->path = path;
    d->size = size;
    int r = block_device_look(d->arena, NULL, path, LOOK_HOLDERS, &d->facts, e);
    if (r < 0 || !d->facts.exists)
        return r < 0 ? r : absent_look(d, e);
    DeviceFacts *f = &d->facts;
    _cleanup_close_ int fd = open(f->real, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_errno(e, -errno, "%s", path);
    if (f->is_partition)
        return error_set(e, EINVAL, "%s is a partition: a system takes a whole disk, or --root a mounted one",
                         path);
    if (f->kernel_known && size)
        return error_set(e, EINVAL, "%s is a disk: --size is for image files", path);
    if (f->read_only)
        return error_set(e, EROFS, "%s is read-only", path);
    if (f->n_holders > 0)
        return holders_refuse(d, e);
    r = partition_table_read(d->arena, fd, &(TableGeometry){f->size, f->sector_size}, &f->table, e);
    if (r >= 0)
        r = superblock_read(d->arena, fd, &f->superblock, e);
    if (r < 0)
        return r;
    d->size = size ? size : f->size;
    return wipe || (f->superblock.clean && f->table.kind == TABLE_NONE) ? 0 : content_refuse(d, e);
}

/* ---- mounting ---- */

/* The directory stays: for another namespace, of an install at the same time, it may be a mount. */
int install_disk_begin(InstallDisk *d, Error *e)
{
    if (mkdir(INSTALL_TOP, 0700) < 0 && errno != EEXIST)
        return error_errno(e, -errno, "%s", INSTALL_TOP);
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return error_errno(e, -errno, "mounts of its own");
    if (mount("tmpfs", INSTALL_TOP, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64m") < 0)
        return error_errno(e, -errno, "a file system in memory at %s", INSTALL_TOP);
    d->mounted = true;
    return 0;
}

static int disk_open(InstallDisk *d, Error *e)
{
    if (d->facts.kernel_known) {
        d->fd = open(d->facts.real, O_RDWR | O_EXCL | O_CLOEXEC);
        return d->fd >= 0       ? 0
               : errno == EBUSY ? error_set(e, EBUSY, "%s is in use", d->path)
                                : error_errno(e, -errno, "%s", d->path);
    }
    d->made = !d->facts.exists;
    d->fd = open(d->facts.real, O_RDWR | O_CLOEXEC | (d->made ? O_CREAT | O_EXCL : 0), 0600);
    if (d->fd < 0) {
        d->made = false;
        return error_errno(e, -errno, "%s", d->path);
    }
    if (file_lock_try(d->fd) < 0)
        return error_set(e, EBUSY, "%s is in use by another program", d->path);
    d->facts.size = d->size;
    return ftruncate(d->fd, (off_t)d->size) < 0 ? error_errno(e, -errno, "%s", d->path) : 0;
}

static int ends_clear(const InstallDisk *d)
{
    _cleanup_free_ char *zeros = calloc(1, MIB);
    if (!zeros)
        abort();
    const uint64_t last = (d->size - MIB) / d->facts.sector_size * d->facts.sector_size;
    int r = file_write_part(d->fd, zeros, MIB, 0);
    if (r >= 0)
        r = file_write_part(d->fd, zeros, MIB, last);
    return r < 0 ? r : fsync(d->fd) < 0 ? -errno : 0;
}

static int disk_clear(InstallDisk *d, Error *e)
{
    const TableGeometry g = {d->size, d->facts.sector_size};
    int r = step(d, "what is on the disk goes", e);

    if (r < 0)
        return r;
    d->begun = true;
    r = superblock_wipe(d->fd, e);
    if (r >= 0)
        r = partition_table_erase(d->fd, &g, NULL, e);
    if (r >= 0 && (r = ends_clear(d)) < 0)
        error_errno(e, r, "clearing %s", d->path);
    if (r < 0)
        return r;
    PartitionTable none = {.kind = TABLE_NONE};
    r = kernel_partitions_update(d->arena, d->fd, &d->facts, &none, NULL, e);
    return r < 0 ? r : 0;
}

static int filesystem_make(InstallDisk *d, const InstallRow *row, Error *e)
{
    _cleanup_buf_ Buf said = BUF_INIT;
    const LoopPart part = {row->offset, row->size, d->facts.sector_size};
    int r = step(d,
                 arena_printf(d->arena, "%s is made on partition %u (%s)", row->format ? row->format : "room",
                              row->partition.number, row->partition.label),
                 e);
    int fd = r < 0 ? r : loop_device_open(d->fd, &part, d->names[row->part], e);

    if (fd < 0)
        return fd;
    d->loops[row->part] = fd;
    r = superblock_wipe(fd, e);
    if (r < 0 || !row->format)
        return r < 0 ? r : 0;
    const char *const *argv = install_mkfs(d->arena, row, d->names[row->part]);
    r = process_run(&(ProcessRun){.argv = argv, .output = &said}, e);
    return r > 0 ? -EIO : r;
}

static int row_mount(const InstallDisk *d, const InstallRow *row, const char *where, Error *e)
{
    if (mkdir(where, 0755) < 0 && errno != EEXIST)
        return error_errno(e, -errno, "%s", where);
    return mount(d->names[row->part], where, row->format, 0, NULL) < 0
               ? error_errno(e, -errno, "mounting the %s that was made", row->format)
               : 0;
}

int install_disk_mount(InstallDisk *d, const InstallPlan *plan, Error *e)
{
    d->plan = plan;
    int r = step(d, "the disk is opened", e);
    if (r >= 0)
        r = disk_open(d, e);
    if (r >= 0)
        r = disk_clear(d, e);
    for (size_t i = 0; r >= 0 && i < plan->n; i++)
        r = filesystem_make(d, plan->rows + i, e);
    if (r >= 0)
        r = row_mount(d, install_plan_find(plan, INSTALL_ROOT), INSTALL_TOP, e);
    if (r >= 0)
        r = row_mount(d, install_plan_find(plan, INSTALL_BOOT), INSTALL_TOP "/boot", e);
    return r;
}

/* ---- the ESP ---- */

static int mtools_run(const char *const *argv, const Buf *input, Error *e)
{
    static const char *const env[] = {"MTOOLS_SKIP_CHECK=1", "MTOOLSRC=/dev/null", NULL};
    _cleanup_buf_ Buf said = BUF_INIT;
    int r = process_run(&(ProcessRun){.argv = argv,
                                      .env = env,
                                      .output = &said,
                                      .input = input ? input->data : NULL,
                                      .input_len = input ? input->len : 0},
                        e);
    return r > 0 ? -EIO : r;
}

int install_disk_esp_write(InstallDisk *d, const char *directory, const char *name, const Buf *data, Error *e)
{
    const char *device = d->names[INSTALL_ESP], *path = arena_printf(d->arena, "::/%s", directory);
    int r = step(d, "the boot loader is put on the ESP", e);

    for (const char *slash = directory; r >= 0 && slash; slash = strchr(slash, '/')) {
        slash += slash != directory;
        const size_t n = (size_t)(slash - directory) + strcspn(slash, "/");
        const char *const argv[] = {
            "mmd", "-D", "s", "-i", device, arena_printf(d->arena, "::/%.*s", (int)n, directory), NULL};
        r = mtools_run(argv, NULL, e);
    }
    const char *const argv[] = {
        "mcopy", "-D", "o", "-i", device, "-", arena_printf(d->arena, "%s/%s", path, name), NULL};
    return r < 0 ? r : mtools_run(argv, data, e);
}

#define STAGE INSTALL_TOP "/boot/efi"

int install_disk_esp_stage(InstallDisk *d, Error *e)
{
    const InstallRow *row = install_plan_find(d->plan, INSTALL_ESP);
    const char *how = arena_printf(d->arena, "mode=0755,size=%" PRIu64, row->size);
    if (mkdir(STAGE, 0755) < 0 || mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, how) < 0)
        return error_errno(e, -errno, "a file system in memory at %s", STAGE);
    return 0;
}

int install_disk_esp_fill(InstallDisk *d, Error *e)
{
    int r = step(d, "the boot loader is put on the ESP", e);
    _cleanup_closedir_ DIR *dir = r < 0 ? NULL : opendir(STAGE);

    if (r >= 0 && !dir)
        return error_errno(e, -errno, "%s", STAGE);
    for (struct dirent *f; r >= 0 && (f = readdir(dir));) {
        const char *const argv[] = {"mcopy",
                                    "-s",
                                    "-D",
                                    "s",
                                    "-i",
                                    d->names[INSTALL_ESP],
                                    arena_printf(d->arena, STAGE "/%s", f->d_name),
                                    "::/",
                                    NULL};
        if (f->d_name[0] != '.')
            r = mtools_run(argv, NULL, e);
    }
    if (r >= 0 && umount2(STAGE, MNT_DETACH) < 0) /* the directory is open still */
        r = error_errno(e, -errno, "%s", STAGE);
    return r;
}

/* ---- the end ---- */

static int unmount_all(InstallDisk *d, Error *e)
{
    if (umount(INSTALL_TOP "/boot") < 0 || umount(INSTALL_TOP) < 0)
        return error_errno(e, -errno, "unmounting what was installed");
    for (size_t i = 0; i < d->plan->n; i++) {
        const InstallPart part = d->plan->rows[i].part;
        int r = loop_device_settle(d->names[part], e);
        closep(&d->loops[part]);
        d->loops[part] = -EBADF;
        if (r < 0)
            return r;
    }
    return fsync(d->fd) < 0 ? error_errno(e, -errno, "writing %s", d->path) : 0;
}

static int bios_write(InstallDisk *d, const Buf *image, Error *e)
{
    const InstallRow *row = install_plan_find(d->plan, INSTALL_BIOS);
    int r = step(d, "the boot loader for BIOS is written", e);
    if (r >= 0 && (r = file_write_part(d->fd, image->data, image->len, row->offset)) >= 0)
        r = fsync(d->fd) < 0 ? -errno : 0;
    return r < 0 ? error_errno(e, r, "writing %s", d->path) : 0;
}

static int table_write(InstallDisk *d, const char *code, Error *e)
{
    const TableGeometry g = d->plan->geometry;
    TableStep steps[INSTALL_PARTS];
    for (size_t i = 0; i < d->plan->n; i++)
        steps[i] = (TableStep){TABLE_CREATE, d->plan->rows[i].partition};
    const TableEdit edit = {.new_table = true,
                            .boot_code = code,
                            .disk_guid = d->plan->disk_guid,
                            .steps = steps,
                            .n = d->plan->n};
    int r = partition_table_write(d->fd, &g, &edit, NULL, e);
    d->whole = r >= 0;
    return r;
}

/* The system is there; that the kernel does not see it yet is no failure. */
static void kernel_tell(InstallDisk *d, const char **ret_warning)
{
    Error e = ERROR_INIT;
    int r = partition_table_read(d->arena, d->fd, &d->plan->geometry, &d->facts.table, &e);
    if (r >= 0)
        r = kernel_partitions_update(d->arena, d->fd, &d->facts, &d->facts.table, NULL, &e);
    if (r >= 0 && d->facts.kernel_known)
        r = device_settle(&e);
    *ret_warning = r < 0 ? arena_strdup(d->arena, e.text) : NULL;
}

int install_disk_finish(InstallDisk *d, const char *code, const Buf *image, const char **ret_warning,
                        Error *e)
{
    int r = step(d, "everything is written out", e);
    if (r >= 0)
        r = unmount_all(d, e);
    if (r >= 0 && image)
        r = bios_write(d, image, e);
    if (r >= 0)
        r = step(d, "the partition table is written", e);
    if (r >= 0)
        r = table_write(d, image ? code : NULL, e);
    if (r >= 0)
        kernel_tell(d, ret_warning);
    return r;
}

void install_disk_done(InstallDisk *d)
{
    if (d->mounted) {
        (void)umount2(STAGE, MNT_DETACH);
        (void)umount2(INSTALL_TOP "/boot", MNT_DETACH);
        while (umount2(INSTALL_TOP, MNT_DETACH) == 0)
            ;
    }
    for (size_t i = 0; i < INSTALL_PARTS; i++)
        closep(&d->loops[i]);
    if (d->begun && !d->whole) {
        (void)partition_table_erase(d->fd, &(TableGeometry){d->size, d->facts.sector_size}, NULL, NULL);
        (void)ends_clear(d);
    }
    if (d->made && !d->whole)
        (void)unlink(d->facts.real);
    closep(&d->fd);
}
