/* The table is read from the file itself, signatures at the place of each partition: no loop device is made.
 * What only opening a container could tell (volumes of a group, the name of a mapping) stays unknown. */
#include "provision/image_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "provision/device_inspect.h"
#include "system/superblock.h"

enum { SECTOR_SMALL = 512, SECTOR_LARGE = 4096 };

static bool has_table_at(int fd, off_t at)
{
    char mark[8];

    return pread(fd, mark, sizeof(mark), at) == (ssize_t)sizeof(mark) &&
           memcmp(mark, "EFI PART", sizeof(mark)) == 0;
}

static void list_add(Arena *a, FactsList *l, const DeviceFacts *d)
{
    FactsDevice *more = ARENA_ARRAY(a, FactsDevice, l->n + 1);

    if (l->n > 0)
        memcpy(more, l->devices, l->n * sizeof(*more));
    more[l->n++].facts = *d;
    l->devices = more;
}

static int partition_add(Arena *a, int fd, const DeviceFacts *disk, const Partition *p, FactsList *list,
                         Error *e)
{
    const uint64_t sector = disk->sector_size;
    DeviceFacts d = {
        .exists = true,
        .path = facts_partition_name(a, disk->path, p->number),
        .size = p->size * sector,
        .sector_size = disk->sector_size,
        .physical_sector_size = disk->physical_sector_size,
        .is_partition = true,
    };

    d.real = d.path;
    int r = superblock_read_part(a, fd, p->start * sector, d.size, &d.superblock, e);
    if (r >= 0)
        list_add(a, list, &d);
    return r;
}

int image_facts_add(Arena *a, const char *name, const char *file, FactsList *list, Error *e)
{
    DeviceFacts d;
    _cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return error_errno(e, -errno, "image '%s'", file);
    bool large = !has_table_at(fd, SECTOR_SMALL) && has_table_at(fd, SECTOR_LARGE);
    const BlockView view = {.image_sector_size = large ? SECTOR_LARGE : SECTOR_SMALL};
    int r = device_inspect(a, &view, file, LOOK_ALL & ~LOOK_HOLDERS, &d, e);
    if (r >= 0 && !d.exists)
        r = error_set(e, ENOTBLK, "it is neither a file nor a device");
    if (r < 0)
        return error_wrap(e, r, "image '%s'", file);
    d.path = d.real = arena_strdup(a, name);
    d.read_only = false; /* who plans needs no right to write; the machine will have it */
    list_add(a, list, &d);
    for (size_t i = 0; r >= 0 && i < d.table.n; i++)
        r = partition_add(a, fd, &d, &d.table.partitions[i], list, e);
    return r < 0 ? error_wrap(e, r, "image '%s'", file) : 0;
}
