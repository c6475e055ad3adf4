/* Puts the facts of a device together from the files of system/ that know a part each: one row a part, after
 * the numbers and holders, which all of them stand on. Only what is asked for is looked at, in the order of
 * the rows; a row sees what the rows before it found. */
#include "provision/device_inspect.h"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "system/device_wait.h"
#include "system/luks_header.h"
#include "system/lvm_device.h"
#include "system/partition_table.h"
#include "system/raid_device.h"
#include "system/superblock.h"

typedef struct Look {
    Arena *a;
    int fd;
    DeviceFacts *facts;
} Look;

static int look_table(const Look *l, Error *e)
{
    DeviceFacts *f = l->facts;
    return partition_table_read(l->a, l->fd, &(TableGeometry){f->size, f->sector_size}, &f->table, e);
}

static int look_superblock(const Look *l, Error *e)
{
    return superblock_read(l->a, l->fd, &l->facts->superblock, e);
}

static int look_raid(const Look *l, Error *e)
{
    DeviceFacts *f = l->facts;
    int r = raid_member_read(l->a, l->fd, f->size, &f->raid, e);
    if (r < 0)
        return r;
    _cleanup_close_ int sysfs = open("/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (sysfs < 0)
        return error_errno(e, -errno, "opening /sys");
    return f->major ? raid_running_read(l->a, sysfs, f->major, f->minor, &f->raid) : 0;
}

static int look_luks(const Look *l, Error *e)
{
    return luks_header_look_fd(l->a, l->fd, &l->facts->luks, e);
}

static int look_lvm(const Look *l, Error *e)
{
    return lvm_device_read(l->a, l->fd, l->facts->size, &l->facts->lvm, e);
}

static const struct {
    unsigned what;
    int (*look)(const Look *l, Error *e);
} rows[] = {
    {LOOK_TABLE, look_table}, {LOOK_SUPERBLOCK, look_superblock},
    {LOOK_RAID, look_raid},   {LOOK_LUKS, look_luks},
    {LOOK_LVM, look_lvm},
};

int device_inspect(Arena *a, const BlockView *view, const char *real, unsigned what, DeviceFacts *ret,
                   Error *e)
{
    DeviceFacts d;

    int r = block_device_look(a, view, real, what, &d, e);
    if (r < 0)
        return r;
    if (d.exists) {
        _cleanup_close_ int fd = open(d.real, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            return error_errno(e, -errno, "opening %s", d.real);
        const Look look = {a, fd, &d};
        for (size_t i = 0; r >= 0 && i < ELEMENTS(rows); i++)
            if (what & rows[i].what)
                r = rows[i].look(&look, e);
        if (r < 0)
            return error_wrap(e, r, "%s", real);
    }
    *ret = d;
    return 0;
}

static int look(void *context _unused_, Arena *a, const char *path, unsigned what, DeviceFacts *ret, Error *e)
{
    const char *real;

    int r = device_resolve(a, path, &real, e);
    if (r == -ENOENT) {
        if (e)
            *e = ERROR_INIT;
        *ret = (DeviceFacts){.path = arena_strdup(a, path)};
        return 0;
    }
    if (r >= 0)
        r = device_inspect(a, NULL, real, what, ret, e);
    if (r < 0)
        return r;
    ret->path = arena_strdup(a, path);
    return 0;
}

const Inspector device_inspector = {look, NULL};
