/* A hostile disk is read, planned for, written and read again. The first byte of an input says how (see the
 * flags), the second how many of the last 512-byte pieces are the end of the disk; the rest is its beginning.
 * What is between is zero. Checksums are put right where the flags say so, or nothing but them would be
 * tested. */
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <zlib.h>

#include "provision/partition_plan.h"

enum { LARGE_SECTORS = 1, MEND_PRIMARY = 2, MEND_BACKUP = 4, CONFIG = 0x38, DISK_SIZE = 4 << 20 };

static const IgnPartition partitions[] = {
    {.number = {true, 1}, .label = "a", .size_mib = {true, 1}, .wipe_partition_entry = BOOL_TRUE},
    {.label = "b", .start_mib = {true, 2}},
    {.number = {true, 2}, .should_exist = BOOL_FALSE, .wipe_partition_entry = BOOL_TRUE},
    {.number = {true, 1}, .size_mib = {true, 0}, .resize = BOOL_TRUE},
    {.number = {true, 3}, .guid = "11111111-2222-4333-8444-555555555555"},
};
#define LIST(first, count)                                                                                   \
    {                                                                                                        \
        .items = (void *)(uintptr_t)&partitions[first], .n = (count)                                         \
    }
static const IgnDisk disks[8] = {
    {.device = "/dev/x", .partitions = LIST(0, 2)},
    {.device = "/dev/x", .partitions = LIST(1, 1)},
    {.device = "/dev/x", .partitions = LIST(2, 2)},
    {.device = "/dev/x", .partitions = LIST(3, 2)},
    {.device = "/dev/x", .partitions = LIST(4, 1)},
    {.device = "/dev/x", .wipe_table = BOOL_TRUE, .partitions = LIST(0, 2)},
    {.device = "/dev/x", .wipe_table = BOOL_TRUE},
    {.device = "/dev/x"},
};

static void put32(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
}

static void mend(uint8_t *disk, uint64_t lba, unsigned ss)
{
    uint8_t *h = disk + lba * ss;
    uint64_t entries;
    uint32_t n, size;

    memcpy(&entries, h + 72, sizeof(entries));
    memcpy(&n, h + 80, sizeof(n));
    memcpy(&size, h + 12, sizeof(size));
    entries = le64toh(entries);
    if (entries < DISK_SIZE / ss && (uint64_t)n * 128 <= DISK_SIZE - entries * ss)
        put32(h + 88, (uint32_t)crc32(0, disk + entries * ss, n * 128));
    if (size > ss)
        return;
    put32(h + 16, 0);
    put32(h + 16, (uint32_t)crc32(0, h, size));
}

/* NULL: refused */
static PartitionPlan *plan(Arena *a, int fd, const IgnDisk *disk, const TableGeometry *g)
{
    _cleanup_report_ Report report = REPORT_INIT(a);
    static const char path[] = "/dev/x";
    DeviceFacts *f = ARENA_NEW(a, DeviceFacts);

    *f = (DeviceFacts){
        .path = path, .real = path, .exists = true, .size = g->size, .sector_size = g->sector_size};
    if (partition_table_read(a, fd, g, &f->table, NULL) < 0)
        return NULL;
    StorageItem item = {
        .object = disk, .json_path = "$.storage.disks.0", .arena = a, .facts = f, .report = report};
    PartitionPlan *p = partition_plan_make(&item, NULL);
    report = item.report;
    return report.errors ? NULL : p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    unsigned flags = data[0], ss = flags & LARGE_SECTORS ? 4096 : 512;
    size_t tail = data[1] * (size_t)512, rest = size - 2;
    const TableGeometry g = {DISK_SIZE, ss};
    const IgnDisk *disk = &disks[(flags & CONFIG) >> 3];
    _cleanup_close_ int fd = memfd_create("disk", MFD_CLOEXEC);
    _cleanup_arena_ Arena *a = arena_new();

    if (tail > rest)
        tail = rest;
    if (rest > DISK_SIZE / 2 || fd < 0 || ftruncate(fd, DISK_SIZE) < 0)
        return 0;
    uint8_t *map = mmap(NULL, DISK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        abort();
    memcpy(map, data + 2, rest - tail);
    memcpy(map + DISK_SIZE - tail, data + 2 + rest - tail, tail);
    if (flags & MEND_PRIMARY)
        mend(map, 1, ss);
    if (flags & MEND_BACKUP)
        mend(map, DISK_SIZE / ss - 1, ss);
    munmap(map, DISK_SIZE);

    const PartitionPlan *p = plan(a, fd, disk, &g);
    if (!p || !p->write)
        return 0;
    int r = p->erase ? partition_table_erase(fd, &g, NULL, NULL)
                     : partition_table_write(fd, &g, &p->edit, NULL, NULL);
    if (r < 0)
        return 0; /* overlaps of others that libfdisk will not write */
    p = plan(a, fd, disk, &g);
    if (!p || p->write)
        abort(); /* what was written is not what was planned */
    return 0;
}
