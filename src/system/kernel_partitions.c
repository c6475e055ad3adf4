/* In order: those go that the table no longer has or has elsewhere; those that only grew or shrank are
 * resized, the shrinking first; those that are missing are added. Each step is compared with what the kernel
 * has at that moment, so a second run after a cut goes on where the first one stopped; a kernel (or udev)
 * that reads tables by itself may have done any part of it already. */
#include "system/kernel_partitions.h"

#include <linux/blkpg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/log.h"

/* Another reader of the table may change the list under our hands; whoever scans all devices has one open for
 * a moment. */
enum { TRIES = 100, PAUSE_MS = 20 };

static const Partition *table_find(const PartitionTable *t, unsigned number)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->partitions[i].number == number)
            return &t->partitions[i];
    return NULL;
}

static const KernelPartition *kernel_find(const DeviceFacts *f, unsigned number)
{
    for (size_t i = 0; i < f->n_kernel; i++)
        if (f->kernel[i].number == number)
            return &f->kernel[i];
    return NULL;
}

bool kernel_partitions_agree(const DeviceFacts *disk, const PartitionTable *table)
{
    if (disk->n_kernel != table->n)
        return false;
    for (size_t i = 0; i < table->n; i++) {
        const Partition *p = &table->partitions[i];
        const KernelPartition *k = kernel_find(disk, p->number);
        if (!k || k->start != p->start * disk->sector_size || k->size != p->size * disk->sector_size)
            return false;
    }
    return true;
}

typedef struct Update {
    Arena *arena;
    int fd;
    DeviceFacts *disk;
    const PartitionTable *table;
    const TableHooks *hooks;
    bool changed;
    bool held; /* by something that will stay */
} Update;

static const char *holder_text(Update *u, unsigned number)
{
    DeviceFacts now;
    const DeviceHolder *h = NULL;

    if (block_device_look(u->arena, NULL, u->disk->real, LOOK_HOLDERS, &now, NULL) == 0)
        h = device_holder_of(&now, number);
    u->held = h != NULL;
    return h ? device_holder_text(u->arena, h) : "another program has it open";
}

static int partition_call(Update *u, int op, unsigned number, uint64_t start, uint64_t size, Error *e)
{
    static const char *const verbs[] = {
        [BLKPG_ADD_PARTITION] = "add", [BLKPG_DEL_PARTITION] = "drop", [BLKPG_RESIZE_PARTITION] = "resize"};
    struct blkpg_partition p = {.start = (long long)start, .length = (long long)size, .pno = (int)number};
    struct blkpg_ioctl_arg call = {.op = op, .datalen = sizeof(p), .data = &p};
    const char *what = arena_printf(u->arena, "having the kernel %s partition %u", verbs[op], number);
    int r = u->hooks && u->hooks->step ? u->hooks->step(u->hooks->context, what) : 0;

    if (r < 0)
        return r;
    log_debug("%s of %s", what, u->disk->real);
    u->changed = true;
    if (ioctl(u->fd, BLKPG, &call) == 0)
        return 0;
    r = -errno;
    if (op == BLKPG_DEL_PARTITION && r == -ENXIO)
        return 0; /* somebody was faster */
    if (r == -EBUSY && op == BLKPG_DEL_PARTITION)
        return error_set(e, EBUSY, "the kernel cannot %s partition %u of %s: %s", verbs[op], number,
                         u->disk->real, holder_text(u, number));
    return error_errno(e, r, "the kernel cannot %s partition %u of %s", verbs[op], number, u->disk->real);
}

static int drop_partitions(Update *u, Error *e)
{
    for (size_t i = 0; i < u->disk->n_kernel; i++) {
        const KernelPartition *k = &u->disk->kernel[i];
        const Partition *p = table_find(u->table, k->number);
        if (p && p->start * u->disk->sector_size == k->start)
            continue;
        int r = partition_call(u, BLKPG_DEL_PARTITION, k->number, 0, 0, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int resize_partitions(Update *u, bool growing, Error *e)
{
    for (size_t i = 0; i < u->disk->n_kernel; i++) {
        const KernelPartition *k = &u->disk->kernel[i];
        const Partition *p = table_find(u->table, k->number);
        uint64_t size = p ? p->size * u->disk->sector_size : 0;
        if (!p || p->start * u->disk->sector_size != k->start || size == k->size ||
            (size > k->size) != growing)
            continue;
        int r = partition_call(u, BLKPG_RESIZE_PARTITION, k->number, k->start, size, e);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_partitions(Update *u, Error *e)
{
    unsigned ss = u->disk->sector_size;
    for (size_t i = 0; i < u->table->n; i++) {
        const Partition *p = &u->table->partitions[i];
        const KernelPartition *k = kernel_find(u->disk, p->number);
        if (k && k->start == p->start * ss)
            continue;
        int r = partition_call(u, BLKPG_ADD_PARTITION, p->number, p->start * ss, p->size * ss, e);
        if (r < 0)
            return r;
    }
    return 0;
}

int kernel_partitions_update(Arena *a, int fd, DeviceFacts *disk, const PartitionTable *table,
                             const TableHooks *hooks, Error *e)
{
    Update u = {.arena = a, .fd = fd, .disk = disk, .table = table, .hooks = hooks};
    int r = 0;

    if (!disk->kernel_known || block_device_is_mapped(a, disk))
        return 0;
    for (unsigned i = 0; i < TRIES; i++) {
        r = block_device_partitions(a, NULL, disk, e);
        if (r < 0)
            return r;
        if (kernel_partitions_agree(disk, table))
            return u.changed;
        r = drop_partitions(&u, e);
        if (r == 0)
            r = resize_partitions(&u, false, e);
        if (r == 0)
            r = resize_partitions(&u, true, e);
        if (r == 0)
            r = add_partitions(&u, e);
        if (r < 0 && (u.held || (r != -EBUSY && r != -ENXIO)))
            return r;
        if (r < 0)
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000}, NULL);
    }
    if (r < 0)
        return r;
    r = block_device_partitions(a, NULL, disk, e);
    if (r < 0 || kernel_partitions_agree(disk, table))
        return r < 0 ? r : u.changed;
    return error_set(e, EBUSY, "the kernel's partitions of %s keep changing: another program partitions it",
                     disk->real);
}
