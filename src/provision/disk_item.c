/* A disk of the config: its partition table. Applying goes in this order:
 *   1. the whole disk is locked (flock), so that udev leaves it alone meanwhile
 *   2. the table is written and on the disk (partition_table.c says what a power cut leaves)
 *   3. it is read back, and the kernel's partitions are made what it says
 *   4. the lock is given up, which has udev look at the disk; that is waited for
 *   5. each partition has its node
 * After a cut in 2 the table is the old one, the new one, or the new one by its backup; after one in 3 the
 * table is new and the kernel is not: the next plan sees both, and does what is missing. */
#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/log.h"
#include "provision/partition_plan.h"
#include "provision/storage.h"
#include "system/block_device.h"
#include "system/device_wait.h"
#include "system/kernel_partitions.h"

/* ---- names ---- */

static const IgnList *disk_objects(const IgnStorage *s)
{
    return &s->disks;
}

/* /dev/vda3, /dev/nvme0n1p3, /dev/disk/by-id/x-part3: udev's rule for links, the kernel's for nodes. */
static const char *partition_node(Arena *a, const char *disk, unsigned number)
{
    size_t n = strlen(disk);

    if (strncmp(disk, "/dev/disk/", strlen("/dev/disk/")) == 0)
        return arena_printf(a, "%s-part%u", disk, number);
    return arena_printf(a, n && isdigit((unsigned char)disk[n - 1]) ? "%sp%u" : "%s%u", disk, number);
}

/* As udev writes a label in the name of a link: what is not plain becomes \x20 and the like. */
static const char *link_name(Arena *a, const char *label)
{
    _cleanup_buf_ Buf b = BUF_INIT;

    for (const unsigned char *s = (const unsigned char *)label; *s; s++) {
        if (*s >= 0x80 || isalnum(*s) || strchr("#+-.:=@_", *s))
            buf_add_char(&b, (char)*s);
        else
            buf_addf(&b, "\\x%02x", *s);
    }
    return arena_strdup(a, b.data ? b.data : "");
}

static const char *small_letters(Arena *a, const char *s)
{
    char *t = arena_strdup(a, s);
    for (char *c = t; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return t;
}

static void disk_describe(StorageItem *item)
{
    const IgnDisk *d = item->object;
    Arena *a = item->arena;

    item->name = arena_printf(a, "disk %s", d->device);
    string_list_add(&item->needs, d->device);
    string_list_add(&item->gives, d->device);
    IGN_EACH (IgnPartition, p, d->partitions) {
        if (p->number.value > 0)
            string_list_add(&item->gives, partition_node(a, d->device, (unsigned)p->number.value));
        if (!opt_bool(p->should_exist, true))
            continue;
        if (p->label && *p->label)
            string_list_add(&item->gives,
                            arena_printf(a, "/dev/disk/by-partlabel/%s", link_name(a, p->label)));
        if (p->guid && *p->guid)
            string_list_add(&item->gives,
                            arena_printf(a, "/dev/disk/by-partuuid/%s", small_letters(a, p->guid)));
    }
}

static void disk_plan(const StorageContext *c, StorageItem *item)
{
    (void)c;
    item->plan = partition_plan_make(item, NULL);
}

/* ---- making it real ---- */

typedef struct Stepper {
    StorageContext *context;
    const char *device;
} Stepper;

static int take_step(void *context, const char *what)
{
    Stepper *s = context;
    return storage_step(s->context, "%s of %s", what, s->device);
}

static int lock_disk(int fd, const char *device, Error *e)
{
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return error_errno(e, -errno, "cannot lock %s", device);
    return 0;
}

static void log_changes(const StorageItem *item)
{
    static const char *const doing[] = {
        [STORAGE_CREATE] = "creating", [STORAGE_CHANGE] = "changing", [STORAGE_RECREATE] = "making anew",
        [STORAGE_DELETE] = "deleting", [STORAGE_KEEP] = "keeping",
    };
    for (size_t i = 0; i < item->changes.n; i++) {
        const StorageChange *x = &item->changes.items[i];
        log_info("%s %s%s%s", doing[x->verb], x->object, x->detail ? ": " : "", x->detail ? x->detail : "");
    }
}

static int write_table(const StorageItem *item, int fd, const TableHooks *hooks, Error *e)
{
    const PartitionPlan *plan = item->plan;
    const DeviceFacts *f = item->facts;
    const TableGeometry g = {f->size, f->sector_size};

    if (!plan->write)
        return 0;
    return plan->erase ? partition_table_erase(fd, &g, hooks, e)
                       : partition_table_write(fd, &g, &plan->edit, hooks, e);
}

static int make_real(StorageContext *c, StorageItem *item, DeviceFacts *f, Error *e)
{
    _cleanup_close_ int fd = open(f->real, O_RDWR | O_CLOEXEC);
    Stepper stepper = {c, f->path};
    TableHooks hooks = {take_step, &stepper};
    const TableGeometry g = {f->size, f->sector_size};
    int r = fd < 0 ? error_errno(e, -errno, "cannot open %s", f->path) : lock_disk(fd, f->path, e);

    if (r == 0)
        r = write_table(item, fd, &hooks, e);
    if (r == 0)
        r = partition_table_read(item->arena, fd, &g, &f->table, e);
    if (r == 0)
        r = kernel_partitions_update(item->arena, fd, f, &f->table, &hooks, e);
    return r < 0 ? r : 0;
}

static int disk_apply(StorageContext *c, StorageItem *item, Error *e)
{
    DeviceFacts *f = &item->facts[0];
    int r;

    log_changes(item);
    r = make_real(c, item, f, e);
    if (r < 0)
        return error_wrap(e, r, "partitioning %s", f->path);
    if (!f->kernel_known)
        return 0;
    r = device_settle(e);
    if (r == 0)
        r = block_device_partitions(item->arena, NULL, f, e);
    for (size_t i = 0; r == 0 && i < f->n_kernel; i++) {
        const KernelPartition *k = &f->kernel[i];
        const char *node;
        r = device_node(item->arena, k->major, k->minor, k->name, &node, e);
    }
    return r < 0 ? error_wrap(e, r, "the partitions of %s", f->path) : 0;
}

const StorageKind storage_disk = {
    .name = "disk",
    .section = "storage.disks",
    .objects = disk_objects,
    .object_size = sizeof(IgnDisk),
    .look = LOOK_TABLE | LOOK_HOLDERS,
    .describe = disk_describe,
    .plan = disk_plan,
    .apply = disk_apply,
};
